"""Who may do what: a policy at step 0 of each workflow, at each answer, and at the doors."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from activities import keys
from activities.people import sealed
from activities.people.vouchers import voucher
from tests.support.bed import Bed, bed, eventually
from tests.support.flow import dead_primary, hot
from tests.support.phones import Phone
from tests.support.sim import Fault
from workers.door import Caller, Door
from workflows.engine.authority import START
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import CONTROL_QUEUE
from workflows.model.policy import POLICY_FILE
from workflows.model.progress import GateView, RunState
from workflows.model.proof import ProofKind, statement
from workflows.model.report import Report
from workflows.model.requests import Acknowledgement, Answer, Approval, DrillRequest, FailoverRequest

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("strict")]

KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
POLICY = """\
people:
  anna: {{slack: U0ANNA}}
  ben: {{slack: U0BEN}}
  carl: {{slack: U0CARL, oidc: carl@example.org}}
  olga: {{slack: U0OLGA}}
  pagerduty: {{hmac: pagerduty}}
groups:
  oncall: [carl]
gateways:
  chat: {{key: "{key}", vouches: [slack]}}
  hooks: {{key: "{key}", vouches: [hmac]}}
everywhere:
  observer: [olga]
  proposer: [pagerduty]
  operator: [oncall]
  approver: [anna, ben]
