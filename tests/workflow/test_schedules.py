"""Schedules on a real Temporal server: applied, edited by hand, backfilled over a year, and through an outage.

The server is one of these tests' own, since one of them kills it. `Drill` here only records that it was started: what
is tested is the scheduling. (The time-skipping test server does not implement schedules: the year is backfilled.)
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.api.enums.v1 import ScheduleOverlapPolicy as Overlap
from temporalio.api.workflowservice.v1 import CreateScheduleRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.conftest import temporal_binary
from tests.support.bed import eventually
from tests.support.runbooks import sim_runbook
from workers.converter import DATA_CONVERTER
from workers.schedule_diff import Action, Entry
from workers.schedule_plan import Wanted, fire_times, wanted_schedules
from workers.schedule_wire import to_schedule
from workers.schedules import apply, compare, overview
from workflows.engine.attributes import ALL
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import CONTROL_QUEUE
from workflows.model.runbook import DrillPolicy, Runbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
SECOND = timedelta(seconds=1)


@dataclass
class Server:
    """A development server over a file, that can be killed and started again."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> Client:
        argv = [temporal_binary(), "server", "start-dev", "--headless", "--log-level", "never"]
        argv += ["--port", str(self.port), "--db-filename", str(self.folder / "temporal.db")]
        for key in ALL:
            argv += ["--search-attribute", f"{key.name}={'Int' if key.name == 'SeawallEpoch' else 'Keyword'}"]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220

        async def connected() -> Client | None:
            try:
                client = await Client.connect(self.address, data_converter=DATA_CONVERTER)
                [found async for found in await client.list_schedules()]
            except Exception:
                return None
            return client

        client: Client = await eventually(connected)
        return client

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def workers() -> None:
    """In place of the folder's: these tests want no recovery to happen."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Server(port, tmp_path_factory.mktemp("server"))
    try:
        yield made
    finally:
        if made.process:
            made.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of a server that has no schedule yet."""
    made = await server.start() if server.process is None else await _connect(server)
    yield made
    for handle in await _handles(made):
        await handle.delete()
    await eventually(lambda: _none_listed(made))


async def _connect(server: Server) -> Client:
    return await Client.connect(server.address, data_converter=DATA_CONVERTER)


async def _handles(client: Client) -> list[ScheduleHandle]:
    return [client.get_schedule_handle(found.id) async for found in await client.list_schedules()]


async def _none_listed(client: Client) -> bool:
    return not await _handles(client)


@workflow.defn(name="Drill")
class RecordedDrill:
    """Ends at once. That it ran is in its history."""

    @workflow.run
    async def run(self, asked: dict[str, Any]) -> str:
        return str(asked["reason"])


async def applied(client: Client, *runbooks: Runbook) -> list[tuple[str, Action]]:
    return [(entry.id, entry.action) async for entry in apply(client, await compare(client, runbooks))]


async def entry_of(client: Client, runbook: Runbook, what: str = "drill") -> Entry:
    return next(e for e in await compare(client, [runbook]) if e.id == f"seawall/{what}/{runbook.application}")


async def edit(client: Client, **policy: Any) -> None:
    """What the edit form of the Web UI sends."""

    async def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = found.description.schedule
        schedule.spec.jitter = 5 * SECOND
        for name, value in policy.items():
            setattr(schedule.policy, name, value)
        return ScheduleUpdate(schedule=schedule)

    await client.get_schedule_handle("seawall/drill/shop").update(change)


def drilled(every: str) -> Runbook:
    return sim_runbook(drills=DrillPolicy.model_validate({"isolated_every": every}))


# --- Apply ---


