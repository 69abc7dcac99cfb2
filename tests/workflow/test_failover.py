"""Failover over a simulated world: each test is a sentence that an operator would say."""

from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError

from tests.support.bed import bed, eventually
from tests.support.flow import dead_primary
from tests.support.sim import Fault, World
from workflows.model.progress import RunState, StepState
from workflows.model.requests import Approval
from workflows.model.verbs import Verb

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("strict")]


async def test_a_lost_site_is_recovered_at_the_other(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        assert await b.approve(run) == "Approved; the run goes on."
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert b.world.serving == {("db", "recovery")}
    assert b.world.route == "recovery"
    assert report.lost_transactions == 0
    assert report.rta_seconds is not None
    assert report.rta_seconds > 0
    assert [proof.proven for proof in report.fence_proofs] == [True]
    assert not b.world.doubled
    assert b.books.reports[-1].end_state is RunState.RECOVERED


async def test_a_planned_failover_fences_the_source_through_its_own_worker(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert b.world.serving == {("db", "recovery")}
    assert report.fence_proofs[0].method == "stopped"
    assert max(b.world.writers_seen) == 1


async def test_nothing_that_users_notice_starts_before_people_agree(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        done = {record.id for record in view.steps if record.state is StepState.DONE}
        assert done == {"db.choose_recovery_point", "app.start_instances"}
        assert b.world.count(Verb.FENCE) == 0
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_a_healthy_source_is_not_failed_over_unplanned(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path) as b:
        report = await (await b.start()).result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "SOURCE_HEALTHY")
    assert "planned failover" in report.summary
    assert b.world.effects == []


async def test_a_source_that_only_the_orchestrator_cannot_reach_is_not_failed_over(
    client: Client, tmp_path: Path
) -> None:
    world = World.healthy()
    world.unseen = {("control", "primary"), ("recovery", "primary")}
    async with bed(client, tmp_path, world) as b:
        report = await (await b.start()).result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "OBSERVERS_DISAGREE")
    assert "the worker of primary sees it accept writes" in report.summary
    assert b.world.effects == []


async def test_a_rejection_undoes_what_ran_while_people_decided(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        await run.execute_update("reject", Approval(approver="ben", code=view.gate.code, comment="too early"))
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "REJECTED")
    assert ("app", "recovery") not in b.world.running
    assert b.world.count(Verb.PROMOTE) == 0


async def test_a_refused_promote_undoes_the_fence_and_the_source_serves_again(client: Client, tmp_path: Path) -> None:
    world = World.healthy()
    world.faults["promote"] = Fault("refuse", -1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "PROMOTE_REFUSED")
    assert b.world.serving == {("db", "primary")}
    assert b.world.route == "primary"
    states = {step.id: step.state for step in report.steps}
    assert states["db.fence"] is StepState.UNDONE
    assert states["front.flip_dns"] is StepState.PENDING


@pytest.mark.parametrize("verb", ["start_instances", "fence", "promote", "flip_dns"])
async def test_a_lost_reply_makes_no_second_effect(client: Client, tmp_path: Path, verb: str) -> None:
    world = dead_primary()
    world.faults[verb] = Fault("lose-reply", 1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert not b.world.doubled
    assert next(s.attempts for s in report.steps if s.kind == verb) == 2


async def test_a_failure_after_the_pivot_parks_and_retry_goes_on(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.faults["flip_dns"] = Fault("refuse", 1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        view = await b.until(run, RunState.PARKED)
        assert view.parked[0].step == "front.flip_dns"
        assert view.parked[0].actions == ("retry", "skip", "accept_degraded")
        assert "db: promote at recovery" in view.parked[0].standing
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await b.tell(run, "abort")
        assert "only goes forward" in str(refused.value.cause)
        assert await b.tell(run, "retry") == "retry: front.flip_dns."
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert b.world.count(Verb.UNFENCE) == 0


async def test_a_parked_step_may_be_given_up_and_the_run_ends_degraded(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.faults["flip_dns"] = Fault("refuse", -1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        await b.until(run, RunState.PARKED)
        await b.tell(run, "accept_degraded", reason="DNS is done by hand")
        report = await run.result()
    assert report.end_state is RunState.RECOVERED_DEGRADED
    assert report.rta_seconds is None
    assert report.objectives[0].met is None
    assert any("DNS is done by hand" in line for line in report.left_to_do)


async def test_an_unproven_fence_parks_and_never_promotes(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.faults["fence"] = Fault("busy", -1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        view = await b.until(run, RunState.PARKED)
        assert (view.parked[0].code, view.parked[0].step) == ("FENCE_UNPROVEN", "db.fence")
        assert b.world.count(Verb.PROMOTE) == 0
        await b.tell(run, "abort")
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "ABORTED")
    assert b.world.count(Verb.PROMOTE) == 0


async def test_the_risk_of_two_writers_is_accepted_only_by_name_and_code(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.faults["fence"] = Fault("busy", -1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        parked = (await b.until(run, RunState.PARKED)).parked[0]
        statement = "The data centre is on fire; I saw it myself."
        wrong = {"by": "anna", "code": "XXXX", "statement": statement}
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.execute_update("accept_split_brain_risk", wrong)
        assert "This is not the risk code" in str(refused.value.cause)
        await run.execute_update("accept_split_brain_risk", {**wrong, "code": parked.risk_code})
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert report.actions[0].reason == statement


async def test_cancel_settles_what_is_in_flight_and_then_undoes_it(client: Client, tmp_path: Path) -> None:
    world = World.healthy()
    world.faults["fence"] = Fault("hang", 1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        await eventually(world.hanging.is_set)
        await run.cancel()
        await b.until(run, RunState.COMPENSATING)
        assert b.world.count(Verb.UNFENCE) == 0, "no undo before the effect is settled"
        world.released.set()
        with pytest.raises(WorkflowFailureError) as ended:
            await run.result()
        assert "cancelled" in str(ended.value.cause).lower()
        report = b.books.reports[-1]
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "CANCELLED")
    assert b.world.serving == {("db", "primary")}
    assert [effect.verb for effect in b.world.effects if effect.component == "db"] == ["fence", "unfence"]


async def test_a_cancel_after_the_pivot_is_refused_and_said_so(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.faults["flip_dns"] = Fault("hang", 1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        await eventually(world.hanging.is_set)
        await run.cancel()

        async def noted() -> bool:
            return any("refused" in action["action"] for action in (await run.query("report"))["actions"])

        await eventually(noted)
        world.released.set()
        report = await run.result()
    assert report.end_state is RunState.RECOVERED


async def test_only_one_run_at_a_time_changes_an_application(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        first = await b.start()
        await b.until(first, RunState.AWAITING_APPROVAL)
        second = await (await b.start()).result()
        assert (second.end_state, second.code) == (RunState.REFUSED, "APPLICATION_BUSY")
        assert first.id in second.summary
        await b.approve(first)
        assert (await first.result()).end_state is RunState.RECOVERED
        third = await (await b.start(to="recovery")).result()
        assert third.code == "ALREADY_ACTIVE"


async def test_epochs_rise_with_every_run(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path) as b:
        first = await (await b.start()).result()
        second = await (await b.start()).result()
    assert (first.epoch, second.epoch) == (1, 2)


async def test_an_epoch_that_stands_in_the_world_is_never_repeated(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.epochs["db"] = 41
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.approve(run)
        report = await run.result()
    assert (report.end_state, report.epoch) == (RunState.RECOVERED, 42)


async def test_pause_starts_no_further_step_and_resume_goes_on(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        await b.tell(run, "pause")
        assert view.gate is not None
        await run.execute_update("approve", Approval(approver="anna", code=view.gate.code))
        await b.until(run, RunState.PAUSED)
        assert b.world.count(Verb.FENCE) == 0
        await b.tell(run, "resume")
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_silence_means_what_the_runbook_says(client: Client, tmp_path: Path) -> None:
    rule = {"approvers": ["anna"], "expires": "1s", "on_silence": "reject"}
    async with bed(client, tmp_path, dead_primary(), approvals={"failover": rule}) as b:
        report = await (await b.start()).result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "EXPIRED")


async def test_the_deadline_undoes_a_run_that_has_not_ended(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary(), deadline="1s") as b:
        report = await (await b.start()).result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "DEADLINE_PASSED")
