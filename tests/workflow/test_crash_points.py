"""A worker dies at each verb: before its call, after the effect, and after the reply.

The workflow's own worker keeps nothing in its memory here, so that each of its tasks begins with a replay: as if it had
been killed after every single record.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.support.bed import Bed, Crew, bed, eventually
from tests.support.sim import Fault, World
from workflows.model.progress import RunState
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORWARD = ("start_instances", "fence", "promote", "flip_dns")
UNDO = ("unfence", "stop_instances")
_LATE = 40.0

DEATHS = [
    pytest.param("die", marks=pytest.mark.slow),
    "die-after",
    pytest.param("lose-reply", marks=pytest.mark.deep),
    pytest.param("lose-call", marks=pytest.mark.deep),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def forgetful(workers: Crew) -> AsyncIterator[None]:
    await workers.stop("control")
    await workers.start("control", max_cached_workflows=0)
    yield
    await workers.stop("control")
    await workers.start("control")


def kept(world: World) -> None:
    assert max(world.writers_seen) <= 1
    assert not world.doubled


async def recovered(b: Bed) -> None:
    run = await b.start(planned=True)
    await b.approve(run)
    report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert b.world.serving == {("db", "recovery")}
    assert b.world.route == "recovery"
    assert [effect.verb for effect in b.world.effects if effect.component == "db"] == ["fence", "promote"]
    kept(b.world)


async def compensated(b: Bed) -> None:
    run = await b.start(planned=True)
    await b.approve(run)
    report = await run.result()
    assert (report.end_state, report.code) == (RunState.COMPENSATED, "PROMOTE_REFUSED")
    assert b.world.serving == {("db", "primary")}
    assert b.world.running == {("app", "primary")}
    assert report.standing == ()
    undone = [effect.verb for effect in b.world.effects if effect.verb in UNDO]
    assert undone == ["unfence", "stop_instances"], "the reverse of the order in which they depend on each other"
    kept(b.world)


@pytest.mark.parametrize("how", DEATHS)
async def test_a_death_at_any_verb_on_the_way_changes_nothing(client: Client, tmp_path: Path, how: str) -> None:
    async def once(verb: str) -> None:
        world = World.healthy()
        world.faults[verb] = Fault(how, 1)
        async with bed(client, tmp_path, world) as b:
            await recovered(b)
            assert world.faults[verb].times == 0, "the fault struck"

    await asyncio.gather(*(once(verb) for verb in FORWARD))


@pytest.mark.parametrize("how", DEATHS)
async def test_a_death_at_any_undo_changes_nothing(client: Client, tmp_path: Path, how: str) -> None:
    async def once(verb: str) -> None:
        world = World.healthy()
        world.faults |= {"promote": Fault("refuse", -1), verb: Fault(how, 1)}
        async with bed(client, tmp_path, world) as b:
            await compensated(b)
            assert world.faults[verb].times == 0, "the fault struck"

    await asyncio.gather(*(once(verb) for verb in UNDO))


@pytest.mark.deep
async def test_restore_dns_survives_a_death_and_comes_first(client: Client, tmp_path: Path) -> None:
    """Users who were sent over before the pivot, since their name stands on no data, are sent back."""

    async def once(how: str) -> None:
        world = World.healthy()
        world.faults |= {"promote": Fault("refuse", -1), "restore_dns": Fault(how, 1)}
        async with bed(client, tmp_path, world) as b:
            static = b.runbook.components["app"].model_copy(update={"needs": ()})
            parts = {**b.runbook.components, "app": static}
            changed = b.runbook.model_copy(update={"components": parts})
            b.crew.hall.runbooks[b.runbook.application] = changed
            world.faults["sync_delta"] = Fault("hang", 1)
            run = await b.start(planned=True)
            await b.approve(run)
            await eventually(lambda: world.count(Verb.FLIP_DNS) == 1, _LATE)
            world.released.set()
            report = await run.result()
        assert (report.end_state, report.code) == (RunState.COMPENSATED, "PROMOTE_REFUSED")
        assert world.route == "primary"
        undone = [effect.verb for effect in world.effects if effect.verb in (*UNDO, "restore_dns")]
        assert undone.index("restore_dns") < undone.index("stop_instances")
        assert sorted(undone) == ["restore_dns", "stop_instances", "unfence"]
        kept(world)

    await asyncio.gather(*(once(how) for how in ("die", "die-after", "lose-reply")))


@pytest.mark.deep
async def test_a_frozen_attempt_that_wakes_up_late_acts_no_more(client: Client, tmp_path: Path) -> None:
    async def once(verb: str) -> None:
        world = World.healthy()
        world.faults[verb] = Fault("freeze", 1)
        async with bed(client, tmp_path, world) as b:
            await recovered(b)
            effects = list(world.effects)
            world.thawed.set()
            await eventually(lambda: world.woken, _LATE)
        assert world.woken == ["LEASE_LOST"]
        assert world.effects == effects

    await asyncio.gather(*(once(verb) for verb in FORWARD))


async def test_a_worker_that_is_shut_down_in_mid_step_hands_it_over(
    client: Client, tmp_path: Path, workers: Crew
) -> None:
    world = World.healthy()
    world.faults["fence"] = Fault("hang", 1)
    async with bed(client, tmp_path, world) as b:
        run = await b.start(planned=True)
        await b.approve(run)
        await eventually(world.hanging.is_set)
        await workers.stop("primary")
        await workers.start("primary")
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert world.count(Verb.FENCE) == 1
    kept(world)