async def test_apply_makes_what_the_runbooks_ask_for_and_a_second_one_has_nothing_to_do(client: Client) -> None:
    other = sim_runbook(application="wiki")
    made = await applied(client, sim_runbook(), other)
    assert [action for _, action in made] == [Action.CREATE] * 6
    assert await applied(client, sim_runbook(), other) == []
    found = (await client.get_schedule_handle("seawall/drill/shop").describe()).schedule
    assert found.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.policy.catchup_window == timedelta(minutes=10)
    assert found.policy.pause_on_failure
    assert found.spec.intervals[0].every == timedelta(days=91)
    assert "Anna" in (found.state.note or "")
    assert not found.state.paused


async def test_what_is_gone_is_removed_and_what_is_not_ours_is_left(client: Client) -> None:
    await client.create_schedule(
        "billing/nightly",
        Schedule(
            action=ScheduleActionStartWorkflow("Bill", id="bill", task_queue="billing"),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))]),
        ),
    )
    await applied(client, sim_runbook(), sim_runbook(application="wiki"))

    async def all_listed() -> bool:
        return len(await _handles(client)) == 7

    await eventually(all_listed)
    gone = await applied(client, sim_runbook())
    assert gone == [(f"seawall/{what}/wiki", Action.REMOVE) for what in ("drill", "replicate", "review")]
    assert await applied(client, sim_runbook()) == []
    assert (await client.get_schedule_handle("billing/nightly").describe()).id == "billing/nightly"


