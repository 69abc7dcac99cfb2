"""Reprotect: after a failover the old site is opened, what only it has is kept, and it follows again."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.bed import Bed, bed, eventually
from tests.support.flow import dead_primary, hot, kept, parked_with, serves
from tests.support.sim import Fault, World
from workflows.model.progress import RunState
from workflows.model.requests import Approval
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")


def diverged(**faults: Fault) -> World:
    """Primary is lost, with two rows that it never sent."""
    world = dead_primary(**faults)
    world.rows[("db", "primary")] += ["lost-1", "lost-2"]
    return world


async def failed_over(b: Bed) -> None:
    faults, b.world.faults = b.world.faults, {}
    assert (await b.complete("Failover")).end_state is RunState.RECOVERED
    b.world.faults = faults
    b.world.effects.clear()
    b.world.write("4")


async def test_what_only_the_old_site_has_is_kept_before_anything_is_overwritten(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, diverged()) as b:
        await failed_over(b)
        run = await b.launch("Reprotect")
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        assert any("2 rows of orders" in fact for _, fact in view.gate.facts)
        assert b.world.count(Verb.REBUILD_REPLICA) == 0
        assert b.world.archived[("db", "primary")] == ["lost-1", "lost-2"]
        assert b.world.serving == {("db", "recovery")}, "the reopened site serves nothing"
        await b.approve(run)
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.protected, state.protected) == (RunState.RECOVERED, True, True)
    assert state.active_site == "recovery"
    assert [found.diverged for found in report.divergences] == [True]
    assert "2 rows that only primary had are archived" in report.summary
    verbs = [effect.verb for effect in b.world.effects]
    assert verbs == ["reopen_site", "archive_diverged", "rebuild_replica", "protect", "start_instances"] or verbs == [
        "reopen_site", "archive_diverged", "rebuild_replica", "start_instances", "protect",
    ]  # fmt: skip
    serves(b.world, "recovery")
    kept(b.world)


async def test_a_runbook_may_let_it_go_on_without_asking(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, diverged(), failback={"reprotect": "automatic"}) as b:
        await failed_over(b)
        report = await (await b.launch("Reprotect")).result()
    assert (report.end_state, report.approvals) == (RunState.RECOVERED, ())
    serves(b.world, "recovery")
    kept(b.world)


async def test_a_rejected_reprotect_has_overwritten_nothing(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, diverged()) as b:
        await failed_over(b)
        run = await b.launch("Reprotect")
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        await run.execute_update("reject", Approval(approver="ben", code=view.gate.code))
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "REJECTED")
    assert b.world.rows[("db", "primary")] == ["1", "2", "3", "lost-1", "lost-2"]
    assert (state.active_site, state.protected) == ("recovery", False)
    assert "primary" in b.world.powered_off, "whoever mended it would start a second writer"
    kept(b.world)


async def test_where_both_sites_write_nothing_is_rebuilt(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, diverged()) as b:
        await failed_over(b)
        b.world.powered_off.clear()
        b.world.dead.clear()
        b.world.serving.add(("db", "primary"))
        report = await (await b.launch("Reprotect")).result()
        assert not (await b.state()).protected
    assert (report.end_state, report.code) == (RunState.REFUSED, "ROLE_MISMATCH")
    assert "Two sites write" in report.summary
    assert b.world.effects == []


async def test_a_site_that_begins_to_write_while_people_decide_is_not_overwritten(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, diverged()) as b:
        await failed_over(b)
        run = await b.launch("Reprotect")
        await b.until(run, RunState.AWAITING_APPROVAL)
        b.world.serving.add(("db", "primary"))
        await b.approve(run)
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "ROLE_MISMATCH")
    assert b.world.count(Verb.REBUILD_REPLICA) == 0
    assert b.world.rows[("db", "primary")][-2:] == ["lost-1", "lost-2"]
    assert "primary" in b.world.powered_off
    assert not state.protected


async def test_a_wrong_idea_of_who_is_active_wipes_nothing(client: Client, tmp_path: Path) -> None:
    """The entity takes primary for active, while recovery serves: what would be overwritten is what counts."""
    world = World.healthy()
    world.serving, world.standby, world.crowned = {("db", "recovery")}, set(), {"db": "recovery"}
    async with bed(client, tmp_path, world, failback={"reprotect": "automatic"}) as b:
        report = await (await b.launch("Reprotect")).result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "TARGET_UNFIT")
    assert world.effects == []
    kept(world)


@pytest.mark.deep
async def test_a_rebuild_whose_worker_dies_is_asked_for_again_and_done_once(client: Client, tmp_path: Path) -> None:
    async def once(how: str) -> None:
        async with bed(client, tmp_path, diverged(rebuild_replica=Fault(how, 1))) as b:
            await failed_over(b)
            run = await b.launch("Reprotect")
            await b.approve(run)
            if how == "unknown-after":
                await parked_with(b, run, "retry")
                await b.tell(run, "retry")
            report = await run.result()
        assert (report.end_state, report.protected) == (RunState.RECOVERED, True)
        assert b.world.count(Verb.REBUILD_REPLICA) == 1
        serves(b.world, "recovery")
        kept(b.world)

    await asyncio.gather(*(once(how) for how in ("die", "die-after", "lose-reply", "unknown-after")))


@pytest.mark.parametrize("verb", ["protect", "verify_consistency"])
async def test_what_fails_behind_the_rebuild_parks_and_a_retry_ends_it_well(
    client: Client, tmp_path: Path, verb: str
) -> None:
    async with bed(client, tmp_path, diverged(**{verb: Fault("refuse", 1)})) as b:
        await failed_over(b)
        run = await b.launch("Reprotect")
        await b.approve(run)
        await parked_with(b, run, "retry", "skip", "accept_degraded")
        await b.tell(run, "retry")
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.protected, state.protected) == (RunState.RECOVERED, True, True)
    serves(b.world, "recovery")
    kept(b.world)


async def test_a_rebuild_of_a_protected_application_that_is_given_up_leaves_it_unprotected(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, hot(protect=Fault("refuse", -1))) as b:
        run = await b.launch("Reprotect")
        await b.approve(run)
        await parked_with(b, run, "retry", "skip", "accept_degraded")
        await b.tell(run, "accept_degraded")
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.protected) == (RunState.RECOVERED_DEGRADED, False)
    assert (state.active_site, state.protected) == ("primary", False)


async def test_a_site_that_stays_dead_keeps_the_reprotect_waiting_and_an_abort_ends_it(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, diverged()) as b:
        await failed_over(b)
        b.world.powered_off.clear()
        run = await b.launch("Reprotect")

        async def tried() -> bool:
            steps = {step.id: step for step in (await b.progress(run)).steps}
            return "db.archive_diverged" in steps and steps["db.archive_diverged"].started is not None

        await eventually(tried)
        await b.tell(run, "abort")
        b.world.dead.clear()
        report = await run.result()
    assert report.code == "ABORTED"
    assert b.world.count(Verb.REBUILD_REPLICA) == 0
    kept(b.world)
