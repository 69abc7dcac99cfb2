"""The way home after a failover: unprotected, reprotected, and home again; and whatever goes wrong on it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.bed import Bed, bed
from tests.support.flow import dead_primary, hot, kept, parked_with, serves
from tests.support.sim import Fault, World
from workflows.model.observed import Finding
from workflows.model.progress import RunState, StepState
from workflows.model.report import Report
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")


def away(**faults: Fault) -> World:
    """The application serves at recovery, protected by primary, with its services at both sites."""
    world = World.healthy(hot=True)
    world.serving, world.standby = {("db", "recovery")}, {("db", "primary")}
    world.relied, world.crowned, world.route = {("db", "primary")}, {"db": "recovery"}, "recovery"
    world.faults.update(faults)
    return world


async def sent_away(b: Bed) -> None:
    """Let the entity know, by a switchover, that the application is at recovery; the faults come after it."""
    faults, b.world.faults = b.world.faults, {}
    assert (await b.complete("Switchover")).end_state is RunState.RECOVERED
    b.world.faults = faults
    b.world.effects.clear()


async def still_away(b: Bed, report: Report) -> None:
    """Nothing has changed for anybody."""
    serves(b.world, "recovery")
    kept(b.world)
    assert report.standing == ()
    state = await b.state()
    assert (state.lease, state.active_site, state.protected) == (None, "recovery", True)


async def test_a_lost_site_is_mended_and_the_application_goes_home(client: Client, tmp_path: Path) -> None:
    world = dead_primary()
    world.rows[("db", "primary")].append("never-sent")
    async with bed(client, tmp_path, world) as b:
        out = await b.complete("Failover")
        assert (out.protected, out.lost_transactions) == (False, 1)
        assert any("unprotected" in line for line in out.left_to_do)
        early = await (await b.launch("Failback")).result()
        assert (early.end_state, early.code) == (RunState.REFUSED, "NOT_PROTECTED")
        assert not (await b.state()).protected
        world.write("4")
        again = await b.complete("Reprotect")
        assert (again.end_state, again.protected) == (RunState.RECOVERED, True)
        assert (await b.state()).protected
        serves(world, "recovery")
        world.write("5")
        home = await b.complete("Failback")
        state = await b.state()
    assert (home.end_state, home.operation.value, home.protected) == (RunState.RECOVERED, "failback", True)
    assert home.lost_transactions == 0
    assert len(home.comparisons) == 2
    assert (state.active_site, state.protected, state.epoch) == ("primary", True, 4)
    assert world.rows[("db", "primary")] == ["1", "2", "3", "4", "5"]
    assert world.archived == {("db", "primary"): ["never-sent"], ("db", "recovery"): []}
    serves(world, "primary")
    kept(world)


BEFORE = ("compare_sites", "measure_lag", "db.verify_before", "choose_recovery_point", "fence", "sync_delta", "promote")


async def test_a_failback_that_fails_before_its_pivot_leaves_everything_where_it_was(
    client: Client, tmp_path: Path
) -> None:
    async def once(step: str) -> None:
        async with bed(client, tmp_path, hot(**{step: Fault("refuse", -1)})) as b:
            await sent_away(b)
            run = await b.launch("Failback")
            if step in ("fence", "sync_delta", "promote"):
                await b.approve(run)
            report = await run.result()
            fenced = step in ("sync_delta", "promote")
            # A fence that was refused was asked for, so it is undone too: that counts as having tried.
            ends = RunState.COMPENSATED if fenced or step == "fence" else RunState.REFUSED
            assert (step, report.end_state) == (step, ends)
            assert b.world.count(Verb.UNFENCE) == (1 if fenced else 0)
            assert report.protected is None
            await still_away(b, report)

    await asyncio.gather(*(once(step) for step in BEFORE))


async def test_what_a_failback_started_while_people_decided_is_stopped_again(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(promote=Fault("refuse", -1))) as b:
        await sent_away(b)
        b.world.running.discard(("app", "primary"))
        report = await b.complete("Failback")
        assert (report.end_state, report.code) == (RunState.COMPENSATED, "PROMOTE_REFUSED")
        assert b.world.running == {("app", "recovery")}
        await still_away(b, report)


@pytest.mark.parametrize("spoiled", ["lag", "frozen", "finding", "rows"])
async def test_a_move_that_would_lose_something_is_refused_with_nothing_changed(
    client: Client, tmp_path: Path, spoiled: str
) -> None:
    async with bed(client, tmp_path, hot()) as b:
        await sent_away(b)
        world = b.world
        if spoiled == "lag":
            world.lag = 11.0
        elif spoiled == "frozen":
            world.frozen.add(("db", "primary"))
        elif spoiled == "finding":
            world.findings = (Finding(code="FSYNC_OFF", sentence="fsync is off.", next_step="On.", blocking=True),)
        else:
            world.rows[("db", "primary")].append("phantom")
        before = [*world.rows[("db", "primary")]]
        report = await (await b.launch("Failback")).result()
        codes = {"lag": "TARGET_UNFIT", "frozen": "REPLICA_FROZEN", "finding": "TARGET_UNFIT", "rows": "INCONSISTENT"}
        assert (report.end_state, report.code) == (RunState.REFUSED, codes[spoiled])
        assert world.effects == []
        assert world.rows[("db", "primary")] == before
        assert (await b.state()).active_site == "recovery"
        assert {"finding": "FSYNC_OFF", "rows": "phantom"}.get(spoiled, "") in report.summary
        if spoiled == "rows":
            world.rows[("db", "primary")].remove("phantom")
        await still_away(b, report)


async def test_a_finding_that_does_not_block_is_shown_to_the_approver(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        b.world.findings = (Finding(code="SMALL_DISK", sentence="The disk there is smaller."),)
        run = await b.launch("Switchover")
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        assert ("Finding", "The disk there is smaller.") in view.gate.facts
        await b.approve(run)
        report = await run.result()
    assert "SMALL_DISK" in {finding.code for finding in report.findings}


@pytest.mark.parametrize("step", ["archive_diverged", "rebuild_replica", "protect", "db.verify_after"])
async def test_a_failure_behind_the_pivot_parks_and_a_retry_ends_it_well(
    client: Client, tmp_path: Path, step: str
) -> None:
    async with bed(client, tmp_path, hot(**{step: Fault("refuse", 1)})) as b:
        await sent_away(b)
        run = await b.launch("Failback")
        await b.approve(run)
        view = await parked_with(b, run, "retry", "skip", "accept_degraded")
        assert view.parked[0].step.endswith(step.removeprefix("db."))
        assert b.world.serving == {("db", "primary")}, "users are served meanwhile"
        assert b.world.route == "primary"
        await b.tell(run, "retry")
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.protected, state.protected) == (RunState.RECOVERED, True, True)
    serves(b.world, "primary")
    kept(b.world)


async def test_a_rebuild_that_is_given_up_leaves_the_application_home_and_unprotected(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, hot(rebuild_replica=Fault("refuse", -1))) as b:
        await sent_away(b)
        run = await b.launch("Failback")
        await b.approve(run)
        await parked_with(b, run, "retry", "skip", "accept_degraded")
        await b.tell(run, "accept_degraded")
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.protected) == (RunState.RECOVERED_DEGRADED, False)
    assert any("start a reprotect" in line for line in report.left_to_do)
    assert (state.active_site, state.protected) == ("primary", False)


# --- The agreed time ---


async def test_an_agreed_time_is_waited_for(client: Client, tmp_path: Path) -> None:
    at = datetime.now(UTC) + timedelta(seconds=4)
    async with bed(client, tmp_path, hot()) as b:
        run = await b.launch("Switchover", at=at.isoformat())
        await b.approve(run)
        view = await b.until(run, RunState.WAITING_FOR_AGREED_TIME)
        assert {s.id: s.state for s in view.steps}["window"] is StepState.WAITING
        report = await run.result()
    steps = {step.id: step for step in report.steps}
    assert report.end_state is RunState.RECOVERED
    started = steps["db.fence"].started
    assert started is not None
    assert started >= at
    assert started - at < timedelta(seconds=2)


async def test_an_abort_while_the_agreed_time_is_waited_for_changes_nothing(client: Client, tmp_path: Path) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    async with bed(client, tmp_path, hot()) as b:
        run = await b.launch("Switchover", at=at.isoformat())
        await b.approve(run)
        await b.tell(run, "abort")
        report = await run.result()
    assert (report.end_state, report.code) == (RunState.REFUSED, "ABORTED")
    assert b.world.effects == []
    serves(b.world, "primary")


async def test_an_agreed_time_that_has_passed_is_now(client: Client, tmp_path: Path) -> None:
    at = datetime.now(UTC) - timedelta(minutes=1)
    async with bed(client, tmp_path, hot()) as b:
        report = await b.complete("Switchover", at=at.isoformat())
    assert report.end_state is RunState.RECOVERED
    serves(b.world, "recovery")
