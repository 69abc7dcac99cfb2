"""Attempts to break the engine's rules: one writer, fence before promote, at most one effect, known or parked, the
one-way pivot, and an end that is good or loud. What happened is read from the world's own ledger of effects."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)

from tests.support.bed import bed, eventually
from tests.support.flow import cancelled, dead_primary, healthy, kept, parked_with
from tests.support.sim import Fault, World
from workflows.engine.gate import code_for
from workflows.model.progress import ProgressView, RunState
from workflows.model.report import Report
from workflows.model.requests import Approval, RiskAcceptance
from workflows.model.verbs import Verb
from workflows.planning.steps import GATE

pytestmark = pytest.mark.asyncio(loop_scope="session")

# --- The pivot, and what is unknown ---


async def test_a_promote_whose_last_attempt_failed_may_have_been_accepted_before(
    client: Client, tmp_path: Path
) -> None:
    world = healthy(promote=Fault("lose-reply", 1, then=Fault("blind", 1)))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        view = await parked_with(b, run, "retry")
        assert (view.parked[0].step, view.parked[0].code) == ("db.promote", "OUTCOME_UNKNOWN")
        assert world.count(Verb.UNFENCE) == 0
        await b.tell(run, "retry")
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert world.serving == {("db", "recovery")}
    kept(world)


async def test_an_unknown_promote_can_be_neither_aborted_nor_cancelled(client: Client, tmp_path: Path) -> None:
    world = healthy(promote=Fault("unknown-after", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        await parked_with(b, run, "retry")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await b.tell(run, "abort")
        assert "only goes forward" in str(refused.value.cause)
        await run.cancel()
        await b.tell(run, "retry")
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert [action.action for action in report.actions if "refused" in action.action]
    assert world.count(Verb.UNFENCE) == 0
    kept(world)


async def test_a_retried_promote_that_is_then_refused_is_undone(client: Client, tmp_path: Path) -> None:
    world = healthy(promote=Fault("unknown", 1, then=Fault("refuse", -1)))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        await parked_with(b, run, "retry")
        await b.tell(run, "retry")
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "PROMOTE_REFUSED")
    assert world.serving == {("db", "primary")}
    kept(world)


async def test_a_fence_is_not_undone_while_anybody_serves_at_the_other_site(client: Client, tmp_path: Path) -> None:
    world = healthy(promote=Fault("usurped", -1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        view = await parked_with(b, run, "retry", "skip")
        assert "must stay fenced" in view.parked[0].reason
        await b.tell(run, "skip", reason="recovery is the primary now")
        report = await run.result()
    assert report.end_state is RunState.COMPENSATED
    assert report.standing == ("db: fence primary and prove it (may stand: left by a person)",)
    assert "left standing" in report.summary
    assert world.count(Verb.UNFENCE) == 0
    kept(world)


async def test_a_parked_step_offers_other_answers_once_the_pivot_is_passed(client: Client, tmp_path: Path) -> None:
    world = dead_primary(start_instances=Fault("unknown", -1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start()

        async def asked() -> ProgressView | None:
            seen = await b.progress(run)
            return seen if seen.gate and seen.parked else None

        view: ProgressView = await eventually(asked)
        assert view.parked[0].actions == ("retry", "abort")
        assert view.gate is not None
        await run.execute_update("approve", Approval(approver="anna", code=view.gate.code))
        await parked_with(b, run, "retry", "skip", "accept_degraded")
        await b.tell(run, "accept_degraded")
        report = await run.result()
    assert report.end_state is RunState.RECOVERED_DEGRADED
    assert any("app: start" in line for line in report.standing)
    kept(world)


# --- The fence ---


async def test_a_fence_that_is_seen_not_to_hold_is_no_risk_to_accept(client: Client, tmp_path: Path) -> None:
    world = dead_primary(fence=Fault("lie", -1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        world.dead.clear()
        world.serving.add(("db", "primary"))
        await b.approve(run)
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "SOURCE_HEALTHY")
    assert world.count(Verb.PROMOTE) == 0
    kept(world)


async def test_with_two_unproven_fences_the_code_tells_which_risk_is_meant(client: Client, tmp_path: Path) -> None:
    world = dead_primary(fence=Fault("busy", -1))
    world.standby.add(("stock", "recovery"))
    part = {"role": "data", "kind": "sim.data", "replication": {"mode": "continuous"}}
    async with bed(client, tmp_path, world) as b:
        settings = {"world": b.runbook.application}
        stock = type(b.runbook.components["db"]).model_validate({**part, "settings": settings})
        b.crew.hall.runbooks[b.runbook.application] = b.runbook.model_copy(
            update={"components": {**b.runbook.components, "stock": stock}}
        )
        run = await b.start()
        await b.approve(run)

        async def both() -> ProgressView | None:
            seen = await b.progress(run)
            return seen if len(seen.parked) == 2 else None

        view: ProgressView = await eventually(both)
        for parked in reversed(view.parked):
            risk = RiskAcceptance(by="anna", code=parked.risk_code, statement="I stand in front of the dead rack.")
            assert await run.execute_update("accept_split_brain_risk", risk) == "Taken, on the record."
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert {action.step for action in report.actions} == {"db.fence", "stock.fence"}
    kept(world)


# --- Settle, then undo ---


async def test_a_run_that_cannot_settle_is_loud_and_a_person_can_end_it(client: Client, tmp_path: Path) -> None:
    world = healthy(fence=Fault("unknown", -1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        await parked_with(b, run, "retry", "abort")
        await b.tell(run, "abort")
        await parked_with(b, run, "retry", "skip")
        assert world.count(Verb.UNFENCE) == 0
        await b.tell(run, "skip", reason="the site burned down")
        report = await run.result()
        assert (await b.state()).lease is None
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "ABORTED")
    assert any("db: fence" in line for line in report.standing)
    assert world.count(Verb.UNFENCE) == 0
    kept(world)


async def test_an_unknown_fence_is_read_back_before_it_is_undone(client: Client, tmp_path: Path) -> None:
    world = healthy(fence=Fault("unknown-after", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        await parked_with(b, run, "retry", "abort")
        await run.cancel()
        await cancelled(run)
    assert [effect.verb for effect in world.effects if effect.component == "db"] == ["fence", "unfence"]
    assert world.serving == {("db", "primary")}
    kept(world)


@pytest.mark.deep
async def test_sixty_cancels_with_a_call_in_flight_leak_nothing_and_none_is_swallowed(
    client: Client, tmp_path: Path
) -> None:
    limit = asyncio.Semaphore(12)

    async def once() -> World:
        world = dead_primary(start_instances=Fault("hang", 1))
        async with limit, bed(client, tmp_path, world) as b:
            run = await b.start()
            await eventually(world.hanging.is_set, 60)
            await run.cancel()
            world.released.set()
            await cancelled(run)
            assert b.reports[-1].code == "CANCELLED"
        return world

    worlds = await asyncio.gather(*(once() for _ in range(60)))
    assert [world.running for world in worlds] == [set()] * 60
    assert all(world.count(Verb.START_INSTANCES) == world.count(Verb.STOP_INSTANCES) for world in worlds)


async def test_a_second_cancel_during_the_undo_changes_nothing(client: Client, tmp_path: Path) -> None:
    world = healthy(promote=Fault("refuse", -1), unfence=Fault("hang", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        await eventually(world.hanging.is_set)
        await run.cancel()
        await run.cancel()
        world.released.set()
        await cancelled(run)
        report = b.reports[-1]
        assert (await b.state()).lease is None
    assert report.end_state is RunState.COMPENSATED
    assert report.actions[-1].action == "cancel (the run is being undone already)"
    assert world.serving == {("db", "primary")}
    kept(world)


async def test_an_undo_that_fails_parks_the_others_go_on_and_retry_ends_it(client: Client, tmp_path: Path) -> None:
    world = healthy(promote=Fault("refuse", -1), unfence=Fault("refuse", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        view = await parked_with(b, run, "retry", "skip")
        assert view.parked[0].step == "db.fence"
        assert ("app", "recovery") not in world.running, "the other undo was attempted all the same"
        await b.tell(run, "retry")
        report = await run.result()
    assert report.end_state is RunState.COMPENSATED
    assert report.standing == ()
    kept(world)


# --- Answers that come early ---


async def approved_early(run: WorkflowHandle[Any, Report]) -> WorkflowUpdateHandle[str]:
    """An approval with the right code that the run has taken in, and not answered."""
    report = await run.query("report", result_type=Report)
    code = code_for(report.run_id, GATE, report.plan_sha256)
    return await run.start_update(
        "approve",
        Approval(approver="anna", code=code),
        wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        result_type=str,
    )


async def test_an_answer_that_comes_with_what_opens_the_gate_waits_for_it(client: Client, tmp_path: Path) -> None:
    """A worker without its cache is handed both in one task, and the answer first."""
    world = healthy(choose_recovery_point=Fault("hang", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await eventually(world.hanging.is_set)
        early = await approved_early(run)
        assert (await b.progress(run)).gate is None, "nobody is asked yet"
        world.released.set()
        assert await early.result() == "Approved; the run goes on."
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_an_early_answer_to_a_gate_that_never_opens_is_refused(client: Client, tmp_path: Path) -> None:
    world = healthy(choose_recovery_point=Fault("hang", 1))
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await eventually(world.hanging.is_set)
        early = await approved_early(run)
        await b.tell(run, "abort")
        world.released.set()
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await early.result()
        assert "not waiting for an approval" in str(refused.value.cause)
        assert (await run.result()).end_state is RunState.COMPENSATED
