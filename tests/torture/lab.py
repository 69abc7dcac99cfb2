"""Torture over the lab: `python -m tests.torture.lab --seeds 50`, or one seed again: `--seed 7`.

Each seed is a story of real faults on two real sites under load (`lab_story.py`). One lab serves seed after seed: the
application goes there and back, and is protected again after each turn. A lab in which a turn ended otherwise (parked,
terminated, a rule broken) is thrown away. Exit code 1 when a rule was broken.
"""

import argparse
import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from infra.lab import lab
from infra.lab.copies import settings_of
from tests.integration.rig import Rig, silent
from workers import control
from workers.connect import connect
from workflows.model.progress import RunState

from .lab_figures import Figures
from .lab_judge import judge
from .lab_story import story
from .lab_turn import Teller, Turn

_GOOD = (RunState.RECOVERED, RunState.RECOVERED_DEGRADED, RunState.COMPENSATED, RunState.REFUSED)


class Torture:
    """Many seeds, over as few labs as will do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.figures = Figures()
        self.counts: Counter[str] = Counter()
        self.failed: dict[int, list[str]] = {}
        self._rig: Rig | None = None

    async def run(self, seeds: list[int]) -> None:
        """All of them."""
        began = time.monotonic()
        try:
            for seed in seeds:
                await self._seed(seed)
        finally:
            await self._drop()
        self._tell_sum(len(seeds), time.monotonic() - began)

    async def _seed(self, seed: int) -> None:
        tale, rig = story(seed), await self._lab()
        state = await control.application_state(rig.client, "shop")
        source = (state.active_site if state else "") or "primary"
        try:
            turn = await Teller(rig, tale, source).tell()
            await self.figures.measure(rig.client, turn.struck)
        except Exception as error:
            # A lab that cannot be asked any more is a finding of its own, and must not end the other seeds.
            self._note(seed, ", ".join(tale.moves), [strike.words() for strike in tale.strikes])
            broken, good = [f"the turn could not be told: {type(error).__name__}: {error}"], False
        else:
            self._tell(turn)
            broken, good = judge(turn), _reusable(turn)
        for sentence in broken:
            print(f"  BROKEN: {sentence}", flush=True)
        if broken:
            self.failed[seed] = broken
            await self._keep(seed)
        if broken or not good:
            await self._drop()

    async def _lab(self) -> Rig:
        if self._rig is None:
            self.counts["labs"] += 1
            info = await asyncio.to_thread(lab.up, self.folder / "lab", synchronous=True, say=silent)
            self._rig = Rig(info, await connect(settings_of(info)))
        return self._rig

    async def _drop(self) -> None:
        if self._rig is not None:
            self._rig = None
            await asyncio.to_thread(lab.down, self.folder / "lab", silent, everything=True)

    async def _keep(self, seed: int) -> None:
        """The logs of a broken turn outlive the lab."""
        kept = Path(tempfile.gettempdir()) / f"seawall-torture-{seed}"
        with contextlib.suppress(OSError, shutil.Error):
            shutil.copytree(self.folder / "lab" / "logs", kept, dirs_exist_ok=True)
            shutil.copytree(self.folder / "lab" / "reports", kept / "reports", dirs_exist_ok=True)
            print(f"  its logs and reports: {kept}", flush=True)

    def _note(self, seed: int, words: str, more: list[str]) -> None:
        print(" | ".join([f"seed {seed:>4}", words, *more]), flush=True)

    def _tell(self, turn: Turn) -> None:
        ends = [f"{move.kind} {move.report.end_state if move.report else move.status}" for move in turn.moves]
        struck = "; ".join(found.words for found in turn.struck) or "no fault found its target"
        self._note(
            turn.story.seed,
            struck,
            [
                ", ".join(ends),
                f"{turn.load.acknowledged} writes, {turn.load.outage_seconds:.1f} s outage",
                f"{turn.seconds:.0f} s",
            ],
        )
        self.counts.update(f"move {end}" for end in ends)
        self.counts.update(f"fault {found.what}" for found in turn.struck)
        self.counts["writes"] += turn.load.acknowledged
        self.counts["samples"] += turn.watched.samples

    def _tell_sum(self, seeds: int, seconds: float) -> None:
        counts = self.counts
        print(f"\n{seeds} seeds in {seconds:.0f} s: {seeds / seconds * 60:.1f} seeds a minute, {counts['labs']} labs")
        for kind in ("move", "fault"):
            rows = sorted((name, count) for name, count in counts.items() if name.startswith(f"{kind} "))
            print(f"{kind}s: " + ", ".join(f"{name.removeprefix(f'{kind} ')} {count}" for name, count in rows))
        print(f"{counts['writes']} acknowledged writes and {counts['samples']} samples of who takes writes were judged")
        for sentence in (*self.figures.sentences(), *self.figures.too_slow()):
            print(sentence)
        print(f"broken: {len(self.failed)} of {seeds} seeds")
        for seed in self.failed:
            print(f"  again: python -m tests.torture.lab --seed {seed}")


def _reusable(turn: Turn) -> bool:
    """The application is served and protected, and nobody holds it."""
    state = turn.application
    ended = all(move.report is not None and move.report.end_state in _GOOD for move in turn.moves)
    return ended and turn.served and state is not None and state.protected and state.lease is None


def main() -> int:
    """Exit code 0 when no rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.lab", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, default=None, help="this one only")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds wants a number above 0")
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # the users' connections die all the time
    seeds = [options.seed] if options.seed is not None else [*range(options.first, options.first + options.seeds)]
    with tempfile.TemporaryDirectory(prefix="seawall-torture-") as folder:
        torture = Torture(Path(folder))
        asyncio.run(torture.run(seeds))
    return 1 if torture.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
