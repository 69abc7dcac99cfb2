"""Plays many scenarios beside each other, and counts.

Each lane has a namespace and workers of its own, so that a worker which one scenario stops is nobody else's.
"""

import asyncio
import contextlib
import functools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.history.v1 import History
from temporalio.client import Client, WorkflowHistory
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.testing import WorkflowEnvironment

from tests.conftest import temporal_binary
from tests.support.bed import crew
from tests.torture.checker import judge, refusals
from tests.torture.driver import LIMIT, played
from tests.torture.judging import Violation, end_of
from tests.torture.record import Record
from tests.torture.scenario import Scenario
from workers.converter import DATA_CONVERTER
from workflows.engine.attributes import ALL

LANES = 8
"""Enough to keep two cores busy; more only make each scenario slower."""

QUIET = TelemetryFilter(core_level="OFF", other_level="OFF")
"""What the SDK warns of is what is ordered here: calls that end after their run, workers that are shut down."""

SHARE = 0.25
"""Of the scenarios, at least so many must assert a refusal."""


@dataclass
class Outcome:
    """One scenario, judged."""

    scenario: Scenario
    record: Record | None
    violations: list[Violation]
    refusals: int = 0
    ends: tuple[str, ...] = ()


@dataclass
class Summary:
    """All of them."""

    wall: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def broken(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.violations]

    @property
    def refusing(self) -> int:
        """Scenarios that asserted a refusal."""
        return sum(1 for outcome in self.outcomes if outcome.refusals)

    @property
    def well(self) -> bool:
        few = len(self.outcomes) >= 40 and self.refusing < SHARE * len(self.outcomes)
        return not self.broken and not few

    def tell(self) -> None:
        """For people."""
        count = len(self.outcomes)
        kinds = Counter(outcome.scenario.kind for outcome in self.outcomes)
        ends = Counter(end for outcome in self.outcomes for end in outcome.ends)
        print(f"\n{count} scenarios in {self.wall:.0f} s, {count / self.wall * 60:.0f} a minute")
        print("kinds     " + ", ".join(f"{kind} {number}" for kind, number in kinds.most_common()))
        print("ends      " + ", ".join(f"{end} {number}" for end, number in ends.most_common()))
        print(f"refusals  asserted by {self.refusing} scenarios, {sum(o.refusals for o in self.outcomes)} in all")
        print(f"broken    {len(self.broken)} scenarios, {sum(len(o.violations) for o in self.broken)} violations")
        for outcome in self.broken:
            tell_broken(outcome)

    def as_json(self) -> str:
        """For programs."""
        kinds = Counter(outcome.scenario.kind for outcome in self.outcomes)
        found = {
            "scenarios": len(self.outcomes),
            "wall_seconds": round(self.wall, 1),
            "per_minute": round(len(self.outcomes) / self.wall * 60, 1),
            "kinds": dict(kinds),
            "refusing_scenarios": self.refusing,
            "violations": [
                {"scenario": o.scenario.name, "rule": v.rule, "sentence": v.sentence, "events": list(v.events)}
                for o in self.broken
                for v in o.violations
            ],
        }
        return json.dumps(found, indent=2) + "\n"


def keep_histories(outcome: Outcome) -> None:
    """Of a broken scenario, as files that a replayer and the Web UI can read; beside them all that is known of it."""
    if outcome.record is None:
        return
    folder = Path(tempfile.gettempdir()) / f"seawall-torture-{outcome.scenario.name}"
    folder.mkdir(exist_ok=True)
    (folder / "record.json").write_text(outcome.record.model_dump_json(indent=2), encoding="utf-8")
    for run in outcome.record.runs:
        history = History.FromString(outcome.record.histories[run.run])
        text = WorkflowHistory(run.workflow, list(history.events)).to_json()
        (folder / f"{run.run}.json").write_text(text, encoding="utf-8")
    print(f"    its histories: {folder}")


