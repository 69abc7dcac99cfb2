"""A failover that would lose more than the RPO wants the loss accepted by its figure, besides the approval."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from tests.support.bed import Bed, bed
from tests.support.sim import World
from workflows.model.progress import GateView, RunState
from workflows.model.report import Report
from workflows.model.requests import LossAcceptance
from workflows.model.verbs import Verb

pytestmark = pytest.mark.asyncio(loop_scope="session")

RPO = 5.0


async def gate_of(made: Bed, handle: WorkflowHandle[Any, Report]) -> GateView:
    view = await made.until(handle, RunState.AWAITING_APPROVAL)
    assert view.gate is not None
    return view.gate


def late(seconds: float) -> World:
    world = World.healthy()
    world.kill("primary")
    world.behind = seconds
    return world


def touched(world: World) -> list[str]:
    """The effects that users could notice."""
    return [effect.verb for effect in world.effects if effect.verb in (Verb.FENCE, Verb.PROMOTE, Verb.FLIP_DNS)]


async def test_without_the_acceptance_nothing_is_fenced_nor_promoted(client: Client, tmp_path: Path) -> None:
    world = late(90.0)
    async with bed(client, tmp_path, world) as made:
        handle = await made.start()
        said = await made.approve(handle)
        assert "accept_data_loss" in said
        gate = await gate_of(made, handle)
        assert any("1 min 30 s" in value for name, value in gate.facts if name == "More than the RPO")
        assert not touched(world)

        for wrong in (
            LossAcceptance(by="anna", code="ZZZZ", loss="1 min 30 s"),
            LossAcceptance(by="mallory", code=gate.code, loss="1 min 30 s"),
            LossAcceptance(by="anna", code=gate.code, loss="5 s"),
        ):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update("accept_data_loss", wrong)
        assert not touched(world)

        await handle.execute_update("accept_data_loss", LossAcceptance(by="ben", code=gate.code, loss="1 min 30 s"))
        report: Report = await handle.result()
    assert report.end_state is RunState.RECOVERED
    assert [record.decision for record in report.approvals] == ["approved", "data loss of 1 min 30 s accepted"]


async def test_a_loss_within_the_rpo_wants_no_acceptance(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, late(RPO)) as made:
        handle = await made.start()
        gate = await gate_of(made, handle)
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("accept_data_loss", LossAcceptance(by="anna", code=gate.code, loss="5.00 s"))
        await made.approve(handle)
        report: Report = await handle.result()
    assert report.end_state is RunState.RECOVERED
