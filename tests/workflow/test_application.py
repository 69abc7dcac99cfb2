"""The Application entity: one holder at a time, epochs that only rise, and a lease that survives everything."""

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from tests.conftest import temporal_binary
from tests.support.bed import Bed, Crew, bed, crew, eventually
from tests.support.flow import dead_primary
from tests.support.sim import World
from workers.converter import DATA_CONVERTER
from workflows.engine.attributes import ALL
from workflows.engine.gate import code_for
from workflows.model.entity import (
    AcquireRequest,
    ApplicationState,
    Lease,
    ReleaseRequest,
    ReplicationState,
    UsedApproval,
)
from workflows.model.plan import Operation
from workflows.model.progress import RunState
from workflows.model.requests import FreeRequest

pytestmark = pytest.mark.asyncio(loop_scope="session")

Entity = WorkflowHandle[Any, Any]

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)


async def entity(client: Client) -> Entity:
    return await client.start_workflow(
        "Application", id=f"application/shop-{uuid.uuid4().hex[:8]}", task_queue="seawall"
    )


def asked(handle: Entity, holder: str = "run-a", execution: str = "1", floor: int = 0) -> AcquireRequest:
    return AcquireRequest(
        application=handle.id.removeprefix("application/"),
        holder=holder,
        holder_run_id=execution,
        operation=Operation.FAILOVER,
        home="primary",
        sites=("primary", "recovery"),
        floor=floor,
    )


async def acquire(handle: Entity, *args: Any, **fields: Any) -> Lease:
    lease: Lease = await handle.execute_update("acquire_lease", asked(handle, *args, **fields), result_type=Lease)
    return lease


async def release(handle: Entity, holder: str, epoch: int, site: str = "recovery") -> ApplicationState:
    request = ReleaseRequest(
        application=handle.id.removeprefix("application/"),
        holder=holder,
        epoch=epoch,
        active_site=site,
        outcome="RECOVERED",
        protected=False,
    )
    state: ApplicationState = await handle.execute_update("release_lease", request, result_type=ApplicationState)
    return state


async def orphaned(handle: Entity) -> None:
    """Wait until it is noticed that the holder, of which the server knows nothing, does not run."""

    async def look() -> bool:
        state: ApplicationState = await handle.query("state", result_type=ApplicationState)
        return state.orphan is not None

    await eventually(look)


async def refused(update: Any) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await update
    return str(error.value.cause)


async def test_the_same_holder_gets_the_same_lease_and_another_none(client: Client) -> None:
    shop = await entity(client)
    first = await acquire(shop)
    assert await acquire(shop) == first
    assert "is held by run-a" in await refused(acquire(shop, "run-b"))
    assert "run-a was reset" in await refused(acquire(shop, "run-a", "2")), "a new execution is a new run"
    assert (await acquire(shop, floor=7)).epoch == 8
    await shop.terminate()


async def test_a_stale_release_is_refused_and_a_repeated_one_is_not(client: Client) -> None:
    shop = await entity(client)
    assert "held by nobody" in await refused(release(shop, "run-a", 1))
    await acquire(shop)
    assert "held by run-a under epoch 1" in await refused(release(shop, "run-a", 9))
    assert "held by run-a under epoch 1" in await refused(release(shop, "run-b", 1))
    state = await release(shop, "run-a", 1)
    assert (state.lease, state.active_site, state.protected) == (None, "recovery", False)
    again = await release(shop, "run-a", 1, site="primary")
    assert (again.active_site, again.last_ended) == (state.active_site, state.last_ended), "a repeat changes nothing"
    assert (await acquire(shop, "run-b")).epoch == 2
    assert "held by run-b under epoch 2" in await refused(release(shop, "run-a", 1))
    await shop.terminate()


async def test_no_run_that_ever_held_the_lease_is_repeated(client: Client) -> None:
    shop = await entity(client)
    for number in range(1, 4):
        await acquire(shop, f"run-{number}")
        await release(shop, f"run-{number}", number)
    await acquire(shop, "run-4", str(uuid.uuid4()))
    await orphaned(shop)
    await shop.execute_update("free_lease", FreeRequest(by="anna", epoch=4, active_site="primary", reason="dead"))
    for number in range(1, 5):
        assert "never repeated" in await refused(acquire(shop, f"run-{number}", "another execution"))
    assert (await acquire(shop, "run-5")).epoch == 5
    await shop.terminate()


async def test_a_lease_is_freed_only_under_the_epoch_that_was_looked_at(client: Client) -> None:
    shop = await entity(client)
    await acquire(shop, "run-a", str(uuid.uuid4()))
    request = FreeRequest(by="anna", epoch=4, active_site="primary", reason="the run was terminated")
    assert "of epoch 1, not 4" in await refused(shop.execute_update("free_lease", request))
    await orphaned(shop)
    await shop.execute_update("free_lease", request.model_copy(update={"epoch": 1}))
    assert "held by nobody" in await refused(release(shop, "run-a", 1)), "the dead run comes too late"
    assert (await acquire(shop, "run-b")).epoch == 2
    await shop.terminate()


