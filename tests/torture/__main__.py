"""python -m tests.torture [--seeds 1000] [--seed FIRST] [--only NAME] [--json FILE]

Plays seeded scenarios over the simulated world, with real workflows on a real Temporal server, and judges each.
`--only` takes a kind of scenarios, or the name of one of `named.py`. The exit code is 1 when a rule was broken, or when
fewer than a quarter of the scenarios asserted a refusal.
"""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from tests.torture.run import Summary, run
from tests.torture.scenario import Scenario
from tests.torture.seeds import KINDS, scenario


def main() -> int:
    """Play, judge, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--world", choices=("sim",), default="sim")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--lanes", type=int, default=0, help="scenarios played beside each other; chosen when 0")
    parser.add_argument("--show", action="store_true", help="print the records of what was played")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    # Each fault is an error to the SDK, with a stack trace; here they are ordered.
    logging.disable(logging.CRITICAL)
    chosen = _chosen(options.seed, options.seeds, options.only)
    found: Summary = asyncio.run(run(chosen, lanes=options.lanes, show=options.show))
    found.tell()
    if options.json:
        options.json.write_text(found.as_json(), encoding="utf-8")
    return 0 if found.well else 1


def _chosen(first: int, count: int, only: str) -> list[Scenario]:
    if only and only not in KINDS:
        from tests.torture.named import named

        return [named(only)]
    made, seed = [], first
    while len(made) < count:
        drawn = scenario(seed)
        if not only or drawn.kind == only:
            made.append(drawn)
        seed += 1
    return made


if __name__ == "__main__":
    sys.exit(main())
