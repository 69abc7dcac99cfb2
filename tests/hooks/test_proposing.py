"""A proposal opens the gate, and nothing else: on a real Temporal server, through the whole HTTP API."""

import asyncio
import time

import pytest
from temporalio.client import WorkflowExecutionStatus

from tests.hooks.kit import Desk
from tests.support.bed import eventually
from workflows.model.progress import RunState

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_proposal_waits_at_the_gate_and_moves_nothing(d: Desk) -> None:
    answer = await d.propose()
    assert answer.status_code == 202, answer.text
    assert answer.json()["already_proposed"] is False
    run = d.run(answer)
    gate = await d.gate(answer)
    view = await d.bed.progress(run)
    assert gate.approvers == ("anna", "carl")
    assert "promote" not in {step.kind for step in view.steps if step.state.value in ("running", "done")}
    seen = await d.signed("GET", f"/v1/runs/{run.id}", by="pagerduty")
    assert seen.status_code == 200, seen.text
    assert seen.json()["gate"]["code"] == gate.code
    refused = await d.signed("POST", f"/v1/runs/{run.id}/approve", {"code": gate.code})
    assert refused.status_code == 403, "who proposes does not approve"
    assert "may not say approve" in refused.json()["detail"]
    assert (await d.bed.progress(run)).state is RunState.AWAITING_APPROVAL
    assert d.bed.world.serving == set(), "nothing was promoted"
    assert d.bed.world.route == "primary"
    await run.cancel()


async def test_a_retry_gets_the_first_answer_and_starts_nothing(d: Desk) -> None:
    first = await d.propose(id="msg_the-same-one")
    assert first.status_code == 202
    again = await d.propose(id="msg_the-same-one", at=_ago(-5))  # a retry is signed with a time of its own
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await d.signed("POST", d.proposals, {"reason": "something else"}, id="msg_the-same-one", at=_ago(-6))
    assert other.status_code == 422
    assert other.json()["type"].endswith("KEY_REUSED")
    await eventually(lambda: d.all_runs())
    assert await d.all_runs() == {first.json()["run"]}
    await d.run(first).cancel()


async def test_one_key_in_parallel_at_two_servers_with_a_store_each_is_one_run(d: Desk) -> None:
    second = d.elsewhere()
    answers = await asyncio.gather(*(one.propose(id="msg_at-both-of-them") for one in (d, second)))
    assert {one.status_code for one in answers} <= {200, 202}
    assert len({one.json()["run"] for one in answers}) == 1
    await d.gate(answers[0])
    assert await eventually(lambda: d.all_runs()) == {answers[0].json()["run"]}
    await d.run(answers[0]).cancel()


async def test_one_key_many_times_in_parallel_is_one_run(d: Desk) -> None:
    answers = await asyncio.gather(*(d.propose(id="msg_many-at-once", at=_ago(n)) for n in range(20)))
    accepted = [one for one in answers if one.status_code == 202]
    assert accepted
    assert {one.status_code for one in answers} <= {202, 409}
    assert {one.json()["type"] for one in answers if one.status_code == 409} <= {"urn:seawall:problem:UNDERWAY"}
    assert len({one.json()["run"] for one in accepted}) == 1
    await d.gate(accepted[0])
    assert await eventually(lambda: d.all_runs()) == {accepted[0].json()["run"]}
    await d.run(accepted[0]).cancel()


@pytest.mark.deep
async def test_a_storm_of_a_hundred_incidents_is_one_run(d: Desk) -> None:
    answers = await asyncio.gather(*(d.propose(by="pagerduty" if n % 2 else "ci") for n in range(100)))
    assert {one.status_code for one in answers} == {200, 202}
    assert sum(not one.json()["already_proposed"] for one in answers) == 1
    assert len({one.json()["run"] for one in answers}) == 1
    later = await d.propose()
    assert (later.status_code, later.json()["already_proposed"]) == (200, True)
    await d.gate(later)
    assert await eventually(lambda: d.all_runs()) == {later.json()["run"]}
    await d.run(later).cancel()


async def test_after_a_restart_with_a_lost_store_the_same_key_still_starts_nothing(d: Desk) -> None:
    first = await d.propose(id="msg_before-the-loss")
    run = d.run(first)
    await d.gate(first)
    await run.cancel()
    await eventually(lambda: _ended(d, first.json()["run"]))
    again = await d.elsewhere().propose(id="msg_before-the-loss")
    assert (again.status_code, again.json()["run"]) == (200, first.json()["run"])
    new = await d.propose(id="msg_another-disaster")
    assert new.status_code == 202, "that run has ended, so another disaster may be proposed"
    assert new.json()["run"] != first.json()["run"]
    await d.run(new).cancel()


async def test_whoever_may_not_or_misspells_proposes_nothing(d: Desk) -> None:
    assert (await d.propose(by="nobody")).status_code == 403
    assert (await d.signed("POST", "/v1/applications/other/proposals", {"reason": "why not"})).status_code == 403
    (d.bed.crew.folder / f"{d.application}.yaml").unlink()
    missing = await d.propose()
    assert missing.status_code == 404
    assert missing.json()["type"].endswith("RUNBOOK_NOT_FOUND")
    assert await d.all_runs() == set()


async def _ended(d: Desk, run: str) -> bool:
    status = (await d.bed.client.get_workflow_handle(run).describe()).status
    return status is not WorkflowExecutionStatus.RUNNING


def _ago(seconds: int) -> float:
    return time.time() - seconds
