"""What conducts the run dies: the control worker, and the Temporal server. Nobody decides; nothing is lost."""

import os
import signal

import pytest

from workflows.model.progress import RunState

from .evidence import assert_recovered_once
from .rig import Rig, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


async def approve_into_a_frozen_worker(rig: Rig) -> int:
    """The run is RUNNING: the fence was handed to the recovery site's worker, which is frozen; its process."""
    pid = await rig.freeze()
    await rig.approve()
    await rig.taken("db.fence")
    assert (await rig.progress()).state is RunState.RUNNING
    return pid


async def restarted_server(rig: Rig, killed: int) -> None:
    """Wait until another server answers."""
    await eventually(lambda: rig.processes("server", "start-dev") not in ([], [killed]), "the server is restarted")
    await rig.progress_again()


async def test_the_control_worker_dies_at_the_gate_and_while_a_step_runs(rig: Rig) -> None:
    """kill -9 twice in one run. The fence is done, and its answer given, with nobody there to hear it."""
    await rig.declare()
    await rig.until(RunState.AWAITING_APPROVAL)
    rig.kill_worker("control")
    worker = await approve_into_a_frozen_worker(rig)
    rig.kill_worker("control")
    os.kill(worker, signal.SIGCONT)
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    assert [answer.decision for answer in report.approvals] == ["approved"]


@pytest.mark.deep
async def test_the_temporal_server_dies_at_the_gate_and_while_a_step_runs(rig: Rig) -> None:
    """kill -9 twice in one run. The second time a worker holds the fence, does it, and has nobody to tell."""
    await rig.declare()
    await rig.until(RunState.AWAITING_APPROVAL)
    server = rig.temporal()
    os.kill(server, signal.SIGKILL)
    await restarted_server(rig, server)
    worker = await approve_into_a_frozen_worker(rig)
    os.kill(rig.temporal(), signal.SIGKILL)
    os.kill(worker, signal.SIGCONT)
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    assert [answer.decision for answer in report.approvals] == ["approved"]


@pytest.mark.slow
async def test_everything_that_conducts_dies_at_once(rig: Rig) -> None:
    """Server, control worker and the recovery site's worker are killed in the same moment, with the fence taken."""
    await rig.declare()
    await rig.until(RunState.AWAITING_APPROVAL)
    await approve_into_a_frozen_worker(rig)
    os.kill(rig.temporal(), signal.SIGKILL)
    rig.kill_worker("control")
    rig.kill_worker("recovery")
    report, seen = await rig.finish()
    assert_recovered_once(report, seen)