async def test_the_lease_of_a_run_that_lives_is_freed_by_nobody(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        shop = client.get_workflow_handle(f"application/{b.runbook.application}")
        free = FreeRequest(by="anna", epoch=1, active_site="primary", reason="it takes too long")
        assert "is running, as far as is known" in await refused(shop.execute_update("free_lease", free))
        await b.approve(run)
        report = await run.result()
    assert (report.end_state, report.epoch) == (RunState.RECOVERED, 1)


async def test_a_code_that_another_execution_used_is_refused(client: Client) -> None:
    shop = await entity(client)
    await acquire(shop)
    used = UsedApproval(code="K7QP", approver="anna", holder="run-a", run_id="1", step="approve", at=NOW)
    mine = asked(shop).model_copy(update={"approvals": (used,)})
    for _ in range(2):  # the same answer again, after a lost reply, is the same
        await shop.execute_update("acquire_lease", mine)
    await release(shop, "run-a", 1)
    other = asked(shop, "run-b", "2").model_copy(
        update={"approvals": (used.model_copy(update={"holder": "run-b", "run_id": "2"}),)}
    )
    assert "K7QP by anna was used already, by run-a" in await refused(shop.execute_update("acquire_lease", other))
    lease = await acquire(shop, "run-b", "2")
    assert lease.used_codes == ("K7QP",)
    assert code_for("2", "approve", "hash", ()) != code_for("2", "approve", "hash", (code_for("2", "approve", "hash"),))
    await shop.terminate()


async def test_of_ten_starts_at_once_exactly_one_may_change_the_application(client: Client, tmp_path: Path) -> None:
    world = World.healthy()
    world.kill("primary")
    async with bed(client, tmp_path, world) as b:
        runs = await asyncio.gather(*(b.start() for _ in range(10)))

        async def settled() -> bool:
            views = await asyncio.gather(*(b.progress(run) for run in runs))
            return all(view.state in (RunState.AWAITING_APPROVAL, RunState.REFUSED) for view in views)

        await eventually(settled, 40)
        states = [(await b.progress(run)).state for run in runs]
        assert states.count(RunState.AWAITING_APPROVAL) == 1
        winner = runs[states.index(RunState.AWAITING_APPROVAL)]
        await b.approve(winner)
        assert (await winner.result()).epoch == 1
        others = [await run.result() for run in runs if run is not winner]
    assert {(report.end_state, report.code) for report in others} == {(RunState.REFUSED, "APPLICATION_BUSY")}
    assert {effect.key.split(":")[0] for effect in world.effects} == {winner.id}


async def test_a_terminated_run_keeps_its_lease_until_a_person_frees_it(client: Client, tmp_path: Path) -> None:
    world = World.healthy()
    world.kill("primary")
    async with bed(client, tmp_path, world) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await run.terminate("a test")
        blocked = await (await b.start()).result()
        assert blocked.code == "APPLICATION_BUSY"
        assert "without giving the lease back" in blocked.summary or "did not give the lease back" in blocked.summary
        assert "seawall adopt" in blocked.summary
        shop = client.get_workflow_handle(f"application/{b.runbook.application}")
        await orphaned(shop)
        await shop.execute_update(
            "free_lease", FreeRequest(by="anna", epoch=1, active_site="primary", reason="looked at both sites")
        )
        again = await b.start()
        await b.approve(again)
        report = await again.result()
    assert (report.end_state, report.epoch) == (RunState.RECOVERED, 2)


async def eventually_settled(b: Bed) -> ApplicationState:
    async def settled() -> ApplicationState | None:
        state = await b.state()
        holder = state.lease.holder if state.lease else ""
        return state if state.schedules_settled and state.schedules_held_for == holder else None

    state: ApplicationState = await eventually(settled)
    return state


async def test_nothing_is_lost_when_the_entity_continues_as_new(tmp_path: Path, workers: Crew) -> None:
    """Neither the lease, nor an update, nor a note, nor what is watched; with many updates in flight all the time."""
    assert workers.hall is not None
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=temporal_binary(),
            ui=False,
            search_attributes=list(ALL),
            data_converter=DATA_CONVERTER,
            dev_server_log_level="never",
            dev_server_extra_args=["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60"],
        ) as server,
        crew(server.client, tmp_path),
        bed(server.client, tmp_path, dead_primary()) as b,
    ):
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        shop = server.client.get_workflow_handle(f"application/{b.runbook.application}")
        lease = (await b.state()).lease
        executions = {(await shop.describe()).run_id}
        codes = [f"{number:04d}" for number in range(80)]

        async def speak(mine: list[str]) -> None:
            for code in mine:
                used = UsedApproval(
                    code=code, approver="anna", holder=run.id, run_id=run.result_run_id or "", step="x", at=NOW
                )
                request = asked(shop, run.id, run.result_run_id or "").model_copy(update={"approvals": (used,)})
                assert await shop.execute_update("acquire_lease", request, result_type=Lease) == lease
                executions.add((await shop.describe()).run_id)

        await asyncio.gather(*(speak(codes[start::4]) for start in range(4)))
        await shop.execute_update("note_replication", ReplicationState(at=NOW, healthy=True, sentence="well"))
        state = await eventually_settled(b)
        assert len(executions) > 2
        assert sorted(used.code for used in state.used_approvals) == codes
        assert (state.lease, state.orphan, state.schedules_held_for) == (lease, None, run.id)
        assert state.replication is not None
        await run.terminate(reason="after it all")
        orphan = await b.orphan()
    assert orphan.ending.reason == "after it all"
