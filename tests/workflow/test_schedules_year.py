"""Schedules on a real Temporal server: backfilled over a year, and through an outage.

`Drill` here only records that it was started: what is tested is the scheduling. (The time-skipping test server does not
implement schedules: the year is backfilled.)
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client, ScheduleBackfill, ScheduleOverlapPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.support.bed import eventually
from tests.support.runbooks import sim_runbook
from tests.workflow.schedule_kit import Server, applied, create, own_server, shown, without_schedules
from workers.schedule_plan import Wanted, fire_times, wanted_schedules
from workflows.model.messages import CONTROL_QUEUE

pytestmark = [pytest.mark.deep, pytest.mark.asyncio(loop_scope="session")]

SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def workers() -> None:
    """In place of the folder's: these tests want no recovery to happen."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with own_server(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of a server that has no schedule yet."""
    async with without_schedules(server) as made:
        yield made


@workflow.defn(name="Drill")
class RecordedDrill:
    """Ends at once. That it ran is in its history."""

    @workflow.run
    async def run(self, asked: dict[str, Any]) -> str:
        return str(asked["reason"])


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
    status = await eventually(lambda: shown(client, "seawall/drill/shop"))
    assert status.last_outcome == "completed"
    assert status.last_workflow in expected
    assert status.next_run == slots[0]


async def _drills(client: Client, status: str, count: int) -> bool:
    query = f"WorkflowType = 'Drill' and ExecutionStatus = '{status}'"
    return len([found async for found in client.list_workflows(query)]) == count


async def test_after_an_outage_over_ten_slots_at_most_one_drill_starts(server: Server, client: Client) -> None:
    """Battery case 36. No worker runs, so a drill that was started is still running when the next slot comes."""
    now = datetime.now(UTC)
    base = next(item for item in wanted_schedules(sim_runbook()) if item.what == "drill")
    base = base.model_copy(update={"catch_up": 10 * SECOND})
    often = base.model_copy(update={"application": "often", "every": 2 * SECOND, "phase": timedelta(0)})
    await create(client, often, start=now + 4 * SECOND)
    await create(client, _hourly(base, "missed", now + 5 * SECOND))
    await create(client, _hourly(base, "late", now + 22 * SECOND))
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
    status = await eventually(lambda: shown(client, "seawall/drill/often"))
    assert status.last_outcome == "running"


def _hourly(base: Wanted, application: str, slot: datetime) -> Wanted:
    """A schedule with one slot at that moment, and the next in an hour."""
    hour = timedelta(hours=1)
    phase = (slot - datetime(1970, 1, 1, tzinfo=UTC)) % hour
    whole = timedelta(seconds=int(phase.total_seconds()))
    return base.model_copy(update={"application": application, "every": hour, "phase": whole})


async def _until(moment: datetime) -> None:
    await asyncio.sleep((moment - datetime.now(UTC)).total_seconds())


async def _started(client: Client, application: str) -> int:
    return (await client.get_schedule_handle(f"seawall/drill/{application}").describe()).info.num_actions
