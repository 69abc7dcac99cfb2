"""The recovery site's worker dies in the middle of a failover, and the failover ends as it would have."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from .evidence import assert_recovered_once, attempts, epochs, power, txt
from .rig import STEPS, Rig, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

PREPARED = ("db.choose_recovery_point", "app.start_instances")
SOME_STEPS = ("db.fence", "db.promote", "public.verify")
"""One of each sort: before the pivot, the pivot, after it."""
WITH_AN_EFFECT = ("db.fence", "db.promote", "front.flip_dns")


def stands(rig: Rig, step: str) -> Callable[[], bool]:
    """Whether the step's effect can be seen in the world, whoever asks."""
    looks: dict[str, Callable[[], bool]] = {
        "db.fence": lambda: power(rig.info).held,
        "db.promote": lambda: rig.is_primary() and rig.run in epochs(rig.info)[-1][1],
        "front.flip_dns": lambda: rig.run in txt(rig.info),
    }
    return looks[step]


async def die_before_the_first_steps(rig: Rig) -> None:
    """kill -9 with the recovery point and the application's start taken, and neither begun.

    The old site is dead and its cable is cut, so that every look at it lasts a second. In that second the control
    worker is frozen; the run waits for its look when the recovery site's own is over and its worker is frozen too.
    """
    await rig.declare("isolate-orchestrator")

    async def looking(workers: int) -> bool:
        return await rig.taken_by_workers("observe") == workers

    await eventually(lambda: looking(2), "both living workers look")
    os.kill(rig.worker("control"), signal.SIGSTOP)
    await eventually(lambda: looking(1), "the recovery site's look is over")
    await rig.freeze()
    os.kill(rig.worker("control"), signal.SIGCONT)
    for step in PREPARED:
        await rig.taken(step)
    rig.kill_worker("recovery")


@pytest.mark.parametrize(
    "deadly",
    [
        pytest.param(SOME_STEPS, id="some-steps", marks=pytest.mark.deep),
        pytest.param(STEPS, id="every-step", marks=pytest.mark.slow),
    ],
)
async def test_the_worker_dies_before_the_call_of_one_step_after_the_other(rig: Rig, deadly: tuple[str, ...]) -> None:
    """One run, one death at each step: SIGKILL with the step handed to the worker and its call not begun."""
    await die_before_the_first_steps(rig)
    await rig.approve_paused()
    for step in STEPS:
        if step in deadly:
            await rig.die_before(step)
            await rig.done(step)
        else:
            await rig.pass_over(step)
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    tried = attempts(report)
    assert {step for step in tried if tried[step] >= 2} >= {*PREPARED, *deadly}


@pytest.mark.deep
async def test_the_worker_dies_after_every_effect_and_before_its_answer(rig: Rig) -> None:
    """One run: at fence, promote and flip the effect lands, the answer does not, and the worker is killed."""
    await rig.declare()
    await rig.approve_paused()
    for step in STEPS:
        if step in WITH_AN_EFFECT:
            await rig.die_after(step, stands(rig, step))
            await rig.done(step)
        else:
            await rig.pass_over(step)
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    tried = attempts(report)
    assert {step: tried[step] for step in WITH_AN_EFFECT} == dict.fromkeys(WITH_AN_EFFECT, 2)


@pytest.mark.deep
async def test_the_worker_dies_between_asking_for_a_promotion_and_having_it(rig: Rig) -> None:
    """The server's startup process is frozen, so that the promotion is asked for and pending when the worker dies.

    It then happens with nobody watching, and has no epoch; the next attempt must find it and finish it.
    """
    await rig.declare()
    await rig.approve_paused()
    await rig.pass_over("db.fence", "db.sync_delta")
    pid, startup = await rig.hold("db.promote"), rig.startup_process()
    os.kill(startup, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
    await eventually(rig.promotion_asked, "the promotion is asked for")
    rig.kill_worker("recovery")
    os.kill(startup, signal.SIGCONT)
    await eventually(rig.is_primary, "the promotion happened by itself")
    assert max(epochs(rig.info))[0] == 0, "the worker died before it wrote the epoch"
    await rig.done("db.promote")
    await rig.tell("resume")
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    assert attempts(report)["db.promote"] == 2


@pytest.mark.deep
async def test_a_worker_that_is_told_to_end_finishes_its_step(rig: Rig) -> None:
    """SIGTERM in mid-promotion: the step ends with its first attempt, and the next step is the next worker's."""
    await rig.declare()
    await rig.approve_paused()
    await rig.pass_over("db.fence", "db.sync_delta")
    pid, startup = await rig.hold("db.promote"), rig.startup_process()
    os.kill(startup, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
    await eventually(rig.promotion_asked, "the promotion is asked for")
    os.kill(pid, signal.SIGTERM)
    await asyncio.sleep(0.5)
    assert rig.worker("recovery") == pid, "it waits for its step"
    os.kill(startup, signal.SIGCONT)
    await rig.done("db.promote")
    await rig.tell("resume")
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    assert rig.worker("recovery") != pid
    assert attempts(report)["db.promote"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
async def test_the_worker_dies_before_the_call_of_one_step(rig: Rig, step: str) -> None:
    """The first worker dies once, at this step, and nothing else is disturbed."""
    await rig.declare()
    await rig.approve_paused()
    await rig.pass_over(*STEPS[: STEPS.index(step)])
    await rig.die_before(step)
    await rig.done(step)
    if step != STEPS[-1]:
        await rig.tell("resume")
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    assert attempts(report)[step] == 2


@pytest.mark.slow
@pytest.mark.parametrize("step", WITH_AN_EFFECT)
async def test_the_worker_dies_after_one_effect_and_before_its_answer(rig: Rig, step: str) -> None:
    """The effect lands, the answer does not, and the worker is killed; the rest goes on undisturbed and unpaused."""
    await rig.declare()
    await rig.approve_paused()
    await rig.pass_over(*STEPS[: STEPS.index(step)])
    await rig.die_after(step, stands(rig, step))
    await rig.tell("resume")
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    assert attempts(report)[step] == 2