async def test_an_edit_by_hand_is_drift_and_is_put_back_but_a_pause_and_its_note_stay(client: Client) -> None:
    await applied(client, sim_runbook())
    await client.get_schedule_handle("seawall/drill/shop").pause(note="audit week, anna")
    await edit(client, catchup_window=timedelta(days=1), overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    entry = await entry_of(client, drilled("30d"))
    by_hand = {change.field: (change.live, change.wanted) for change in entry.changes if change.by_hand}
    assert by_hand.pop("jitter")[1] is None
    assert by_hand == {"catch-up window": ("1d", "10m"), "overlap": ("allow all", "skip")}
    assert {change.field for change in entry.changes if not change.by_hand} == {"every", "phase"}
    shown = await eventually(lambda: _shown(client, "seawall/drill/shop"))
    assert {change.field for change in shown.drift} == {"jitter", "catch-up window", "overlap"}
    assert (shown.paused, shown.note) == (True, "audit week, anna")

    assert await applied(client, drilled("30d")) == [("seawall/drill/shop", Action.CHANGE)]
    state = (await client.get_schedule_handle("seawall/drill/shop").describe()).schedule.state
    assert (state.paused, state.note) == (True, "audit week, anna")
    assert await applied(client, drilled("30d")) == []


async def _shown(client: Client, name: str) -> Any:
    return next((status for status in await overview(client) if status.id == name), None)


async def test_a_change_made_after_the_difference_was_shown_is_not_overwritten(client: Client) -> None:
    await applied(client, sim_runbook())
    shown = await compare(client, [drilled("30d")])
    await client.get_schedule_handle("seawall/drill/shop").pause(note="not now, ben")
    with pytest.raises(PermanentError) as refused:
        [_ async for _ in apply(client, shown)]
    assert refused.value.code is Code.PRECONDITION_CHANGED
    stands = (await client.get_schedule_handle("seawall/drill/shop").describe()).schedule
    assert stands.state.paused
    assert stands.spec.intervals[0].every == timedelta(days=91)


async def test_a_schedule_made_or_deleted_meanwhile_is_told(client: Client) -> None:
    shown = await compare(client, [sim_runbook()])
    await applied(client, sim_runbook())
    with pytest.raises(PermanentError, match="Somebody changed"):
        [_ async for _ in apply(client, shown)]
    shown = await compare(client, [drilled("30d")])
    await client.get_schedule_handle("seawall/drill/shop").delete()
    with pytest.raises(PermanentError, match="Somebody changed"):
        [_ async for _ in apply(client, shown)]


async def test_a_shorter_catch_up_window_than_ours_is_not_kept_by_temporal(client: Client) -> None:
    """What the shortest interval rests on. It would show as drift for ever if Temporal changed what we write."""
    wanted = wanted_schedules(sim_runbook())[0].model_copy(update={"catch_up": 2 * SECOND})
    await _create(client, wanted)
    found = (await client.get_schedule_handle(wanted.id).describe()).schedule
    assert found.policy.catchup_window == 10 * SECOND


# --- A year, and an outage ---


async def test_a_year_has_one_drill_a_slot_and_none_twice(client: Client) -> None:
    await applied(client, sim_runbook())
    drill = next(item for item in wanted_schedules(sim_runbook()) if item.what == "drill")
    # The first backfill's drills are still open at the second one. Once they have ended, Temporal would run them anew.
    start = datetime(2027, 1, 1, tzinfo=UTC)
    slots = list(fire_times(drill.every, drill.phase, start, start + timedelta(days=365)))
    handle = client.get_schedule_handle("seawall/drill/shop")
    assert list((await handle.describe()).info.next_action_times)[: len(slots)] == slots
    year = ScheduleBackfill(start, start + timedelta(days=365), ScheduleOverlapPolicy.ALLOW_ALL)
    expected = {f"drill/shop-{slot:%Y-%m-%dT%H:%M:%SZ}" for slot in slots}
    await handle.backfill(year)
    await eventually(lambda: _drills(client, "Running", len(slots)))
    await handle.backfill(year)
    await asyncio.sleep(1)  # further starts must not come, so there is nothing to wait for
    async with Worker(
        client, task_queue=CONTROL_QUEUE, workflows=[RecordedDrill], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        await eventually(lambda: _drills(client, "Completed", len(slots)))
    ran = [found.id async for found in client.list_workflows("WorkflowType = 'Drill'")]
    assert len(slots) in (4, 5)
    assert sorted(ran) == sorted(expected)
    shown = await eventually(lambda: _shown(client, "seawall/drill/shop"))
    assert shown.last_outcome == "completed"
    assert shown.last_workflow in expected
    assert shown.next_run == slots[0]


async def _drills(client: Client, status: str, count: int) -> bool:
    query = f"WorkflowType = 'Drill' and ExecutionStatus = '{status}'"
    return len([found async for found in client.list_workflows(query)]) == count


async def test_after_an_outage_over_ten_slots_at_most_one_drill_starts(server: Server, client: Client) -> None:
    """Battery case 36. No worker runs, so a drill that was started is still running when the next slot comes."""
    now = datetime.now(UTC)
    base = next(item for item in wanted_schedules(sim_runbook()) if item.what == "drill")
    base = base.model_copy(update={"catch_up": 10 * SECOND})
    often = base.model_copy(update={"application": "often", "every": 2 * SECOND, "phase": timedelta(0)})
    await _create(client, often, start=now + 4 * SECOND)
    await _create(client, _hourly(base, "missed", now + 5 * SECOND))
    await _create(client, _hourly(base, "late", now + 22 * SECOND))
    await _until(now + 3 * SECOND)
    assert [await _started(client, name) for name in ("often", "missed", "late")] == [0, 0, 0]
    server.kill()
    await _until(now + 25 * SECOND)
    client = await server.start()

    async def caught_up() -> bool:
        return [await _started(client, name) for name in ("often", "late")] == [1, 1]

    await eventually(caught_up)
    await asyncio.sleep(3)  # further slots of `often` pass, while its one drill runs
    assert [await _started(client, name) for name in ("often", "missed", "late")] == [1, 0, 1]
    info = (await client.get_schedule_handle("seawall/drill/missed").describe()).info
    assert info.num_actions_missed_catchup_window == 1
    shown = await eventually(lambda: _shown(client, "seawall/drill/often"))
    assert shown.last_outcome == "running"


def _hourly(base: Wanted, application: str, slot: datetime) -> Wanted:
    """A schedule with one slot at that moment, and the next in an hour."""
    hour = timedelta(hours=1)
    phase = (slot - datetime(1970, 1, 1, tzinfo=UTC)) % hour
    whole = timedelta(seconds=int(phase.total_seconds()))
    return base.model_copy(update={"application": application, "every": hour, "phase": whole})


async def _create(client: Client, wanted: Wanted, start: datetime | None = None) -> None:
    schedule = await to_schedule(wanted, client.data_converter)
    assert schedule.policies.overlap_policy == Overlap.SCHEDULE_OVERLAP_POLICY_SKIP
    if start:
        schedule.spec.start_time.FromDatetime(start)
    await client.workflow_service.create_schedule(
        CreateScheduleRequest(
            namespace=client.namespace, schedule_id=wanted.id, schedule=schedule, request_id=wanted.id
        )
    )


async def _until(moment: datetime) -> None:
    await asyncio.sleep((moment - datetime.now(UTC)).total_seconds())


async def _started(client: Client, application: str) -> int:
    return (await client.get_schedule_handle(f"seawall/drill/{application}").describe()).info.num_actions


# --- The commands ---


def seawall(server: Server | None, *words: str) -> subprocess.CompletedProcess[str]:
    address = server.address if server else "127.0.0.1:1"
    environment = {**os.environ, "SEAWALL_TEMPORAL_ADDRESS": address, "COLUMNS": "80", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "workers.cli.main", *words]
    return subprocess.run(
        argv, capture_output=True, text=True, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shop's runbook, with values."""
    shutil.copy(ROOT / "runbooks/shop.yaml", tmp_path / "shop.yaml")
    shutil.copy(ROOT / "runbooks/shop.values.example.yaml", tmp_path / "shop.values.yaml")
    return tmp_path


async def test_the_command_shows_first_then_applies_then_has_nothing_to_do(
    server: Server, client: Client, folder: Path
) -> None:
    unasked = await asyncio.to_thread(seawall, server, "apply", str(folder))
    assert (unasked.returncode, await compare(client, [])) == (3, []), unasked.stderr
    assert "+ create seawall/drill/shop" in unasked.stdout
    assert "Add --yes" in unasked.stderr
    made = await asyncio.to_thread(seawall, server, "apply", str(folder), "--yes")
    assert (made.returncode, made.stdout.count("created seawall/")) == (0, 3), made.stderr
    again = await asyncio.to_thread(seawall, server, "apply", str(folder), "--json")
    assert again.returncode == 0
    assert {(told["action"], told["done"]) for told in json.loads(again.stdout)} == {("unchanged", False)}
    await edit(client)
    looked = await asyncio.to_thread(seawall, server, "apply", str(folder), "--dry-run")
    assert looked.returncode == 0
    assert "jitter: seconds: 5 -> nothing (edited by hand)" in looked.stdout
    listed = await asyncio.to_thread(seawall, server, "schedules")
    assert "every 91 days" in listed.stdout
    assert "DRIFT" in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80


async def test_a_wrong_runbook_keeps_everything_from_being_applied(
    server: Server, client: Client, folder: Path
) -> None:
    (folder / "wiki.yaml").write_text("application: wiki\n", encoding="utf-8")
    (folder / "Bad.yaml").write_text("tier: [\n", encoding="utf-8")
    refused = await asyncio.to_thread(seawall, server, "apply", str(folder), "--yes")
    assert refused.returncode == 2
    assert f"{folder / 'wiki.yaml'}:1:1 " in refused.stderr
    assert "Bad.yaml" in refused.stderr
    assert "Nothing was applied" in refused.stderr
    assert await _handles(client) == []


async def test_an_empty_folder_or_a_silent_server_is_a_sentence(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = await asyncio.to_thread(seawall, None, "apply", str(empty), "--yes")
    assert (refused.returncode, "There is no runbook in" in refused.stderr) == (2, True)
    silent = await asyncio.to_thread(seawall, None, "apply", str(folder), "--yes")
    assert silent.returncode == 1
    assert "Temporal does not answer at 127.0.0.1:1" in silent.stderr
    assert "Traceback" not in silent.stderr
