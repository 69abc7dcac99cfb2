"""What people type: a start or an answer that does not fit is refused at once, with a sentence."""

from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError

from tests.support.bed import bed, eventually
from tests.support.flow import dead_primary
from workflows.model.progress import RunState

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"approver": "anna", "code": "ZZZZ"}, "does not belong to this request"),
        ({"approver": "mallory", "code": None}, "is not an approver of this runbook"),
        ({"approver": "ben", "code": None}, "asked for this run and may not approve it too"),
        ({"approver": "anna"}, "code: Field required"),
        ({"approver": "anna", "code": None, "sudo": True}, "sudo: Extra inputs are not permitted"),
    ],
)
async def test_an_approval_that_does_not_fit_is_refused_with_a_sentence(
    client: Client, tmp_path: Path, answer: dict[str, object], sentence: str
) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start(requested_by="ben")
        view = await b.until(run, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        filled = {key: value or view.gate.code for key, value in answer.items()}
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.execute_update("approve", filled)
        assert sentence in str(refused.value.cause)
        await b.tell(run, "abort")
        await run.result()


async def test_an_unknown_runbook_and_site_are_refused_by_name(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        unknown = await (await b.start(runbook="nosuch")).result()
        elsewhere = await (await b.start(to="moon")).result()
    assert unknown.code == "RUNBOOK_NOT_FOUND"
    assert (elsewhere.code, "recovery" in elsewhere.summary) == ("INVALID_INPUT", True)


@pytest.mark.parametrize("kind", ["Failover", "Switchover", "Failback", "Reprotect", "Drill"])
async def test_a_start_without_an_input_says_what_it_wants(client: Client, tmp_path: Path, kind: str) -> None:
    async with bed(client, tmp_path) as b:
        run = await client.start_workflow(kind, id=f"{kind}/{b.runbook.application}", task_queue="seawall")
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
    assert f'{kind} wants an input such as {{"runbook": "shop"' in str(failed.value.cause)


@pytest.mark.parametrize("payload", [[], [{"runbook": "shop"}], [{"runbook": "Shop!", "reason": "x"}], ["shop"]])
async def test_a_bad_input_fails_at_once_with_a_sentence(client: Client, tmp_path: Path, payload: list[object]) -> None:
    async with bed(client, tmp_path) as b:
        run = await client.start_workflow(
            "Failover", args=payload, id=f"failover/{b.runbook.application}/bad", task_queue="seawall"
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
    assert '{"runbook": "shop", "reason": "region is gone"}' in str(failed.value.cause)


async def test_a_request_tells_what_is_left_of_the_rto_and_who_else_runs_what(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as first, bed(client, tmp_path, dead_primary()) as second:
        one = await first.start()
        await first.until(one, RunState.AWAITING_APPROVAL)

        async def told() -> bool:
            found = client.list_workflows(f"WorkflowId = '{one.id}' and SeawallApplication is not null")
            return [run async for run in found] != []

        await eventually(told)
        two = await second.start()
        view = await second.until(two, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        facts = dict(view.gate.facts)
        assert one.id in facts["Others run"]
        assert " left at " in facts["RTO"]
        await one.cancel()
        await two.cancel()
