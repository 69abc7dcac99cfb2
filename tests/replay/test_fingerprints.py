"""A change of what a workflow commands is seen, line by line, and is made on purpose."""

import difflib

import pytest

from tests.support.changed import ChangedFailover
from workers.worker import WORKFLOWS
from workflows.failover import Failover

from .fingerprints import fingerprints, recorded

ADVICE = """
The code commands something else than when this history was recorded. A run that is open would stop with a
non-determinism error as soon as this version continues it.
- Released already: keep the old way for old runs, with `if workflow.patched("why-it-changed"):` around the new one.
- Not released, and meant: record again with `python -m tests.replay.record`, which writes
  fingerprints.txt too, and let the reviewer read its diff.
- Not meant: the diff above says what changed.
"""


def difference(was: dict[str, str], now: dict[str, str]) -> str:
    """What changed, history by history; empty when nothing did."""
    lines: list[str] = []
    for name in sorted({*was, *now}):
        before, after = was.get(name, "").splitlines(), now.get(name, "").splitlines()
        lines += difflib.unified_diff(before, after, f"{name} as recorded", f"{name} today", lineterm="", n=1)
    return "\n".join(lines)


async def test_every_workflow_commands_what_it_commanded() -> None:
    changed = difference(recorded(), await fingerprints())
    if changed:
        pytest.fail(f"\n{changed}\n{ADVICE}", pytrace=False)


async def test_a_command_more_is_shown_where_it_is() -> None:
    name = "failover-recovered"
    changed = tuple(ChangedFailover if found is Failover else found for found in WORKFLOWS)
    shown = difference({name: recorded()[name]}, await fingerprints(name, changed)).splitlines()
    assert shown[0] == f"--- {name} as recorded"
    assert "-  search attributes, load_runbook @seawall" in shown
    assert "+  timer" in shown
