"""The schedules of an application wait while a real run holds it: on a real server, with real runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, ScheduleHandle

from tests.support.bed import Bed, bed, eventually
from tests.support.flow import dead_primary, healthy
from tests.workflow.schedule_kit import create
from workers.cli.schedule_words import difference
from workers.schedule_diff import Action, Entry
from workers.schedule_plan import wanted_schedules
from workers.schedules import Status, apply, compare, overview
from workflows.model.entity import application_workflow_id
from workflows.model.progress import RunState
from workflows.model.requests import FreeRequest

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECOND = timedelta(seconds=1)


@asynccontextmanager
async def scheduled(client: Client, folder: Path) -> AsyncIterator[Bed]:
    """A bed whose application has its schedules."""
    async with bed(client, folder, dead_primary()) as b:
        async for _ in apply(client, await entries(b)):
            pass
        try:
            yield b
        finally:
            for entry in await entries(b):
                await client.get_schedule_handle(entry.id).delete()


async def entries(b: Bed) -> list[Entry]:
    """What apply would do with this application's schedules; other tests have theirs on the same server."""
    return [entry for entry in await compare(b.client, [b.runbook]) if entry.id.endswith(f"/{b.runbook.application}")]


async def settled(b: Bed, holder: str) -> dict[str, Status]:
    """The schedules once they are known to wait for that run (for none when empty), by what they start."""

    async def stands() -> bool:
        state = await b.state()
        return state.schedules_settled and state.schedules_held_for == holder

    await eventually(stands)
    found = await eventually(lambda: overview(b.client, b.runbook.application))
    return {status.what: status for status in found}


async def test_they_wait_for_a_real_run_and_a_persons_pause_stays(client: Client, tmp_path: Path) -> None:
    async with scheduled(client, tmp_path) as b:
        drill = client.get_schedule_handle(f"seawall/drill/{b.runbook.application}")
        await drill.pause(note="audit week, anna")
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        held = await settled(b, run.id)
        shown = await entries(b)
        applied = [entry async for entry in apply(client, shown)]
        still = await settled(b, run.id)
        await b.approve(run)
        await run.result()
        on = await settled(b, "")
        note = (await client.get_schedule_handle(f"seawall/replicate/{b.runbook.application}").describe()).schedule
    assert {what: (status.paused, status.held_by) for what, status in held.items()} == {
        "replicate": (True, run.id),
        "drill": (True, ""),
        "review": (False, ""),
    }
    assert held["drill"].note == "audit week, anna"
    assert not any(status.drift for status in held.values())
    assert {entry.action for entry in shown} == {Action.UNCHANGED}
    assert f"paused by the run {run.id}" in str(difference(shown))
    assert "stays paused: audit week, anna" in str(difference(shown))
    assert applied == []
    assert still["replicate"].paused
    assert {what: status.paused for what, status in on.items()} == {"replicate": False, "drill": True, "review": False}
    assert on["drill"].note == "audit week, anna"
    assert note.state.note == next(w for w in wanted_schedules(b.runbook) if w.what == "replicate").note


async def test_they_stay_paused_for_an_orphan_until_it_is_freed(client: Client, tmp_path: Path) -> None:
    async with scheduled(client, tmp_path) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await settled(b, run.id)
        await run.terminate()
        orphan = await b.orphan()
        held = await settled(b, run.id)
        free = FreeRequest(by="anna", epoch=orphan.epoch, active_site="primary", reason="nothing was done yet")
        shop = client.get_workflow_handle(application_workflow_id(b.runbook.application))
        await shop.execute_update("free_lease", free)
        on = await settled(b, "")
    assert held["replicate"].paused
    assert held["drill"].paused
    assert not any(status.paused for status in on.values())


async def test_what_apply_changes_in_a_paused_schedule_leaves_it_paused(client: Client, tmp_path: Path) -> None:
    async with scheduled(client, tmp_path) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await settled(b, run.id)
        b.change(drills={"isolated_every": "30d"}, owner={"name": "Ben", "email": "ben@example.org"})
        changed = [entry.id async for entry in apply(client, await entries(b))]
        held = await settled(b, run.id)
        await b.approve(run)
        await run.result()
        on = await settled(b, "")
        left = {entry.action for entry in await entries(b)}
    assert f"seawall/drill/{b.runbook.application}" in changed
    assert (held["drill"].held_by, held["drill"].every) == (run.id, "30d")
    assert not any(status.paused for status in on.values())
    assert left == {Action.UNCHANGED}


async def test_what_apply_makes_during_a_run_waits_for_its_end(client: Client, tmp_path: Path) -> None:
    async with scheduled(client, tmp_path) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await settled(b, run.id)
        await client.get_schedule_handle(f"seawall/drill/{b.runbook.application}").delete()
        made = [entry.id async for entry in apply(client, await entries(b))]
        held = await settled(b, run.id)
        await b.approve(run)
        await run.result()
        on = await settled(b, "")
        left = {entry.action for entry in await entries(b)}
    assert made == [f"seawall/drill/{b.runbook.application}"]
    assert (held["drill"].paused, held["drill"].held_by) == (True, run.id)
    assert not any(status.paused for status in on.values())
    assert left == {Action.UNCHANGED}


@pytest.mark.slow
async def test_over_a_year_of_slots_no_drill_starts_during_a_real_run(client: Client, tmp_path: Path) -> None:
    """A month of the year is a second here. Slots start real drills, and the runs last for some months."""
    windows: list[tuple[datetime, datetime]] = []
    started: set[datetime] = set()
    async with bed(client, tmp_path, healthy()) as b:
        drill = next(item for item in wanted_schedules(b.runbook) if item.what == "drill")
        often = drill.model_copy(update={"every": SECOND, "phase": timedelta(0), "catch_up": 10 * SECOND})
        await create(client, often)
        handle = client.get_schedule_handle(often.id)
        try:
            for _ in range(4):
                more = len(started) + 1
                await eventually(lambda more=more: _drills(handle, started, more), 30)
                run = await b.start(planned=True)
                await b.until(run, RunState.AWAITING_APPROVAL)
                await settled(b, run.id)
                begun = datetime.now(UTC)
                await asyncio.sleep(3)  # slots pass, and nothing may come of them
                windows.append((begun, datetime.now(UTC)))
                await b.tell(run, "abort")
                await run.result()
                await settled(b, "")
            more = len(started) + 1
            await eventually(lambda: _drills(handle, started, more), 30)
        finally:
            await handle.delete()
    assert len(started) >= 5
    assert [at for at in started if any(begun < at < ended for begun, ended in windows)] == []


async def _drills(handle: ScheduleHandle, started: set[datetime], count: int) -> bool:
    """Add what the schedule has started lately; whether it is so many now."""
    started |= {found.started_at for found in (await handle.describe()).info.recent_actions}
    return len(started) >= count
