"""Replicate: one turn of copying, beside nothing else; and Posture, which only looks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.support.bed import bed
from tests.support.flow import hot, kept, serves
from tests.support.runbooks import shop_components
from tests.support.sim import Fault
from tests.support.sim_points import add_point
from workflows.model.progress import ReplicationReport, RunState, StepState
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")


def copied(**snapshots: Any) -> dict[str, Any]:
    """The shop, with copies beside its stream."""
    parts = shop_components()
    parts["db"]["replication"] = {"mode": "continuous", "snapshots": {"every": "1h", "keep": 2, **snapshots}}
    return parts


async def turn(b: Any) -> ReplicationReport:
    report: ReplicationReport = await (await b.launch("Replicate")).result()
    return report


async def test_a_turn_measures_and_lets_the_application_know(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        report = await turn(b)
        state = await b.state()
    assert report.state is not None
    assert (report.state.healthy, report.state.lag_seconds, report.skipped) == (True, 0.1, "")
    assert state.replication == report.state
    assert "db is 100 ms behind" in report.state.sentence
    assert [step.kind for step in report.steps] == ["measure_capacity", "measure_lag"]
    assert b.world.effects == []


async def test_room_and_throughput_are_told_from_one_turn_to_the_next(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        first = await turn(b)
        b.world.capacity |= {"received_bytes": 9_000_000, "free_bytes": 4_000}
        second = await turn(b)
        b.world.capacity["received_bytes"] = 5
        third = await turn(b)
    assert first.state is not None
    assert second.state is not None
    assert third.state is not None
    assert (first.state.copies[0].free_bytes, first.state.copies[0].bytes_per_second) == (80_000, None)
    came = (second.state.copies[0].bytes_per_second or 0) * (second.state.at - first.state.at).total_seconds()
    assert came == pytest.approx(8_999_000)
    assert "ONLY 4.0 kB (4%) free there" in second.state.sentence
    assert "/s come in" in second.state.sentence
    assert third.state.copies[0].bytes_per_second is None, "the counter of another replica says nothing"


async def test_a_turn_that_fails_for_want_of_room_tells_of_it(client: Client, tmp_path: Path) -> None:
    world = hot(snapshot=Fault("refuse", -1))
    world.capacity["free_bytes"] = 0
    async with bed(client, tmp_path, world, components=copied()) as b:
        report = await turn(b)
    assert report.state is not None
    assert (report.state.healthy, report.state.copies[0].free_bytes) == (False, 0)


async def test_nothing_is_copied_while_a_run_holds_the_application(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(), components=copied()) as b:
        run = await b.launch("Switchover")
        await b.until(run, RunState.AWAITING_APPROVAL)
        report = await turn(b)
        await b.tell(run, "abort")
        await run.result()
    assert run.id in report.skipped
    assert (report.state, report.steps) == (None, ())
    assert b.world.count(Verb.SNAPSHOT) == 0


async def test_a_copy_is_taken_when_it_is_due_and_old_ones_are_pruned(client: Client, tmp_path: Path) -> None:
    world = hot()
    now = datetime.now(UTC)
    add_point(world, "good", ["1"], taken=now - timedelta(hours=9))
    for hours in (8, 7, 6):
        add_point(world, f"bad-{hours}", ["1"], taken=now - timedelta(hours=hours), verified=False)
    async with bed(client, tmp_path, world, components=copied()) as b:
        first = await turn(b)
        names = [point.name for point in world.points[("db", "recovery")]]
        second = await turn(b)
    assert "snapshot" in [step.kind for step in first.steps]
    assert "snapshot" not in [step.kind for step in second.steps], "the next one is not due yet"
    assert world.count(Verb.SNAPSHOT) == 1
    assert len(names) == 2
    assert "bad-8" not in names
    assert world.contents[names[0]] == ["1", "2", "3"]
    serves(world, "primary")
    kept(world)


async def test_a_replica_that_only_says_it_is_well_is_told_as_unhealthy(client: Client, tmp_path: Path) -> None:
    world = hot()
    world.frozen.add(("db", "recovery"))
    async with bed(client, tmp_path, world) as b:
        report = await turn(b)
        state = await b.state()
        posture = await (await b.launch("Posture")).result()
    assert report.state is not None
    assert (report.state.healthy, report.state.lag_seconds) == (False, None)
    assert "got no marker" in report.state.sentence
    assert [(step.state, step.code) for step in report.steps][-1] == (StepState.FAILED, "REPLICA_FROZEN")
    assert state.replication is not None
    assert not state.replication.healthy
    assert not posture.ready
    assert "REPLICATION_UNHEALTHY" in {finding.code for finding in posture.findings}


async def test_a_lag_beyond_the_objective_is_unhealthy(client: Client, tmp_path: Path) -> None:
    world = hot()
    world.lag = 7.0
    async with bed(client, tmp_path, world) as b:
        report = await turn(b)
    assert report.state is not None
    assert not report.state.healthy
    assert "7" in report.state.sentence


async def test_a_component_that_fails_does_not_stop_the_others(client: Client, tmp_path: Path) -> None:
    world = hot(snapshot=Fault("refuse", -1))
    parts = copied()
    parts["stock"] = {"role": "data", "kind": "sim.data", "replication": {"mode": "continuous"}}
    world.serving.add(("stock", "primary"))
    world.standby.add(("stock", "recovery"))
    async with bed(client, tmp_path, world, components=parts) as b:
        report = await turn(b)
    assert report.state is not None
    assert not report.state.healthy
    assert "db" in report.state.sentence
    assert "snapshot was refused" in report.state.sentence
    assert ("stock", StepState.DONE) in [(step.component, step.state) for step in report.steps]


def launched() -> dict[str, Any]:
    """The shop, whose application is launched when it is needed."""
    parts = shop_components()
    parts["app"]["kind"] = "sim.launcher"
    return parts


async def test_what_runs_left_behind_is_removed_behind_the_copies(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(), components=launched()) as b:
        report = await turn(b)
        assert (await b.state()).replication == report.state
    assert [(step.id, step.site, step.state) for step in report.steps][-1] == ("app.prune", "recovery", StepState.DONE)
    assert [step.kind for step in report.steps] == ["measure_capacity", "measure_lag", "prune"]
    assert b.world.count(Verb.PRUNE) == 1


async def test_a_removal_that_fails_is_told_and_the_copies_are_as_good_as_before(
    client: Client, tmp_path: Path
) -> None:
    async with bed(client, tmp_path, hot(prune=Fault("refuse", -1)), components=launched()) as b:
        report = await turn(b)
        state = await b.state()
    assert (report.steps[-1].id, report.steps[-1].state) == ("app.prune", StepState.FAILED)
    assert report.state is not None
    assert report.state.healthy
    assert state.replication == report.state


async def test_posture_looks_and_changes_nothing(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        before = await (await b.launch("Posture")).result()
        await turn(b)
        assert (await (await b.launch("Drill")).result()).end_state is RunState.RECOVERED
        after = await (await b.launch("Posture")).result()
    assert (before.ready, before.active_site, before.protected) == (True, "primary", True)
    assert {f.code for f in before.findings} >= {"REPLICATION_NOT_MEASURED", "NEVER_DRILLED"}
    assert not {f.code for f in after.findings} & {"REPLICATION_NOT_MEASURED", "NEVER_DRILLED"}
    assert b.world.effects == []
