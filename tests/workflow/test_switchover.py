"""Switchover: planned, in either direction, without loss, and protected at its end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy

from tests.support.bed import bed, eventually
from tests.support.flow import hot, kept, parked_with, serves
from tests.support.runbooks import shop_components
from tests.support.sim import Fault, World
from workflows.model.progress import RunState
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_there_and_back_twice_loses_nothing_and_stays_protected(client: Client, tmp_path: Path) -> None:
    world = hot()
    async with bed(client, tmp_path, world) as b:
        for turn, site in enumerate(("recovery", "primary", "recovery", "primary"), 1):
            world.write(f"turn-{turn}")
            report = await b.complete("Switchover")
            state = await b.state()
            assert (report.end_state, report.protected) == (RunState.RECOVERED, True)
            assert (report.lost_transactions, report.epoch) == (0, turn)
            assert (state.active_site, state.protected, state.lease) == (site, True, None)
            assert [found.equal for found in report.comparisons] == [True, True]
            serves(world, site)
    assert world.rows[("db", "primary")] == ["1", "2", "3", "turn-1", "turn-2", "turn-3", "turn-4"]
    assert [e.site for e in world.effects if e.verb == "promote"] == ["recovery", "primary"] * 2
    kept(world)


async def test_an_application_without_a_replica_is_not_moved(client: Client, tmp_path: Path) -> None:
    world = World.healthy()
    world.kill("primary")
    async with bed(client, tmp_path, world) as b:
        await b.complete("Failover")
        effects = list(world.effects)
        for kind in ("Switchover", "Failback"):
            report = await (await b.launch(kind)).result()
            assert (report.end_state, report.code) == (RunState.REFUSED, "NOT_PROTECTED")
            assert "Start a reprotect first" in report.summary
        assert not (await b.state()).protected
    assert world.effects == effects


async def test_a_switchover_goes_nowhere_where_it_is_already(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot()) as b:
        asked: list[tuple[dict[str, Any], str, str]] = [
            ({"to": "primary"}, "Switchover", "ALREADY_ACTIVE"),
            ({"to": "moon"}, "Switchover", "INVALID_INPUT"),
            ({}, "Failback", "ALREADY_ACTIVE"),
        ]
        for fields, kind, code in asked:
            report = await (await b.launch(kind, **fields)).result()
            assert (report.end_state, report.code) == (RunState.REFUSED, code)
    assert b.world.effects == []


@pytest.mark.parametrize("tier", ["warm", "cold"])
async def test_what_writes_at_the_source_is_stopped_first_and_started_again_by_an_undo(
    client: Client, tmp_path: Path, tier: str
) -> None:
    parts = shop_components()
    parts["app"]["prewarm"] = False
    async with bed(client, tmp_path, World.healthy(), tier=tier, components=parts) as b:
        b.world.faults["promote"] = Fault("refuse", 1)
        undone = await b.complete("Switchover")
        assert undone.end_state is RunState.COMPENSATED
        serves(b.world, "primary")
        assert b.world.running == {("app", "primary")}
        first = len(b.world.effects)
        report = await b.complete("Switchover")
        assert report.end_state is RunState.RECOVERED
        serves(b.world, "recovery")
        assert b.world.running == {("app", "recovery")}, "the source stays off in this tier"
    verbs = [effect.verb for effect in b.world.effects]
    assert verbs[:first] == ["stop_instances", "fence", "unfence", "start_instances"]
    assert verbs[first : first + 3] == ["stop_instances", "fence", "promote"]
    kept(b.world)


async def test_an_abort_or_cancel_before_the_pivot_puts_everything_back(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(sync_delta=Fault("hang", 1))) as b:
        run = await b.launch("Switchover")
        await b.approve(run)
        await eventually(b.world.hanging.is_set)
        await b.tell(run, "abort")
        b.world.released.set()
        report = await run.result()
        state = await b.state()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "ABORTED")
    assert (state.active_site, state.protected) == ("primary", True)
    serves(b.world, "primary")
    kept(b.world)


@pytest.mark.deep
async def test_a_death_on_the_way_to_protection_repeats_no_effect(client: Client, tmp_path: Path) -> None:
    async def once(verb: str, how: str) -> None:
        async with bed(client, tmp_path, hot(**{verb: Fault(how, 1)})) as b:
            report = await b.complete("Switchover")
        assert (report.end_state, report.protected) == (RunState.RECOVERED, True)
        assert b.world.count(Verb(verb)) == 1
        assert b.world.faults[verb].times == 0, "the fault struck"
        serves(b.world, "recovery")
        kept(b.world)

    verbs, ways = ("archive_diverged", "rebuild_replica", "protect"), ("die", "die-after", "lose-reply")
    await asyncio.gather(*(once(verb, how) for verb in verbs for how in ways))


@pytest.mark.parametrize("moment", ["fence", "sync_delta"])
async def test_a_standby_that_promotes_itself_between_steps_halts_the_run_with_one_site_fenced(
    client: Client, tmp_path: Path, moment: str
) -> None:
    world = hot()

    def usurp() -> None:
        world.standby.discard(("db", "recovery"))
        world.serving.add(("db", "recovery"))

    world.hooks[moment] = usurp
    async with bed(client, tmp_path, world) as b:
        run = await b.launch("Switchover")
        await b.approve(run)
        view = await parked_with(b, run, "retry", "skip")
        assert view.state is RunState.PARKED
        assert "must stay fenced" in view.parked[0].reason
        assert world.serving == {("db", "recovery")}
        await b.tell(run, "skip", reason="recovery is the primary now")
        report = await run.result()
    assert report.end_state is RunState.COMPENSATED
    assert (world.count(Verb.PROMOTE), world.count(Verb.UNFENCE)) == (0, 0)
    assert world.serving == {("db", "recovery")}
    kept(world)


async def test_an_id_is_good_for_one_run(client: Client, tmp_path: Path) -> None:
    reuse: dict[str, Any] = {"reuse": WorkflowIDReusePolicy.ALLOW_DUPLICATE}
    async with bed(client, tmp_path, hot()) as b:
        name = f"switchover/{b.runbook.application}/once"
        assert (await b.complete("Switchover", id=name)).end_state is RunState.RECOVERED
        again = await (await b.launch("Switchover", id=name, **reuse)).result()
        drill = f"drill/{b.runbook.application}/once"
        assert (await (await b.launch("Drill", id=drill)).result()).end_state is RunState.RECOVERED
        drilled = await (await b.launch("Drill", id=drill, **reuse)).result()
    for report in (again, drilled):
        assert (report.end_state, report.code) == (RunState.REFUSED, "APPLICATION_BUSY")
        assert "never repeated" in report.summary
    assert b.world.count(Verb.PROMOTE) == 1
