"""Every run ends, well or loudly: through cancels, deadlines and reports that fail, and when it is reset afterwards."""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowUpdateFailedError

from tests.support.bed import bed, eventually
from tests.support.flow import Run, cancelled, dead_primary, kept
from tests.support.sim import Fault
from workflows.model.progress import RunState
from workflows.model.report import Report
from workflows.model.requests import Approval
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_cancel_while_the_report_is_written_does_not_tear_the_end_apart(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.held.add("report")
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        await eventually(world.hanging.is_set)
        await run.cancel()
        world.released.set()
        report = await run.result()
        assert (await b.state()).lease is None
    assert report.end_state is RunState.RECOVERED
    assert report.actions[-1].action == "cancel (too late: the run has ended)"


async def test_a_report_that_cannot_be_written_does_not_keep_the_run_open(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.held.add("no-report")
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        report = await asyncio.wait_for(run.result(), 20)
    assert report.end_state is RunState.RECOVERED
    assert report.actions[-1].action == "report not written"


async def test_a_cancel_during_the_start_is_not_swallowed(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.held.add("load")
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await eventually(world.hanging.is_set)
        await run.cancel()
        world.released.set()
        await cancelled(run)
        assert (b.reports[-1].end_state, b.reports[-1].code) == (RunState.REFUSED, "CANCELLED")
        assert (await b.state()).lease is None
    assert world.effects == []


async def test_a_start_that_outlasts_the_deadline_does_not_lose_it(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.held.add("load")
    async with bed(client, tmp_path, world, deadline="100ms") as b:
        run = await b.start()
        await eventually(world.hanging.is_set)
        await asyncio.sleep(0.3)
        world.released.set()
        report = await asyncio.wait_for(run.result(), 20)
    assert report.code == "DEADLINE_PASSED"
    assert world.count(Verb.FENCE) == 0


async def test_the_deadline_undoes_a_paused_run_and_a_parked_one(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary(fence=Fault("unknown", 1)), deadline="4s") as b:
        run = await b.start()
        await b.approve(run)
        await b.until(run, RunState.PARKED)
        await b.tell(run, "pause")
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "DEADLINE_PASSED")
    assert b.world.count(Verb.PROMOTE) == 0
    kept(b.world)


async def test_updates_that_come_too_early_or_too_late_are_refused_with_a_sentence(
    client: Client, tmp_path: Path
) -> None:
    world = dead_primary()
    world.held.update({"load", "report"})
    async with bed(client, tmp_path, world) as b:
        run = await b.start()

        async def refusals() -> list[str]:
            said = []
            for action in ("pause", "resume", "abort", "retry", "skip", "accept_degraded"):
                with pytest.raises(WorkflowUpdateFailedError) as refused:
                    await b.tell(run, action)
                said.append(str(refused.value.cause))
            return said

        await eventually(world.hanging.is_set)
        early = await refusals()
        world.hanging.clear()
        world.held.remove("load")
        world.released.set()
        world.released = asyncio.Event()
        await b.approve(run)
        await eventually(world.hanging.is_set)
        late = await refusals()
        world.released.set()
        assert (await run.result()).end_state is RunState.RECOVERED
    assert all(sentence.endswith(("now.", "paused.", "doing.")) for sentence in early + late), early + late


# --- Reset: old answers are replayed into a new execution ---


async def test_a_reset_voids_the_approval_and_the_lease_and_a_new_run_takes_over(
    client: Client, tmp_path: Path
) -> None:
    world = dead_primary(flip_dns=Fault("refuse", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        await b.until(run, RunState.PARKED)
        before = list(world.effects)
        again = await reset_before_the_approval(client, run)
        view = await b.until(again, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        assert view.gate.approved_by == ()
        await b.approve(again)
        refused = await again.result()
        assert world.effects == before
        orphan = await b.orphan()
        assert orphan.ending.how == "reset"
        report = await b.complete("Failover", adopts=orphan.epoch)
    assert (refused.end_state, refused.code) == (RunState.REFUSED, "LEASE_LOST")
    assert "adopt" in refused.summary
    assert (report.end_state, report.epoch) == (RunState.RECOVERED, 2)
    assert world.count(Verb.PROMOTE) == 2, "the second one found the first, and raised its epoch"
    kept(world)


async def test_a_reset_behind_the_approval_changes_nothing_either(client: Client, tmp_path: Path) -> None:
    """No step asks for the lease any more there; each activity sees that the execution is another one."""
    world = dead_primary(promote=Fault("hang", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        await eventually(world.hanging.is_set)
        again = await reset(client, run, last_activity="fence")
        report = await again.result()
        before = list(world.effects)
        assert (report.end_state, report.code) == (RunState.REFUSED, "LEASE_LOST")
        orphan = await b.orphan()
        assert orphan.ending.how == "reset"
    assert world.count(Verb.PROMOTE) == 0
    assert world.effects == before
    kept(world)


@pytest.mark.parametrize("answer", ["approve", "reject"])
async def test_a_reset_of_a_run_that_has_ended_changes_nothing_any_more(
    client: Client, tmp_path: Path, answer: str
) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        await run.result()
        before = list(world.effects)
        again = await reset_before_the_approval(client, run)
        view = await b.until(again, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        await again.execute_update(answer, Approval(approver="ben", code=view.gate.code))
        report = await again.result()
        state = await b.state()
    assert (report.end_state, report.code) == (RunState.REFUSED, "LEASE_LOST")
    assert world.effects == before
    assert ("app", "recovery") in world.running
    assert (state.lease, state.active_site) == (None, "recovery")


async def test_a_reset_run_whose_world_is_past_the_pivot_undoes_nothing(client: Client, tmp_path: Path) -> None:
    world = dead_primary(flip_dns=Fault("refuse", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        await b.until(run, RunState.PARKED)
        before = list(world.effects)
        again = await reset_before_the_approval(client, run)
        view = await b.until(again, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        await again.execute_update("reject", Approval(approver="ben", code=view.gate.code))
        report = await again.result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "LEASE_LOST")
    assert "was reset" in report.summary
    assert world.effects == before


async def reset_before_the_approval(client: Client, run: Run) -> Run:
    """What the Web UI's Reset does, with its default of re-applying signals and updates."""
    events = (await run.fetch_history()).events
    approved = next(
        e.event_id for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    )
    return await _reset(client, run, events, approved)


async def reset(client: Client, run: Run, *, last_activity: str) -> Run:
    """Reset to right after the end of that activity."""
    events = (await run.fetch_history()).events
    begun = next(
        e.event_id for e in events if e.activity_task_scheduled_event_attributes.activity_type.name == last_activity
    )
    ended = next(e.event_id for e in events if e.activity_task_completed_event_attributes.scheduled_event_id == begun)
    tasks = [e.event_id for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    return await _reset(client, run, events, next(task for task in tasks if task > ended) + 1)


async def _reset(client: Client, run: Run, events: Sequence[HistoryEvent], before: int) -> Run:
    task = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    point = [e.event_id for e in events if e.event_type == task and e.event_id < before][-1]
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.result_run_id or ""),
            reason="a test",
            workflow_task_finish_event_id=point,
            request_id=str(uuid.uuid4()),
        )
    )
    return client.get_workflow_handle(run.id, run_id=answer.run_id, result_type=Report)
