"""Isolated drills: rehearsed on clones, production untouched, nothing left, whatever goes wrong."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.bed import Bed, bed, eventually
from tests.support.flow import cancelled, hot, kept, serves
from tests.support.runbooks import shop_components
from tests.support.sim import Fault, World
from tests.support.sim_points import add_point
from workflows.model.progress import RunState, StepState
from workflows.model.report import Report
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def untouched(b: Bed) -> None:
    """Nothing of production was changed, and nothing of the drill is left."""
    state = await b.state()
    assert (state.rehearsal, state.lease) == (None, None)
    assert (state.active_site, state.protected) == ("primary", True)
    assert {effect.verb for effect in b.world.effects} <= set()
    serves(b.world, "primary")
    kept(b.world)


async def test_a_drill_rehearses_the_recovery_and_leaves_nothing(client: Client, tmp_path: Path) -> None:
    drills = {"canaries": ("127.0.0.1:5432",), "addresses": {"recovery": "127.0.0.2"}}
    async with bed(client, tmp_path, hot(), drills=drills) as b:
        first: Report = await (await b.launch("Drill")).result()
        second: Report = await (await b.launch("Drill")).result()
        await untouched(b)
        state = await b.state()
    card = first.scorecard
    assert first.end_state is RunState.RECOVERED
    assert card is not None
    assert (card.kind, card.real, card.simulated, card.skipped) == ("isolated", 7, 1, 0)
    assert (card.fidelity, card.leftovers, card.findings) == (0.875, 0, ())
    assert card.canaries == {"127.0.0.1:5432": "unreachable"}
    assert (card.compared_with, card.rta_change_seconds) == (None, None)
    assert first.rpa_seconds == 0.0
    assert first.rta_seconds is not None
    assert first.rta_seconds < (first.clock.ended - first.clock.declared).total_seconds()  # type: ignore[operator]
    assert first.steps[-1].id == "bubble.close_bubble"
    assert any("front" in gap for gap in first.not_proven)
    assert (first.protected, first.standing) == (None, ())
    again = second.scorecard
    assert again is not None
    assert again.compared_with is not None
    assert again.compared_with.workflow_id == first.workflow_id
    assert again.rta_change_seconds == pytest.approx((second.rta_seconds or 0) - first.rta_seconds)
    assert state.last_drill is not None
    assert (state.last_drill.workflow_id, state.last_drill.fidelity) == (second.workflow_id, 0.875)
    assert [effect.verb for effect in b.world.rehearsed if effect.key.startswith(first.workflow_id)] == [
        "open_bubble", "clone_data", "promote", "start_instances", "close_bubble",
    ]  # fmt: skip


STEPS = (
    "choose_recovery_point",
    "open_bubble",
    "prove_isolation",
    "clone_data",
    "promote",
    "health_check",
    "start_instances",
    "verify",
)


@pytest.mark.parametrize("how", ["refuse", "lose-reply", "die", "die-after"])
async def test_whatever_fails_in_a_drill_is_a_finding_and_leaves_nothing(
    client: Client, tmp_path: Path, how: str
) -> None:
    async def once(verb: str) -> None:
        async with bed(client, tmp_path, hot(**{verb: Fault(how, -1 if how == "refuse" else 1)})) as b:
            report: Report = await (await b.launch("Drill")).result()
            await untouched(b)
        if how != "refuse":
            assert report.end_state is RunState.RECOVERED, "a lost reply is asked for again"
            assert b.world.faults[verb].times == 0, "the fault struck"
            return
        assert report.end_state is RunState.COMPENSATED
        assert report.standing == ()
        assert report.scorecard is not None
        assert report.scorecard.leftovers == 0
        assert [finding for finding in report.scorecard.findings if finding.blocking]

    verbs = STEPS if how == "refuse" else ("open_bubble", "clone_data", "promote", "start_instances", "close_bubble")
    await asyncio.gather(*(once(verb) for verb in verbs))


async def test_a_bubble_that_will_not_close_parks_loudly_until_it_does(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(close_bubble=Fault("refuse", 2))) as b:
        run = await b.launch("Drill")
        view = await b.until(run, RunState.PARKED)
        assert view.parked[0].actions == ("retry", "skip")
        assert "bubble" in view.parked[0].standing[0]
        await b.tell(run, "retry")
        report = await run.result()
        await untouched(b)
    assert report.end_state is RunState.COMPENSATED
    assert report.scorecard is not None
    assert report.scorecard.leftovers == 0


@pytest.mark.parametrize("way", ["abort", "cancel", "deadline"])
async def test_a_drill_that_is_stopped_leaves_nothing(client: Client, tmp_path: Path, way: str) -> None:
    limit = "2s" if way == "deadline" else "1h"
    async with bed(client, tmp_path, hot(promote=Fault("hang", 1)), drills={"limit": limit}) as b:
        run = await b.launch("Drill")
        await eventually(b.world.hanging.is_set)
        assert b.world.bubbles
        if way == "abort":
            await b.tell(run, "abort")
        elif way == "cancel":
            await run.cancel()
        await b.until(run, RunState.COMPENSATING)
        assert b.world.bubbles, "what is in flight is settled first"
        b.world.released.set()
        if way == "cancel":
            await cancelled(run)
        else:
            await run.result()
        await untouched(b)
    code = {"abort": "ABORTED", "cancel": "CANCELLED", "deadline": "DEADLINE_PASSED"}[way]
    assert (b.reports[-1].end_state, b.reports[-1].code) == (RunState.COMPENSATED, code)
    assert b.reports[-1].scorecard is not None
    assert b.reports[-1].scorecard.leftovers == 0


async def test_a_drill_can_be_paused(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(clone_data=Fault("hang", 1))) as b:
        run = await b.launch("Drill")
        await eventually(b.world.hanging.is_set)
        await b.tell(run, "pause")
        b.world.released.set()
        view = await b.until(run, RunState.PAUSED)
        assert {s.id: s.state for s in view.steps}["db.promote"] is StepState.PENDING
        await b.tell(run, "resume")
        assert (await run.result()).end_state is RunState.RECOVERED
        await untouched(b)


async def test_a_drill_of_an_earlier_point_counts_its_restore(client: Client, tmp_path: Path) -> None:
    world = hot()
    add_point(world, "monday", ["1", "2"], taken=datetime(2026, 11, 1, tzinfo=UTC))
    async with bed(client, tmp_path, world) as b:
        report: Report = await (await b.launch("Drill", point="monday")).result()
        await untouched(b)
    assert report.end_state is RunState.RECOVERED
    assert report.rpa_seconds == 5.0
    assert not any("clone takes to make" in gap for gap in report.not_proven), "restoring it is part of a recovery"


async def test_what_cannot_be_cloned_is_only_shown_and_said_so(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        parts = shop_components()
        parts["app"]["drill"] = {"simulate": True}
        b.change(components=parts, lacking={Verb.CLONE_DATA})
        b.world.faults["verify"] = Fault("refuse", -1)
        report: Report = await (await b.launch("Drill")).result()
        await untouched(b)
    assert report.scorecard is not None
    assert report.scorecard.simulated == 3
    assert report.end_state is RunState.COMPENSATED
    assert b.world.rehearsed
    assert {effect.verb for effect in b.world.rehearsed} == {"open_bubble", "close_bubble"}


# --- Beside real runs ---


async def test_no_drill_begins_while_a_run_holds_the_application(client: Client, tmp_path: Path) -> None:
    world = World.healthy()
    world.kill("primary")
    async with bed(client, tmp_path, world) as b:
        failover = await b.start()
        await b.until(failover, RunState.AWAITING_APPROVAL)
        drill: Report = await (await b.launch("Drill")).result()
        await b.approve(failover)
        assert (await failover.result()).end_state is RunState.RECOVERED
    assert (drill.end_state, drill.code) == (RunState.REFUSED, "APPLICATION_BUSY")
    assert failover.id in drill.summary
    assert world.rehearsed == []


async def test_no_second_drill_begins_beside_the_first(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(clone_data=Fault("hang", 1))) as b:
        first = await b.launch("Drill")
        await eventually(b.world.hanging.is_set)
        second: Report = await (await b.launch("Drill")).result()
        b.world.released.set()
        assert (await first.result()).end_state is RunState.RECOVERED
        await untouched(b)
    assert (second.end_state, second.code) == (RunState.REFUSED, "APPLICATION_BUSY")


@pytest.mark.parametrize("late", [False, True], ids=["while people decide", "when the failover has ended"])
async def test_a_failover_takes_the_application_from_a_drill_at_once(
    client: Client, tmp_path: Path, late: bool
) -> None:
    world = World.healthy()
    world.faults["clone_data"] = Fault("hang", 1)
    async with bed(client, tmp_path, world) as b:
        drill = await b.launch("Drill")
        await eventually(world.hanging.is_set)
        world.kill("primary")
        failover = await b.start()
        await b.until(failover, RunState.AWAITING_APPROVAL)
        assert world.bubbles, "it did not wait for the drill's end"
        if not late:
            world.released.set()
            await cancelled(drill)
        await b.approve(failover)
        report = await failover.result()
        if late:
            world.released.set()
            await cancelled(drill)
        state = await b.state()
    ended = next(found for found in b.reports if found.workflow_id == drill.id)
    assert (ended.end_state, ended.code) == (RunState.COMPENSATED, "PREEMPTED")
    assert ended.scorecard is not None
    assert ended.scorecard.leftovers == 0
    assert not [action for action in ended.actions if "not given back" in action.action]
    assert report.end_state is RunState.RECOVERED
    assert (state.lease, state.rehearsal, state.active_site) == (None, None, "recovery")
    assert (state.last_run, state.last_drill) == (failover.id, None)
    kept(world)


async def test_of_ten_starts_at_once_at_most_one_of_each_and_no_drill_begins_beside_a_failover(
    client: Client, tmp_path: Path
) -> None:
    world = World.healthy()
    world.kill("primary")
    async with bed(client, tmp_path, world) as b:
        kinds = ["Drill", "Failover"] * 5
        runs = await asyncio.gather(*(b.launch(kind) for kind in kinds))
        failovers = [run for run, kind in zip(runs, kinds, strict=True) if kind == "Failover"]

        async def winner() -> object:
            views = await asyncio.gather(*(b.progress(run) for run in failovers))
            waiting = [run for run, v in zip(failovers, views, strict=True) if v.state is RunState.AWAITING_APPROVAL]
            others = [v for v in views if v.state is RunState.REFUSED]
            return waiting[0] if len(waiting) == 1 and len(others) == 4 else None

        await b.approve(await eventually(winner, 40))
        await asyncio.gather(*(run.result() for run in runs), return_exceptions=True)
    ends = [(report.operation.value, report.end_state) for report in b.reports]
    assert ends.count(("failover", RunState.RECOVERED)) == 1
    assert ends.count(("failover", RunState.REFUSED)) == 4
    assert len([end for end in ends if end[0] == "drill"]) == 5
    assert len({effect.key.split(":")[0] for effect in world.rehearsed}) <= 1
    kept(world)
