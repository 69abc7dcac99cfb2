"""Kills the lab's primary site again and again; recovers it half of the times by Seawall and half by direct calls.

    python -m tests.bench [--runs 10] [--json FILE]

What is compared: the seconds from the first look to the check through the public name (the wait for a person left out),
and the outage that the clients saw. Both recoveries have their processes warm, as on-call processes are.

Clients learn of the new address when the one that they know expires, so the outage jumps by a whole TTL where a flip
just misses that moment. The kills are therefore spread evenly over one TTL, the same for both ways.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.lab import lab
from infra.lab.copies import settings_of
from infra.lab.info import LabInfo
from infra.lab.load import Load
from tests.bench.direct import Direct
from workers import control
from workers.connect import connect
from workers.demo.cockpit import APPROVER
from workers.demo.detector import wait_for_outage
from workflows.model.progress import RunState, StepRecord
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest

SCREEN = Console(highlight=False)
_WARM_UP = 2.0
_TTL = 1.0
"""Of the public name in the lab."""
_COOL_DOWN = 1.5
_FIRST_ASKED = 0.25
_ASK_EVERY = 0.02
"""Each question costs the run's worker a task, so nobody asks while there cannot be a gate yet."""
_SIDE_BRANCHES = ("app.start_instances", "db.measure_loss", "approve")


@dataclass
class Sample:
    """One recovery."""

    recovery: float
    outage: float
    steps: dict[str, float]
    overhead: dict[str, float] = field(default_factory=dict)


Recover = Callable[[], Coroutine[None, None, Sample]]
Prepare = Callable[[LabInfo, Path], Recover]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    seawall, direct = [], []
    for number in range(1, options.runs + 1):
        SCREEN.print(f"run {number} of {options.runs}")
        phase = _TTL * (number - 0.5) / options.runs
        direct.append(_sample(_directly, phase))
        seawall.append(_sample(_by_seawall, phase))
    found = _compare(seawall, direct)
    _print(seawall, direct, found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _sample(recover: Prepare, phase: float) -> Sample:
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as folder:
        info = lab.up(Path(folder) / "lab", say=lambda _: None)
        try:
            return _measured(info, Path(folder), recover, phase)
        finally:
            lab.down(info.folder, say=lambda _: None, everything=True)


def _measured(info: LabInfo, folder: Path, recover: Prepare, phase: float) -> Sample:
    load = Load(info)
    prepared = recover(info, folder)
    load.start()
    try:
        time.sleep(_WARM_UP + phase)
        lab.break_(info.folder, "kill", "primary")
        wait_for_outage(info)
        sample = asyncio.run(prepared())
        time.sleep(_COOL_DOWN)
    finally:
        summary = load.stop()
    sample.outage = summary.outage_seconds
    return sample


def _directly(info: LabInfo, folder: Path) -> Recover:
    direct = Direct(info, folder)
    asyncio.run(direct.warm_up())

    async def recover() -> Sample:
        seconds = await direct.recover()
        return Sample(seconds, 0.0, direct.seconds)

    return recover


def _by_seawall(info: LabInfo, _folder: Path) -> Recover:
    async def recover() -> Sample:
        client = await connect(settings_of(info))
        request = FailoverRequest(runbook="shop", reason="bench", requested_by="bench")
        run = await control.start(client, request)
        await asyncio.sleep(_FIRST_ASKED)
        while (view := await control.progress(client, run)).gate is None:
            assert not view.state.ended, view.headline
            await asyncio.sleep(_ASK_EVERY)
        await control.approve(client, run, APPROVER, view.gate.code)
        report = await control.wait(client, run)
        assert report.end_state is RunState.RECOVERED, report.summary
        return _of(report)

    return recover


def _of(report: Report) -> Sample:
    waited = next(_seconds(step) for step in report.steps if step.id == "approve")
    assert report.rta_seconds is not None
    steps = {step.id: _seconds(step) for step in report.steps}
    overhead = {
        step.id: _seconds(step) - (step.provider_seconds or 0.0)
        for step in report.steps
        if step.id not in _SIDE_BRANCHES
    }
    return Sample(report.rta_seconds - waited, 0.0, steps, overhead)


def _seconds(step: StepRecord) -> float:
    assert step.started is not None
    assert step.ended is not None
    return (step.ended - step.started).total_seconds()


def _compare(seawall: list[Sample], direct: list[Sample]) -> dict[str, object]:
    def median(values: list[float]) -> float:
        return statistics.median(values)

    recovery = median([s.recovery for s in seawall]), median([s.recovery for s in direct])
    # Even over the TTL, the outages are too: their mean is steadier than the one in their middle.
    outage = statistics.mean([s.outage for s in seawall]), statistics.mean([s.outage for s in direct])
    overhead = {step: median([s.overhead[step] for s in seawall]) for step in seawall[0].overhead}
    return {
        "runs": len(seawall),
        "recovery_seconds": {"seawall": recovery[0], "direct": recovery[1], "ratio": recovery[0] / recovery[1]},
        "outage_seconds": {"seawall": outage[0], "direct": outage[1], "ratio": outage[0] / outage[1]},
        "overhead_seconds_per_step": overhead,
        "overhead_seconds_median": median(list(overhead.values())),
    }


def _print(seawall: list[Sample], direct: list[Sample], found: dict[str, object]) -> None:
    table = Table(title=f"{len(seawall)} runs each; medians, in ms", title_justify="left")
    for column in ("", "Seawall", "direct", "of it the orchestrator's"):
        table.add_column(column, justify="right")
    overhead = found["overhead_seconds_per_step"]
    assert isinstance(overhead, dict)
    for step in direct[0].steps:
        ours = [s.steps[step] for s in seawall if step in s.steps]
        table.add_row(
            step,
            f"{statistics.median(ours) * 1000:.0f}" if ours else "",
            f"{statistics.median([s.steps[step] for s in direct]) * 1000:.0f}",
            f"{overhead[step] * 1000:.0f}" if step in overhead else "",
        )
    SCREEN.print(table)
    for name in ("recovery_seconds", "outage_seconds"):
        pair = found[name]
        assert isinstance(pair, dict)
        SCREEN.print(f"{name}: {pair['seawall']:.3f} / {pair['direct']:.3f} = {pair['ratio']:.2f}x")
    SCREEN.print(
        f"orchestrator's own time per step on the critical path: {found['overhead_seconds_median']} s (median)"
    )


if __name__ == "__main__":
    main()
