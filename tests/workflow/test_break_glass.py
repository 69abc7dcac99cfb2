"""The page for break-glass is written beside the run and never in its way; what was done by hand is told afterwards."""

import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.bed import Bed, bed, eventually
from tests.support.flow import Run, dead_primary
from tests.support.paper import form_of, steps_of
from tests.support.sim import Fault
from workers import control, lost_runs
from workflows.model.entity import AcquireRequest, ApplicationState, FinishedByHand, Lease
from workflows.model.failure import Code, PermanentError
from workflows.model.hand_over import HandOver
from workflows.model.plan import Operation
from workflows.model.progress import RunState
from workflows.model.report import Report

pytestmark = pytest.mark.asyncio(loop_scope="session")


def pages(b: Bed) -> list[str]:
    return b.crew.hall.pages.get(b.runbook.application, [])


def notes(report: Report) -> list[str]:
    return [action.action for action in report.actions]


async def test_a_run_writes_its_page_while_people_decide_and_again_behind_the_pivot(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await eventually(lambda: len(pages(b)) == 1)
        assert "THE POINT OF NO RETURN IS NEXT" in pages(b)[0]
        assert {step.id for step in steps_of(pages(b)[0])} >= {"approve", "db.fence", "db.promote", "front.flip_dns"}
        facts = await control.hand_over(client, run.id)
        assert facts is not None
        assert facts.state is RunState.AWAITING_APPROVAL
        b.world.faults["flip_dns"] = Fault("hang", 1)
        await b.approve(run)
        await eventually(lambda: len(pages(b)) == 2)
        b.world.released.set()
        report = await run.result()
        assert report.end_state is RunState.RECOVERED
        assert notes(report) == []
        assert f'run: "{run.id}"' in form_of(pages(b)[0])
        assert "THE POINT OF NO RETURN IS BEHIND" in pages(b)[1]
        assert "db.promote" not in {step.id for step in steps_of(pages(b)[1])}


async def test_a_page_that_cannot_be_written_is_noted_and_costs_the_run_nothing(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        b.world.held.add("no-page")
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)

        async def noted() -> bool:
            return "page for break-glass not written" in notes(await control.report(client, run.id))

        await eventually(noted)
        await b.approve(run)
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert "The report folder is gone." in [action.reason for action in report.actions]


async def test_a_run_never_waits_for_its_page(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        b.world.held.add("page")
        run: Run = await b.start()
        await b.approve(run)
        report = await run.result()
        assert report.end_state is RunState.RECOVERED
        assert pages(b) == []
        b.world.released.set()


async def test_a_drill_that_is_lost_is_swept_so_it_has_no_page(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path) as b:
        report = await (await b.launch("Drill")).result()
        assert report.end_state is RunState.RECOVERED
        assert pages(b) == []


# --- Afterwards ---


def told(application: str, run: str, epoch: int = 3) -> FinishedByHand:
    return FinishedByHand(
        application=application,
        run=run,
        epoch=epoch,
        active_site="recovery",
        protected=False,
        by="ben",
        reason="Temporal is lost",
    )


def asked(application: str, holder: str) -> AcquireRequest:
    return AcquireRequest(
        application=application,
        holder=holder,
        holder_run_id="1",
        operation=Operation.FAILOVER,
        home="primary",
        sites=("primary", "recovery"),
    )


async def acquire(client: Client, application: str, holder: str) -> Lease:
    lease: Lease = await client.get_workflow_handle(f"application/{application}").execute_update(
        "acquire_lease", asked(application, holder), result_type=Lease
    )
    return lease


async def test_an_empty_temporal_learns_where_the_application_is_active_and_goes_on_from_its_epoch(
    client: Client,
) -> None:
    name = f"shop-{uuid.uuid4().hex[:8]}"
    state = await lost_runs.finish_by_hand(client, told(name, f"failover/{name}/lost"))
    assert (state.active_site, state.epoch, state.protected, state.lease) == ("recovery", 3, False, None)
    assert state.last_outcome == "finished by hand, told by ben: Temporal is lost"
    again = await lost_runs.finish_by_hand(client, told(name, f"failover/{name}/lost", epoch=2))
    assert again.epoch == 3, "an epoch never falls"
    lease = await acquire(client, name, f"reprotect/{name}/1")
    assert (lease.epoch, lease.active_site, lease.protected) == (4, "recovery", False)


async def test_the_lease_of_a_lost_run_is_freed_and_the_one_of_another_run_is_not(client: Client) -> None:
    name = f"shop-{uuid.uuid4().hex[:8]}"
    lost, other = f"failover/{name}/lost", f"failover/{name}/other"
    await lost_runs.finish_by_hand(client, told(name, "failover/x/older", epoch=1))
    await acquire(client, name, lost)
    with pytest.raises(PermanentError) as refused:
        await lost_runs.finish_by_hand(client, told(name, other))
    assert lost in refused.value.sentence
    state = await lost_runs.finish_by_hand(client, told(name, lost))
    assert (state.lease, state.last_run, state.epoch) == (None, lost, 3)


async def test_a_run_that_lives_tells_its_end_itself(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        name = b.runbook.application
        with pytest.raises(PermanentError) as refused:
            await lost_runs.finish_by_hand(client, told(name, run.id))
        assert refused.value.code is Code.APPLICATION_BUSY
        await b.approve(run)
        await run.result()
        with pytest.raises(PermanentError) as ended:
            await lost_runs.finish_by_hand(client, told(name, run.id))
        assert "has ended by itself: RECOVERED" in ended.value.sentence
        state: ApplicationState = await b.state()
        assert state.last_outcome == "RECOVERED"


async def test_a_run_without_a_plan_has_nothing_to_hand_over(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path) as b:
        run = await b.start()
        assert (await run.result()).end_state is RunState.REFUSED
        found: HandOver | None = await control.hand_over(client, run.id)
        assert found is None
