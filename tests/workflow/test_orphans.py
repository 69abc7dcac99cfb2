"""The janitor: a run that is ended from outside is noticed, its lease stays, and a new run goes on from what stands."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.bubble.place import Lease, Place
from tests.support.bed import Bed, Crew, bed, eventually
from tests.support.flow import Run, dead_primary, healthy, kept
from tests.support.sim import Fault
from workers import control
from workers.adopting import adopting_request
from workers.sweeping import sweep_once
from workflows.model.entity import Orphan, application_workflow_id
from workflows.model.failure import PermanentError
from workflows.model.plan import Mode
from workflows.model.progress import RunState
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest, FreeRequest, SwitchoverRequest
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")

STAGES = {"fence": "before fence", "sync_delta": "after fence", "health_check": "after promote", "verify": "after flip"}
"""Which verb hangs when the run is terminated, and what that means."""


async def cut_off(b: Bed, verb: str, **fields: bool) -> Orphan:
    """A failover that is terminated while that verb hangs, as the entity knows it soon afterwards."""
    b.world.faults[verb] = Fault("hang", 1)
    run = await b.start(**fields)
    await b.approve(run)
    await eventually(b.world.hanging.is_set)
    await run.terminate(reason="the wrong button")
    return await b.orphan()


@pytest.mark.parametrize("verb", STAGES, ids=STAGES.values())
@pytest.mark.parametrize("planned", [False, True], ids=["unplanned", "planned"])
async def test_a_failover_that_is_terminated_is_adopted_and_recovers(
    client: Client, tmp_path: Path, verb: str, planned: bool
) -> None:
    world = healthy() if planned else dead_primary()
    world.rows[("db", "primary")].append("4")
    async with bed(client, tmp_path, world) as b:
        orphan = await cut_off(b, verb, planned=planned)
        assert (orphan.ending.how, orphan.ending.reason) == ("terminated", "the wrong button")
        assert orphan.ending.mode is (Mode.PLANNED if planned else Mode.UNPLANNED)
        refused = await (await b.start(planned=planned)).result()
        assert refused.code == "APPLICATION_BUSY"
        assert "seawall adopt" in refused.summary
        report = await b.complete("Failover", planned=planned, adopts=orphan.epoch)
        state = await b.state()
    assert (report.end_state, report.epoch) == (RunState.RECOVERED, 2), report.summary
    assert (state.lease, state.orphan, state.active_site) == (None, None, "recovery")
    assert world.serving == {("db", "recovery")}
    assert world.route == "recovery"
    assert ("4" in world.rows[("db", "recovery")]) is planned
    kept(world)


async def test_what_stands_and_the_safe_answers_are_told(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world) as b:
        orphan = await cut_off(b, "health_check")
        shop = b.client.get_workflow_handle(application_workflow_id(b.runbook.application))
        found = await shop.describe()
        details = await shop.query("__temporal_workflow_metadata")
        gate = await b.start(adopts=orphan.epoch)
        view = await b.until(gate, RunState.AWAITING_APPROVAL)
        await b.tell(gate, "abort")
        report = await gate.result()
    assert "db: promote at recovery" in (orphan.ending.standing or ())
    assert next(pair.value for pair in found.typed_search_attributes if pair.key.name == "SeawallState") == "ORPHANED"
    told = str(details)
    assert "ORPHANED since" in told
    assert "the wrong button" in told
    assert "free_lease" in told
    assert f'"adopts": {orphan.epoch}' in told.replace("\\", "")
    assert view.gate is not None
    assert "db: promote at recovery" in dict(view.gate.facts)["Takes over"]
    assert "promoted before" in dict(view.gate.facts)["Would be lost"]
    assert any("was not undone" in line for line in report.left_to_do)


async def test_only_an_orphan_is_adopted_and_only_under_its_epoch(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        alive = await (await b.start(adopts=1)).result()
        await run.terminate()
        orphan = await b.orphan()
        other = await (await b.start(adopts=7)).result()
        shop = b.client.get_workflow_handle(application_workflow_id(b.runbook.application))
        free = FreeRequest(by="anna", epoch=orphan.epoch, active_site="primary", reason="nothing was done yet")
        await shop.execute_update("free_lease", free)
        nobody = await (await b.start(adopts=1)).result()
        state = await b.state()
    assert (alive.end_state, alive.code) == (RunState.REFUSED, "APPLICATION_BUSY")
    assert (other.end_state, other.code) == (RunState.REFUSED, "LEASE_LOST")
    assert "of epoch 1, not 7" in other.summary
    assert "nothing to adopt" in nobody.summary
    assert (state.orphan, state.epoch) == (None, 1)
    assert world.effects == [effect for effect in world.effects if effect.verb == "start_instances"]


async def test_adopt_asks_for_the_same_operation_anew_and_says_when_it_cannot(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, healthy()) as b:
        name = b.runbook.application
        with pytest.raises(PermanentError, match="nothing to adopt"):
            await adopting_request(client, name, "carl", "why")
        run = await b.launch("Switchover")
        await b.until(run, RunState.AWAITING_APPROVAL)
        with pytest.raises(PermanentError, match="is running and holds the lease"):
            await adopting_request(client, name, "carl", "why")
        await run.terminate(reason="a test")
        same = await adopting_request(client, name, "carl", "why")  # it waits until the entity has noticed
        with pytest.raises(PermanentError, match="no operation that can take a lease over"):
            await adopting_request(client, name, "carl", "why", "drill")
        asked = await adopting_request(client, name, "carl", "why", "failover")
    assert isinstance(same, SwitchoverRequest)
    assert (same.adopts, same.to, same.requested_by) == (1, "recovery", "carl")
    assert isinstance(asked, FailoverRequest)
    assert (asked.adopts, asked.planned) == (1, True)


async def test_a_switchover_that_has_stopped_the_source_is_adopted_by_a_planned_failover(
    client: Client, tmp_path: Path
) -> None:
    world = healthy(promote=Fault("hang", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.launch("Switchover")
        await b.approve(run)
        await eventually(world.hanging.is_set)
        await run.terminate(reason="a test")
        request = await adopting_request(client, b.runbook.application, "carl", "why")
        assert isinstance(request, FailoverRequest)
        assert request.planned
        again = await control.start(client, request)
        handle = client.get_workflow_handle(again, result_type=Report)
        await b.approve(handle)
        report = await handle.result()
    assert (report.end_state, report.epoch) == (RunState.RECOVERED, 2)
    assert world.serving == {("db", "recovery")}
    kept(world)


async def test_of_two_that_adopt_at_once_one_goes_on(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world) as b:
        orphan = await cut_off(b, "sync_delta")
        runs = await asyncio.gather(*(b.start(adopts=orphan.epoch) for _ in range(3)))

        async def settled() -> bool:
            states = [(await b.progress(run)).state for run in runs]
            return states.count(RunState.REFUSED) == 2 and RunState.AWAITING_APPROVAL in states

        await eventually(settled)
        states = [(await b.progress(run)).state for run in runs]
        winner = runs[states.index(RunState.AWAITING_APPROVAL)]
        await b.approve(winner)
        report = await winner.result()
    assert (report.end_state, report.epoch) == (RunState.RECOVERED, 2)
    kept(world)


async def test_a_target_that_serves_beside_its_source_is_not_adopted(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world) as b:
        orphan = await cut_off(b, "health_check")
        world.dead.clear()
        world.powered_off.clear()
        world.serving.add(("db", "primary"))
        report = await (await b.start(adopts=orphan.epoch)).result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "ROLE_MISMATCH")
    assert "Two sites write" in report.summary


async def test_a_drill_that_is_terminated_is_forgotten_and_its_bubble_swept(client: Client, tmp_path: Path) -> None:
    world = healthy(clone_data=Fault("hang", 1))
    async with bed(client, tmp_path, world) as b:
        drill = await b.launch("Drill")
        await eventually(world.hanging.is_set)
        assert (await b.state()).rehearsal is not None
        place = Place(tmp_path / "bubbles" / "mine")
        other = Place(tmp_path / "bubbles" / "of-another-server")
        for made, owner in ((place, drill.id), (other, "drill/shop/never-heard-of")):
            made.folder.mkdir(parents=True)
            lease = Lease(name=made.folder.name, site="recovery", workflow_id=owner, epoch=1, expires=in_an_hour())
            made.write(lease)
        await sweep_once(tmp_path, client)
        assert [made.folder.exists() for made in (place, other)] == [True, False]
        await drill.terminate(reason="not today")
        await sweep_once(tmp_path, client)
        assert not place.folder.exists()

        async def forgotten() -> bool:
            return (await b.state()).rehearsal is None

        await eventually(forgotten)
        state = await b.state()
    assert (state.orphan, state.last_outcome, state.last_run) == (None, "rehearsal terminated", drill.id)


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


@pytest_asyncio.fixture(loop_scope="session")
async def restarted(workers: Crew) -> AsyncIterator[Crew]:
    """The crew, for a test that stops its control worker."""
    yield workers
    if "control" not in workers.standing:
        await workers.start("control")


async def test_the_watch_survives_the_restart_of_its_worker(client: Client, tmp_path: Path, restarted: Crew) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await restarted.stop("control")
        await run.terminate(reason="while nobody watches")
        await restarted.start("control")
        orphan = await b.orphan()
    assert orphan.ending.reason == "while nobody watches"


async def test_a_holder_that_lives_is_no_orphan(client: Client, tmp_path: Path) -> None:
    """The watch has looked at it several times while it waited."""
    world = dead_primary()
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await beats(b, run, 2)
        assert (await b.state()).orphan is None
        await b.approve(run)
        report = await run.result()
        assert (await b.state()).lease is None
    assert report.end_state is RunState.RECOVERED
    assert world.count(Verb.PROMOTE) == 1


async def beats(b: Bed, run: Run, count: int) -> None:
    """Wait until the watch of the application has looked so often."""
    shop = b.client.get_workflow_handle(application_workflow_id(b.runbook.application))
    seen: set[float] = set()

    async def looked() -> bool:
        for pending in (await shop.describe()).raw_description.pending_activities:
            if pending.activity_type.name == "watch_holder":
                seen.add(pending.last_heartbeat_time.ToMicroseconds())
        return len(seen - {0}) > count

    await eventually(looked)
