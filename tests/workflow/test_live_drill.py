"""Live drills: users are moved to the other site and back, and people agree to it once."""

import uuid
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.support.bed import bed, eventually
from tests.support.flow import hot, kept, serves
from tests.support.sim import Fault
from workflows.model.progress import RunState
from workflows.model.report import Report
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_people_agree_once_and_users_are_moved_there_and_back(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        report = await b.complete("Drill", live=True)
        state = await b.state()
    card = report.scorecard
    assert report.end_state is RunState.RECOVERED
    assert [answer.approver for answer in report.approvals] == ["anna"]
    assert card is not None
    assert (card.kind, card.real, card.simulated, card.fidelity, card.leftovers) == ("live", 2, 0, 1.0, None)
    assert report.rta_seconds is not None
    assert (report.rpa_seconds, report.lost_transactions) == (0.0, 0)
    assert [effect.site for effect in b.world.effects if effect.verb == "promote"] == ["recovery", "primary"]
    legs = [found for found in b.reports if found.operation.value == "switchover"]
    assert [leg.target for leg in legs] == ["recovery", "primary"]
    assert {answer.approver for leg in legs for answer in leg.approvals} == {report.workflow_id}
    assert state.last_live_drill is not None
    assert (state.last_live_drill.workflow_id, state.last_live_drill.live) == (report.workflow_id, True)
    assert (state.lease, state.active_site, state.protected) == (None, "primary", True)
    serves(b.world, "primary")
    kept(b.world)


async def test_a_first_leg_that_is_refused_ends_the_drill_with_nothing_changed(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(measure_lag=Fault("refuse", -1))) as b:
        report = await b.complete("Drill", live=True)
    assert report.end_state in (RunState.REFUSED, RunState.COMPENSATED)
    assert report.code == "PRECONDITION_CHANGED"
    assert report.scorecard is not None
    assert [finding.blocking for finding in report.scorecard.findings] == [True]
    assert b.world.effects == []
    serves(b.world, "primary")


async def test_a_second_leg_that_fails_parks_loudly_and_a_retry_brings_users_home(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, hot()) as b:
        b.world.hooks["protect"] = lambda: b.world.faults.update(measure_lag=Fault("refuse", 1))
        run = await b.launch("Drill", live=True)
        await b.approve(run)
        view = await b.until(run, RunState.PARKED)
        assert (view.parked[0].step, view.parked[0].actions) == ("back", ("retry", "skip", "accept_degraded"))
        assert (await b.state()).lease is None, "between the legs a real run may come first"
        serves(b.world, "recovery")
        await b.tell(run, "retry")
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    serves(b.world, "primary")
    kept(b.world)


async def test_a_rejected_live_drill_moves_nobody(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        run = await b.launch("Drill", live=True)
        await b.until(run, RunState.AWAITING_APPROVAL)
        await b.tell(run, "abort")
        report: Report = await run.result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "ABORTED")
    assert b.world.effects == []


@workflow.defn(name="Impostor")
class Impostor:
    """Some other workflow, which starts a switchover as a child of its own."""

    @workflow.run
    async def run(self, application: str) -> None:
        await workflow.execute_child_workflow(
            "Switchover",
            {"runbook": application, "reason": "out of drill/shop", "requested_by": "carl"},
            id=f"{workflow.info().workflow_id}/out-1",
            task_queue="seawall",
        )


@pytest.mark.parametrize("parent", [None, "impostor/shop"])
async def test_only_the_leg_of_a_drill_goes_on_unasked(client: Client, tmp_path: Path, parent: str | None) -> None:
    async with bed(client, tmp_path, hot()) as b:
        queue = f"impostors-{uuid.uuid4()}"
        async with Worker(client, task_queue=queue, workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()):
            name = f"drill/{b.runbook.application}/x/out-1"
            if parent is None:
                run = await b.launch("Switchover", id=name)
            else:
                top = f"{parent}/{uuid.uuid4()}"
                await client.start_workflow("Impostor", b.runbook.application, id=top, task_queue=queue)
                run = client.get_workflow_handle(f"{top}/out-1", result_type=Report)
                await eventually(lambda: _stands(client, run.id))
            view = await b.until(run, RunState.AWAITING_APPROVAL)
            assert view.gate is not None
            assert view.gate.approved_by == ()
            await b.tell(run, "abort")
            report = await run.result()
    assert (report.end_state, b.world.count(Verb.FENCE)) == (RunState.REFUSED, 0)


async def _stands(client: Client, workflow_id: str) -> bool:
    return [found async for found in client.list_workflows(f"WorkflowId = '{workflow_id}'")] != []


async def test_a_client_that_calls_its_own_workflow_a_drill_still_cannot_skip_the_gate(
    client: Client, tmp_path: Path
) -> None:
    """The id of a parent is what a client chose. (It takes a worker of its own: no workflow of ours does it.)"""
    async with bed(client, tmp_path, hot()) as b:
        queue = f"impostors-{uuid.uuid4()}"
        async with Worker(client, task_queue=queue, workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()):
            top = f"drill/{b.runbook.application}/{uuid.uuid4()}"
            await client.start_workflow("Impostor", b.runbook.application, id=top, task_queue=queue)
            await eventually(lambda: _stands(client, f"{top}/out-1"))
            run = client.get_workflow_handle(f"{top}/out-1", result_type=Report)

            async def gated() -> bool:
                view = await b.progress(run)
                return view.state in (RunState.AWAITING_APPROVAL, RunState.RECOVERED)

            await eventually(gated)
            asked = (await b.progress(run)).state is RunState.AWAITING_APPROVAL
            if asked:
                await b.tell(run, "abort")
            await run.result()
    assert asked
    assert b.world.effects == []
