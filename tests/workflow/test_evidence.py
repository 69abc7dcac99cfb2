"""Evidence before action: who must agree that the source is lost, for how long, and what a person may override."""

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.bed import Bed, bed, eventually
from tests.support.flow import Run, dead_primary, healthy, kept
from tests.support.sim import World
from workflows.model.progress import ProgressView, RunState, StepState
from workflows.model.requests import Approval
from workflows.model.verbs import Verb
from workflows.planning.failover import HOLD_OFF, LOOK_AGAIN

pytestmark = pytest.mark.asyncio(loop_scope="session")


def back(world: World) -> None:
    """What was only out of sight for a while."""
    world.dead.discard("primary")
    world.serving.add(("db", "primary"))


async def behind(b: Bed, run: Run, step: str) -> None:
    """Wait until that step is done."""

    async def done() -> bool:
        return any(s.id == step and s.state is StepState.DONE for s in (await b.progress(run)).steps)

    await eventually(done)


# --- Battery case 1: a blip is waited out ---


async def test_a_source_that_comes_back_within_the_hold_off_is_not_failed_over(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world, detection={"hold_off": "4s", "look_again_after": "0s"}) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        back(world)
        await b.approve(run)
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "SOURCE_BACK")
    assert "accepts writes again" in report.summary
    assert (world.count(Verb.FENCE), world.count(Verb.PROMOTE)) == (0, 0)
    assert world.serving == {("db", "primary")}
    kept(world)


async def test_nothing_that_users_notice_is_done_before_the_hold_off_is_over(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary(), detection={"hold_off": "2s"}) as b:
        report = await b.complete("Failover")
    steps = {step.id: step for step in report.steps}
    fenced, waited = steps["db.fence"].started, steps[HOLD_OFF].ended
    assert report.end_state is RunState.RECOVERED
    assert fenced is not None
    assert waited is not None
    assert fenced >= waited
    assert (fenced - min(look.at for look in report.observations)).total_seconds() >= 2
    assert "Last seen down" in steps[LOOK_AGAIN].detail
    assert report.approvals[0].at < waited, "people decided meanwhile"


async def test_when_people_took_long_one_more_look_comes_first(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    async with bed(client, tmp_path, world, detection={"hold_off": "100ms", "look_again_after": "0s"}) as b:
        run = await b.start()
        await behind(b, run, HOLD_OFF)
        back(world)
        await b.approve(run)
        report = await run.result()
    steps = {step.id: step for step in report.steps}
    assert report.code == "SOURCE_BACK"
    assert steps[LOOK_AGAIN].state is StepState.FAILED
    assert world.count(Verb.FENCE) == 0


async def test_without_a_hold_off_there_is_no_second_look(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.approve(run)
        report = await run.result()
        looks = [
            event
            for event in (await run.fetch_history()).events
            if event.activity_task_scheduled_event_attributes.activity_type.name == "observe"
        ]
    assert report.end_state is RunState.RECOVERED
    assert not {HOLD_OFF, LOOK_AGAIN} & {step.id for step in report.steps}
    assert len(looks) == 3, "one for each vantage point"


# --- Battery case 2: only the orchestrator is cut off ---


async def test_a_person_goes_on_despite_the_evidence_by_name_and_on_the_record(client: Client, tmp_path: Path) -> None:
    world = healthy()
    world.unseen = {("control", "primary"), ("recovery", "primary")}
    why = "the rack burns, I see the smoke"
    async with bed(client, tmp_path, world) as b:
        unnamed = await (await b.start(despite_evidence=why, requested_by="unknown")).result()
        run = await b.start(despite_evidence=why)
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        await b.approve(run)
        report = await run.result()
    assert unnamed.code == "INVALID_INPUT"
    assert view.gate is not None
    assert view.gate.question.startswith("DESPITE THE EVIDENCE")
    told = dict(view.gate.facts)["Despite the evidence"]
    assert "OBSERVERS_DISAGREE" in told
    assert why in told
    assert report.end_state is RunState.RECOVERED
    assert [(a.by, why in a.reason) for a in report.actions] == [("carl", True)]
    assert any(why in line for line in report.not_proven)
    assert "primary" in world.powered_off, "the fence proves what the looks could not"
    kept(world)


async def test_what_everybody_sees_alive_is_not_overridden(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path) as b:
        report = await (await b.start(despite_evidence="I want it there")).result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "SOURCE_HEALTHY")
    assert b.world.effects == []


# --- Battery case 61: there and back again ---


async def test_a_second_failover_within_the_hour_wants_two_people(client: Client, tmp_path: Path) -> None:
    world = healthy()
    async with bed(client, tmp_path, world) as b:
        await b.complete("Failover", planned=True)
        await b.complete("Reprotect")
        run = await b.start(planned=True)
        await b.approve(run, "anna")
        view = await b.progress(run)
        assert view.gate is not None
        assert (view.gate.required, view.gate.approved_by) == (2, ("anna",))
        assert view.gate.question.startswith("SECOND FAILOVER")
        assert "two different people" in dict(view.gate.facts)["Second failover"]
        again = await run.execute_update("approve", Approval(approver="ben", code=view.gate.code))
        report = await run.result()
    assert again == "Approved; the run goes on."
    assert report.end_state is RunState.RECOVERED
    assert [answer.approver for answer in report.approvals] == ["anna", "ben"]
    kept(world)


async def test_where_nobody_else_may_agree_a_second_failover_is_too_soon(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, healthy(), approvals={"failover": {"approvers": ["anna"]}}) as b:
        await b.complete("Failover", planned=True)
        early = await (await b.start(planned=True)).result()
        b.change(approvals={"failover": {"approvers": ["anna"]}}, detection={"hold_off": "0s", "flap_window": "0s"})
        later = await (await b.start(planned=True)).result()
    assert (early.end_state, early.code) == (RunState.REFUSED, "TOO_SOON")
    assert "only 1 may approve" in early.summary
    assert later.code == "TARGET_UNFIT", "it went on to look: nothing follows it yet"


# --- Used approvals ---


async def test_a_code_that_passed_a_gate_is_kept_outside_the_run(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        shown: ProgressView = await b.until(run, RunState.AWAITING_APPROVAL)
        before = await b.state()
        await b.approve(run)
        await run.result()
        state = await b.state()
    assert before.used_approvals == ()
    assert shown.gate is not None
    used = [(u.code, u.approver, u.holder, u.step) for u in state.used_approvals]
    assert used == [(shown.gate.code, "anna", run.id, "approve")]
    assert state.used_approvals[0].run_id == run.result_run_id
