"""A failover on real sites is terminated, and another one goes on from what stands."""

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
    if "db.promote" not in done:
        assert_recovered_once(report, seen)
        return
    # The first run's promotion stands, and the second one has only raised its epoch.
    assert [epoch for epoch, _ in seen.epochs if epoch > 0] == [1, 2]
    assert (seen.audit.lost, seen.audit.duplicated, report.lost_transactions) == (0, 0, 0)
    assert seen.watched.two_writer_samples == 0
