"""A failover on real sites is terminated, and another one goes on from what stands: real data, fence and users."""

import pytest

from workers import control
from workers.adopting import adopting_request
from workflows.model.progress import RunState

from .evidence import assert_recovered_once
from .rig import Rig

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(240)]

STAGES = {
    "before the fence": (),
    "after the fence": ("db.fence",),
    "after the promote": ("db.fence", "db.sync_delta", "db.promote"),
}


@pytest.mark.parametrize("done", STAGES.values(), ids=STAGES)
async def test_a_failover_that_is_terminated_is_adopted_and_recovers(rig: Rig, done: tuple[str, ...]) -> None:
    await rig.declare()
    await rig.approve_paused()
    await rig.pass_over(*done)
    await rig.client.get_workflow_handle(rig.run).terminate(reason="the wrong button")
    request = await adopting_request(rig.client, "shop", "ben", "go on")
    rig.run = await control.start(rig.client, request)
    await rig.approve()
    report, seen = await rig.finish()
    assert report.end_state is RunState.RECOVERED, report.summary
    assert report.epoch == 2
    assert_recovered_once(report, seen)
