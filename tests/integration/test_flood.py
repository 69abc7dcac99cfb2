"""Floods: what nobody asked for must not keep a run or an application from what is asked of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from tests.support.bed import bed, eventually
from tests.support.flow import dead_primary
from workflows.model.entity import ReplicationState
from workflows.model.progress import RunState
from workflows.model.requests import Answer, Approval

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]


async def flood(send: Callable[[int], Awaitable[object]], count: int, at_once: int) -> Counter[str]:
    """Send so many, so many at once; what became of them: `taken`, or how they were refused."""
    said: Counter[str] = Counter()
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with gate:
            try:
                await send(number)
            except RPCError as error:
                said[error.status.name] += 1
            except WorkflowUpdateFailedError:
                said["refused"] += 1
            else:
                said["taken"] += 1

    await asyncio.gather(*(one(number) for number in range(count)))
    return said


@pytest.mark.parametrize("count", [300, pytest.param(10_001, marks=pytest.mark.slow)])
async def test_junk_signals_do_not_keep_an_approval_out(client: Client, tmp_path: Path, count: int) -> None:
    """Beyond 10,000 the server takes no more signals for the run. People answer by updates, which it still takes."""
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        said = await flood(lambda number: run.signal("junk", number), count, at_once=20)
        assert said["taken"] == min(count, 10_000), said

        async def agreed() -> bool:
            try:
                await b.approve(run)
            except RPCError:
                return False  # The worker is still busy with the junk.
            return True

        await eventually(agreed, seconds=240.0)
        assert (await run.result()).end_state is RunState.RECOVERED


@pytest.mark.slow
async def test_approvals_by_strangers_do_not_use_a_run_up(client: Client, tmp_path: Path) -> None:
    """2,000 updates are all that a run may take; the refused ones do not count."""
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        wrong = Approval(approver="mallory", code="ZZZZ")
        said = await flood(lambda _: run.execute_update("approve", wrong), 2_100, at_once=8)
        assert said["refused"] == 2_100, said
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED


@pytest.mark.slow
async def test_answers_that_undo_each_other_do_not_use_a_run_up(client: Client, tmp_path: Path) -> None:
    """Pause and resume, again and again: they are refused long before the run can take no update any more."""
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        said: Counter[str] = Counter()
        for _ in range(1_010):
            for action in ("pause", "resume"):
                said += await flood(lambda _, action=action: run.execute_update(action, Answer(by="mallory")), 1, 1)
        assert said["refused"] > 0, said
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED


@pytest.mark.slow
async def test_an_application_takes_3000_messages_and_keeps_its_lease(client: Client, tmp_path: Path) -> None:
    """It goes on as a new run before its history or its updates are used up; no message is lost, and no lease."""
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        entity = client.get_workflow_handle(f"application/{b.runbook.application}")
        first = (await entity.describe()).run_id

        async def note(number: int) -> None:
            found = ReplicationState(at=datetime.now(UTC), healthy=True, lag_seconds=0.0, sentence=f"turn {number}")
            await entity.execute_update("note_replication", found)

        said = await flood(note, 3_000, at_once=5)
        assert said["taken"] == 3_000, said
        assert (await entity.describe()).run_id != first, "it went on as a new run"
        state = await b.state()
        assert state.lease is not None
        assert state.lease.holder == run.id
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED
        assert (await b.state()).lease is None
