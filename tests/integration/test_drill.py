"""Isolated drills on real sites, under load: users notice nothing, and whatever dies, nothing is left."""

import os
import signal

import pytest

from workers import control
from workflows.model.progress import RunState
from workflows.model.report import Report
from workflows.model.requests import DrillRequest, FailoverRequest

from .rig import Rig, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

DRILL = DrillRequest(runbook="shop", reason="a drill", requested_by="ben")


def leftovers(rig: Rig) -> list[str]:
    """What stands of any bubble: folders, and processes that run out of one."""
    bubbles = rig.info.sites["recovery"].worker_state / "bubbles"
    folders = [path.name for path in bubbles.iterdir() if path.is_dir()] if bubbles.is_dir() else []
    running = [str(pid) for pid in rig.processes() if str(bubbles) in " ".join(rig.words(pid))]
    return folders + running


def assert_untouched(rig: Rig, report: Report) -> None:
    assert rig.load.errors == 0, "no user noticed"
    assert report.scorecard is not None
    assert report.scorecard.leftovers == 0
    assert leftovers(rig) == []
    assert rig.watcher.summary().two_writer_samples == 0
    assert rig.watcher.summary().writable["recovery"] == 0


@pytest.mark.deep
async def test_a_drill_recovers_clones_and_leaves_nothing(rig: Rig) -> None:
    report = await rig.carry_out(DRILL)
    assert report.end_state is RunState.RECOVERED, report.summary
    assert_untouched(rig, report)
    card = report.scorecard
    assert card is not None
    assert card.canaries
    assert not any("open" in verdict for verdict in card.canaries.values())
    assert (card.real, card.simulated, card.skipped) == (7, 1, 0)
    assert [objective.met for objective in report.objectives] == [True, True]
    again = await rig.carry_out(DRILL)
    assert again.scorecard is not None
    assert again.scorecard.compared_with is not None
    assert again.scorecard.compared_with.workflow_id == report.workflow_id


@pytest.mark.deep
async def test_a_worker_and_the_server_that_die_in_a_drill_leave_nothing(rig: Rig) -> None:
    """kill -9 of the site's worker at three steps, and of the Temporal server at a fourth."""
    server = rig.temporal()
    report = await rig.carry_out(
        DRILL,
        deadly={
            "bubble.open_bubble": "recovery",
            "db.clone_data": "recovery",
            "app.health_check": "recovery",
            "public.verify": "temporal",
        },
    )
    assert rig.temporal() != server
    assert report.end_state in (RunState.RECOVERED, RunState.COMPENSATED), report.summary
    assert_untouched(rig, report)


@pytest.mark.slow
async def test_a_real_disaster_ends_a_drill_and_is_not_kept_waiting_by_it(rig: Rig) -> None:
    """The primary dies in mid-drill: the failover takes the application at once, and the drill undoes itself."""
    drill = await control.start(rig.client, DRILL)
    rig.run = drill
    await rig.done("db.clone_data")
    os.kill(rig.worker("recovery"), signal.SIGSTOP)
    await rig.declare()
    os.kill(rig.worker("recovery"), signal.SIGCONT)
    await rig.approve()
    report, seen = await rig.finish()
    assert report.end_state is RunState.RECOVERED, report.summary
    assert (seen.audit.lost, seen.watched.two_writer_samples) == (0, 0)

    async def ended() -> bool:
        return (await control.progress(rig.client, drill)).state.ended

    await eventually(ended, "the drill has ended")
    card = (await control.report(rig.client, drill)).scorecard
    assert card is not None
    assert card.leftovers == 0
    assert leftovers(rig) == []


@pytest.mark.slow
async def test_a_drill_is_refused_while_a_run_holds_the_application(rig: Rig) -> None:
    held = FailoverRequest(runbook="shop", reason="maintenance", planned=True, requested_by="ben")
    rig.run = await control.start(rig.client, held)
    await rig.until(RunState.AWAITING_APPROVAL)
    refused = await control.wait(rig.client, await control.start(rig.client, DRILL))
    assert (refused.end_state, refused.code) == (RunState.REFUSED, "APPLICATION_BUSY")
    await rig.tell("abort")
    await rig.until(RunState.REFUSED)
    assert leftovers(rig) == []