def tell_broken(outcome: Outcome) -> None:
    """What was broken, and the one command that shows it again."""
    scenario = outcome.scenario
    print(f"\n{scenario.name}: {len(outcome.violations)} violations")
    for violation in outcome.violations:
        print(f"    {violation}")
    again = f"--seeds 1 --seed {scenario.seed}" if scenario.seed else f"--only {scenario.name}"
    print(f"    again: python -m tests.torture {again} --show")


async def run(scenarios: Sequence[Scenario], lanes: int = 0, show: bool = False, quiet: bool = False) -> Summary:
    """Play all of them."""
    summary = Summary()
    queues = {forgetful: [s for s in reversed(scenarios) if s.forgetful is forgetful] for forgetful in (False, True)}
    wanted = min(lanes or LANES, len(scenarios))
    begun = time.monotonic()
    async with server(wanted) as address:

        async def lane(number: int) -> None:
            forgetful = bool(queues[True]) and (number % 4 == 3 or not queues[False])
            for _ in range(2):
                async with lane_crew(address, number, forgetful) as (client, folder):
                    while queues[forgetful]:
                        outcome = await play(client, queues[forgetful].pop(), folder)
                        _after(summary, outcome, len(scenarios), begun, show, quiet)
                        outcome.record = None  # A thousand histories are more than a small machine holds.
                forgetful = not forgetful
                if not queues[forgetful]:
                    return

        await asyncio.gather(*(lane(number) for number in range(wanted)))
    summary.wall = time.monotonic() - begun
    return summary


def _after(summary: Summary, outcome: Outcome, total: int, begun: float, show: bool, quiet: bool) -> None:
    summary.outcomes.append(outcome)
    if show and outcome.record is not None:
        print(outcome.scenario.model_dump_json(indent=2, exclude_defaults=True))
        print(outcome.record.model_dump_json(indent=2, exclude_defaults=True))
    if outcome.violations and not quiet:
        tell_broken(outcome)
        keep_histories(outcome)
    if not quiet:
        done, wall = len(summary.outcomes), time.monotonic() - begun
        line = f"{done} of {total}, {done / wall * 60:.0f} a minute, {len(summary.broken)} broken"
        if sys.stdout.isatty():
            print(f"\r{line}", end="", flush=True)
        elif done % 50 == 0:
            print(line, flush=True)


async def play(client: Client, scenario: Scenario, folder: Path, limit: float = LIMIT) -> Outcome:
    """One scenario, played and judged; a harness that fails is a violation too."""
    try:
        record = await played(client, scenario, folder, limit)
    except Exception as error:
        return Outcome(scenario, None, [Violation("harness", f"{type(error).__name__}: {error}")])
    return Outcome(scenario, record, judge(record), refusals(record), tuple(end_of(run) for run in record.runs))


@functools.cache
def quiet_runtime() -> Runtime:
    """One for the process."""
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=QUIET)))


@contextlib.asynccontextmanager
async def server(lanes: int) -> AsyncIterator[str]:
    """A Temporal server with a namespace for each lane; its address."""
    extra = []
    for limit in ("transfer", "timer", "visibility"):
        extra += ["--dynamic-config-value", f"history.{limit}ProcessorMaxPollRPS=2000"]
    for number in range(lanes):
        extra += ["--namespace", f"lane-{number}"]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(),
        ui=False,
        search_attributes=list(ALL),
        data_converter=DATA_CONVERTER,
        dev_server_log_level="never",
        runtime=quiet_runtime(),
        dev_server_extra_args=extra,
    ) as environment:
        yield environment.client.service_client.config.target_host


@contextlib.asynccontextmanager
async def lane_crew(address: str, number: int, forgetful: bool) -> AsyncIterator[tuple[Client, Path]]:
    """The workers of a lane."""
    client = await Client.connect(
        address, namespace=f"lane-{number}", data_converter=DATA_CONVERTER, runtime=quiet_runtime()
    )
    options: dict[str, Any] = {"max_cached_workflows": 0} if forgetful else {}
    with tempfile.TemporaryDirectory(prefix="seawall-torture-") as folder:
        async with crew(client, Path(folder), **options):
            yield client, Path(folder)
