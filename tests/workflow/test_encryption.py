"""With keys, Temporal keeps nothing of a run that it, or anybody who copies its database, could read."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
import pytest_asyncio
from temporalio.api.history.v1 import History
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from activities.people import otp
from tests.support.bed import Crew, bed, crew
from tests.support.flow import dead_primary
from tests.support.sim import Fault
from workers.codec import KEYS_VARIABLE, new_key, ring
from workers.converter import converter
from workflows.model.progress import RunState
from workflows.model.requests import Approval

pytestmark = pytest.mark.asyncio(loop_scope="session")
CANARY = "canary-9f3b"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def workers(temporal: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crew]:
    """Control and both sites, which encrypt."""
    keys = converter(ring({KEYS_VARIABLE: new_key("k1")}))
    client = Client(temporal.client.service_client, data_converter=keys)
    async with crew(client, tmp_path_factory.mktemp("workers")) as made:
        yield made


async def kept(run: WorkflowHandle[Any, Any]) -> bytes:
    """All that the server has of it."""
    return History(events=(await run.fetch_history()).events).SerializeToString()


async def test_a_run_is_readable_for_who_has_the_key_and_for_nobody_else(workers: Crew, tmp_path: Path) -> None:
    phone = pyotp.TOTP(otp.new_secret())
    workers.people.enrol("anna", phone.secret)
    rule = {"proofs": ["otp"], "failover": {"approvers": ["anna"]}}
    world = dead_primary(flip_dns=Fault("refuse", 1))
    async with bed(workers.client, tmp_path, world, approvals=rule) as b:
        run = await b.start(reason=CANARY)
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        guess = phone.at(time.time() - 3600)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.execute_update("approve", Approval(approver="anna", code=view.gate.code, otp=guess))
        assert "not the one-time password" in str(refused.value.cause)
        right = phone.now()
        await run.execute_update("approve", Approval(approver="anna", code=view.gate.code, otp=right))
        parked = await b.until(run, RunState.PARKED)
        await b.tell(run, "retry")
        report = await run.result()
        entity = b.client.get_workflow_handle(f"application/{b.runbook.application}")
        raw = await kept(run) + await kept(entity)
    assert (report.end_state, report.reason) == (RunState.RECOVERED, CANARY)
    told = (
        CANARY,
        right,
        view.gate.question,
        "not the one-time password",
        parked.parked[0].reason,
        "promote at recovery",
    )
    assert [words for words in told if words.encode() in raw] == []