"""
RULE = {"approvers": ["anna", "ben", "carl"]}
CARL, ANNA = Caller("carl", "slack", "slack C01"), Caller("anna", "slack", "slack C01")

Run = WorkflowHandle[Any, Report]


def public(key: Ed25519PrivateKey) -> str:
    return keys.write(key.public_key().public_bytes_raw())


@pytest_asyncio.fixture(loop_scope="session")
async def b(client: Client, tmp_path: Path) -> AsyncIterator[Bed]:
    async with bed(client, tmp_path, dead_primary(), approvals={"proofs": list(ProofKind), "failover": RULE}) as made:
        (made.crew.folder / POLICY_FILE).write_text(POLICY.format(key=public(KEY)))
        yield made


def door(b: Bed, name: str = "chat", key: Ed25519PrivateKey | None = KEY) -> Door:
    return Door(b.client, b.crew.folder, name, key)


async def asked(b: Bed, run: Run, step: str) -> GateView:
    """The gate of that step, when it is open."""

    async def is_open() -> GateView | None:
        view = await b.progress(run)
        return view.gate if view.gate is not None and view.gate.step == step else None

    gate: GateView = await eventually(is_open)
    return gate


async def begun(run: Run) -> set[str]:
    """The kinds of activities that it has asked for."""
    events = (await run.fetch_history()).events
    return {it.activity_task_scheduled_event_attributes.activity_type.name for it in events} - {""}


async def says(run: Run, name: str, what: str = "approve", **answer: Any) -> str:
    said: str = await run.execute_update(what, Approval(approver=name, **answer), result_type=str)
    return said


async def refused(run: Run, name: str, what: str = "approve", **answer: Any) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as found:
        await says(run, name, what, **answer)
    return str(found.value.cause)


async def test_a_raw_start_gets_as_far_as_asking_for_a_proof_and_who_proves_it_is_the_requester(b: Bed) -> None:
    run = await b.start(requested_by="the-cto")
    gate = await asked(b, run, START)
    view = await b.progress(run)
    assert view.state is RunState.AWAITING_APPROVAL
    with pytest.raises(RPCError, match="not found"):
        await b.state()  # it holds nothing: nobody has ever asked for the lease
    assert await begun(run) == {"load_runbook"}, "it has looked at nothing"
    assert gate.approvers == ("carl",)
    annas, carls = Phone(b, "anna"), Phone(b, "carl")
    assert "not an approver" in await refused(run, "anna", code=gate.code, otp=annas.shows())
    assert "A name alone is no proof" in await refused(run, "carl", code=gate.code)
    assert "not the one-time password" in await refused(run, "carl", code=gate.code, otp=annas.shows())
    await says(run, "carl", code=gate.code, otp=carls.shows())
    second = await asked(b, run, "approve")
    assert second.code != gate.code
    assert "may not approve it too" in await refused(run, "carl", code=second.code, otp=carls.shows(30))
    await says(run, "anna", code=second.code, otp=annas.shows())
    report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert report.requested_by == "carl"
    assert [(one.step, one.approver, one.proof) for one in report.approvals] == [
        (START, "carl", "one-time password"),
        ("approve", "anna", "one-time password"),
    ]


async def test_a_start_that_nobody_proves_ends_and_has_touched_nothing(b: Bed) -> None:
    run = await b.start()
    gate = await asked(b, run, START)
    await says(run, "carl", "reject", code=gate.code, otp=Phone(b, "carl").shows())
    report = await run.result()
    assert (report.end_state, report.code) == (RunState.REFUSED, Code.REJECTED)
    cancelled = await b.start()
    await asked(b, cancelled, START)
    await cancelled.cancel()
    await eventually(lambda: len(b.reports) == 2)
    assert b.reports[-1].code == Code.CANCELLED
    assert await begun(run) == {"load_runbook", "prove", "write_report"}


async def test_sealed_codes_start_a_run_when_nobody_can_prove_themselves_otherwise(b: Bed) -> None:
    codes = sealed.new_pair()
    b.crew.people.add_seal(map(sealed.digest, codes))
    run = await b.start()
    gate = await asked(b, run, START)
    await says(run, "mallory", code=gate.code, sealed=codes)
    second = await asked(b, run, "approve")
    await says(run, "mallory", code=second.code, sealed=codes)
    assert (await run.result()).end_state is RunState.RECOVERED


@pytest.mark.parametrize("kind", ["Switchover", "Failback", "Reprotect", "Drill"])
async def test_every_other_run_asks_as_well(b: Bed, kind: str) -> None:
    run = await b.launch(kind)
    await asked(b, run, START)
    assert await begun(run) <= {"load_runbook", "is_scheduled"}
    await run.cancel()


async def test_a_schedule_of_ours_needs_no_proof_and_a_forged_one_does(b: Bed) -> None:
    name = b.runbook.application
    forged = TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword("TemporalScheduledById"), f"seawall/drill/{name}")]
    )
    request = DrillRequest(runbook=name, reason="a drill", requested_by="the schedule")
    raw = await b.client.start_workflow(
        "Drill", request, id=f"drill/{name}/forged", task_queue=CONTROL_QUEUE, search_attributes=forged
    )
    await asked(b, raw, START)
    await raw.cancel()
    action = ScheduleActionStartWorkflow("Drill", request, id=f"drill/{name}", task_queue=CONTROL_QUEUE)
    schedule = await b.client.create_schedule(
        f"seawall/drill/{name}", Schedule(action=action, spec=ScheduleSpec()), trigger_immediately=True
    )
    try:
        report = await eventually(lambda: [one for one in b.reports if one.workflow_id != raw.id])
        assert report[0].end_state is RunState.RECOVERED
    finally:
        await schedule.delete()


async def test_a_live_drill_asks_once_and_its_legs_do_not(client: Client, tmp_path: Path) -> None:
    rule = {"proofs": ["otp"], "failover": {"approvers": ["anna"]}}
    async with bed(client, tmp_path, hot(), approvals=rule) as b:
        (b.crew.folder / POLICY_FILE).write_text(POLICY.format(key=public(KEY)))
        run = await b.launch("Drill", live=True)
        gate = await asked(b, run, START)
        await says(run, "carl", code=gate.code, otp=Phone(b, "carl").shows())
        second = await asked(b, run, "approve")
        await says(run, "anna", code=second.code, otp=Phone(b, "anna").shows())
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_where_a_name_is_enough_it_must_be_one_that_may(client: Client, tmp_path: Path) -> None:
    rule = {"proofs": [], "failover": {"approvers": ["anna", "olga"]}}
    async with bed(client, tmp_path, dead_primary(), approvals=rule) as b:
        (b.crew.folder / POLICY_FILE).write_text(POLICY.format(key=public(KEY)))
        report = await (await b.start(requested_by="olga")).result()
        assert (report.end_state, report.code) == (RunState.REFUSED, Code.FORBIDDEN)
        assert "wants the role operator or admin. Ask one of: carl." in report.summary
        run = await b.start(requested_by="carl")
        gate = await asked(b, run, "approve")
        assert "olga may not say approve" in await refused(run, "olga", code=gate.code)
        await says(run, "anna", code=gate.code)
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_who_lost_the_role_while_the_run_waits_cannot_answer_any_more(b: Bed) -> None:
    carls, annas = Phone(b, "carl"), Phone(b, "anna")
    run = await b.start()
    gate = await asked(b, run, START)
    await says(run, "carl", code=gate.code, otp=carls.shows())
    second = await asked(b, run, "approve")
    file = b.crew.folder / POLICY_FILE
    file.write_text(file.read_text().replace("approver: [anna, ben]", "approver: [ben]"))
    assert "anna may not say approve" in await refused(run, "anna", code=second.code, otp=annas.shows())
    await says(run, "ben", "reject", code=second.code, otp=Phone(b, "ben").shows())
    assert (await run.result()).end_state in (RunState.COMPENSATED, RunState.REFUSED)


async def test_only_who_may_steers_a_run(client: Client, tmp_path: Path) -> None:
    rule = {"proofs": [], "failover": {"approvers": ["anna"]}}
    async with bed(client, tmp_path, dead_primary(flip_dns=Fault("refuse", 1)), approvals=rule) as b:
        (b.crew.folder / POLICY_FILE).write_text(POLICY.format(key=public(KEY)))
        run = await b.start(requested_by="carl")
        gate = await asked(b, run, "approve")
        for action in ("pause", "abort"):
            with pytest.raises(WorkflowUpdateFailedError) as found:
                await run.execute_update(action, Answer(by="anna"))
            assert f"anna may not say {action}" in str(found.value.cause)
        await says(run, "anna", code=gate.code)
        await b.until(run, RunState.PARKED)
        for name, argument in (
            ("retry", Answer()),
            ("skip", Answer(by="olga")),
            ("acknowledge", Acknowledgement(by="olga")),
        ):
            with pytest.raises(WorkflowUpdateFailedError) as found:
                await run.execute_update(name, argument)
            assert "may not say" in str(found.value.cause)
        await run.execute_update("retry", Answer(by="carl"))
        assert (await run.result()).end_state is RunState.RECOVERED


# --- Doors ---


async def test_a_whole_failover_by_vouchers(b: Bed) -> None:
    chat = door(b)
    assert chat.who("slack", "U0CARL", "slack C01") == CARL
    assert chat.who("slack", "U0NOBODY") is None
    name = await chat.start(CARL, FailoverRequest(runbook=b.runbook.application, reason="region is gone"))
    run = b.client.get_workflow_handle(name, result_type=Report)
    gate = await asked(b, run, "approve")
    with pytest.raises(PermanentError) as found:
        await chat.approve(CARL, name, gate.code)
    assert found.value.code is Code.FORBIDDEN
    assert "goes on" in await chat.approve(ANNA, name, gate.code)
    report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert [(one.approver, one.proof) for one in report.approvals] == [
        ("carl", "Slack, vouched for by chat (slack C01)"),
        ("anna", "Slack, vouched for by chat (slack C01)"),
    ]
    assert [row["run"] for row in await chat.runs(Caller("olga", "slack"), b.runbook.application)] == [name]


async def test_no_gateway_vouches_for_a_run_that_somebody_else_began_under_its_id(b: Bed) -> None:
    wanted, name = f"failover/{b.runbook.application}/foretold", b.runbook.application
    raw = await b.launch("Failover", id=wanted, reason="mallory's reason", to="recovery")
    await asked(b, raw, START)
    with pytest.raises(PermanentError, match="with another input"):
        await door(b).start(CARL, FailoverRequest(runbook=name, reason="region is gone"), wanted)
    assert (await b.progress(raw)).state is RunState.AWAITING_APPROVAL, "nobody has proved it"
    await raw.cancel()


async def test_who_may_only_propose_opens_the_gate_and_no_more(client: Client, tmp_path: Path) -> None:
    rule = {"proofs": list(ProofKind), "failover": RULE | {"on_silence": "go-on", "expires": "1s"}}
    async with bed(client, tmp_path, dead_primary(), approvals=rule) as b:
        (b.crew.folder / POLICY_FILE).write_text(POLICY.format(key=public(KEY)))
        hooks, machine = door(b, "hooks"), Caller("pagerduty", "hmac", "203.0.113.7")
        with pytest.raises(PermanentError) as found:
            await hooks.start(machine, FailoverRequest(runbook=b.runbook.application, reason="an alert"))
        assert found.value.code is Code.FORBIDDEN
        wanted = f"failover/{b.runbook.application}/alert-1"
        both = await asyncio.gather(
            *(hooks.propose(machine, b.runbook.application, "an alert", wanted) for _ in range(2))
        )
        assert both == [wanted, wanted]
        report = await b.client.get_workflow_handle(wanted, result_type=Report).result()
        assert report.end_state in (RunState.COMPENSATED, RunState.REFUSED), "silence is never consent to a proposal"
        assert report.code == Code.EXPIRED
        assert report.requested_by == "pagerduty"


async def test_no_voucher_but_that_of_a_gateway_for_this_very_answer_counts(b: Bed) -> None:
    run = await b.start()
    gate = await asked(b, run, START)
    report = await run.query("report", result_type=Report)

    def said(act: str = "approve", who: str = "carl", code: str = gate.code) -> str:
        return statement(act, who, report.workflow_id, report.run_id, START, code, "")

    good = voucher("chat", KEY, "carl", "slack", said())
    wrong = {
        "by no gateway": [
            voucher("chat", OTHER_KEY, "carl", "slack", said()),
            voucher("elsewhere", KEY, "carl", "slack", said()),
            good[:-8] + "AAAAAAAA",
            "no token at all",
        ],
        "is not believed": [voucher("chat", KEY, "carl", "oidc", said())],
        "for another answer": [
            voucher("chat", KEY, "anna", "slack", said()),
            voucher("chat", KEY, "carl", "slack", said("reject")),
            voucher("chat", KEY, "carl", "slack", said(code="AAAA")),
        ],
    }
    for words, tokens in wrong.items():
        for token in tokens:
            assert words in await refused(run, "carl", code=gate.code, voucher=token)
    await says(run, "carl", code=gate.code, voucher=good)
    await asked(b, run, "approve")
    await run.cancel()


async def test_a_policy_that_cannot_be_read_lets_nobody_do_anything(b: Bed) -> None:
    (b.crew.folder / POLICY_FILE).write_text("people: {anna: {slack: nobody}}\n")
    with pytest.raises(PermanentError, match=r"people.anna.slack"):
        door(b).who("slack", "U0ANNA")
    report = await (await b.start()).result()
    assert (report.end_state, report.code) == (RunState.REFUSED, Code.CONFIGURATION)
