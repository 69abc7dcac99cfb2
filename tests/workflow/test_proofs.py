"""Answers that have to be proved: what a stranger, a thief and a forgetful approver would try."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from activities.people import sealed
from tests.support.bed import Bed, bed
from tests.support.flow import dead_primary
from tests.support.phones import Phone
from tests.support.sim import World
from workflows.engine.proving import MOST_WRONG
from workflows.model.progress import GateView, RunState
from workflows.model.proof import NAMESPACE, ProofKind, statement
from workflows.model.report import Report
from workflows.model.requests import Approval
from workflows.planning.steps import GATE

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("strict")]
RULE = {"approvers": ["anna", "ben", "carl"], "required": 2}


@pytest_asyncio.fixture(loop_scope="session")
async def b(client: Client, tmp_path: Path) -> AsyncIterator[Bed]:
    """A run that wants two proofs."""
    async with bed(client, tmp_path, dead_primary(), approvals={"proofs": list(ProofKind), "failover": RULE}) as made:
        yield made


async def waiting(b: Bed, run: WorkflowHandle[Any, Report]) -> GateView:
    view = await b.until(run, RunState.AWAITING_APPROVAL)
    assert view.gate is not None
    return view.gate


async def says(run: WorkflowHandle[Any, Report], what: str = "approve", **answer: Any) -> str:
    said: str = await run.execute_update(what, Approval(**answer), result_type=str)
    return said


async def refused(run: WorkflowHandle[Any, Report], what: str = "approve", **answer: Any) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as found:
        await says(run, what, **answer)
    return str(found.value.cause)


async def test_two_people_with_their_passwords_let_a_run_go_on(b: Bed) -> None:
    anna, ben = Phone(b, "anna"), Phone(b, "ben")
    run = await b.start(requested_by="dora")
    gate = await waiting(b, run)
    assert gate.proofs == tuple(ProofKind)
    assert "1 more" in await says(run, approver="anna", code=gate.code, otp=anna.shows())
    assert "goes on" in await says(run, approver="ben", code=gate.code, otp=ben.shows())
    report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert [(one.approver, one.proof) for one in report.approvals] == [
        ("anna", "one-time password"),
        ("ben", "one-time password"),
    ]
    assert all(len(one.facts_sha256) == 64 for one in report.approvals)


async def test_the_very_first_run_of_an_application_may_be_a_live_drill(client: Client, tmp_path: Path) -> None:
    rule = {"proofs": ["otp"], "failover": {"approvers": ["anna", "ben"]}}
    async with bed(client, tmp_path, World.healthy(hot=True), approvals=rule) as b:
        run = await b.launch("Drill", live=True)
        gate = await waiting(b, run)
        await says(run, approver="anna", code=gate.code, otp=Phone(b, "anna").shows())
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_nothing_but_a_right_proof_of_that_person_for_this_run_counts(b: Bed) -> None:
    anna, ben = Phone(b, "anna"), Phone(b, "ben")
    run = await b.start(requested_by="carl")
    gate = await waiting(b, run)
    code = gate.code
    assert "A name alone is no proof" in await refused(run, approver="anna", code=code)
    wrong = f"{(int(anna.shows()) + 1) % 10**6:06}"
    assert "not the one-time password" in await refused(run, approver="anna", code=code, otp=wrong)
    assert "not the one-time password" in await refused(run, approver="anna", code=code, otp=anna.shows(later=-300))
    assert "not the one-time password" in await refused(run, approver="anna", code=code, otp=ben.shows(later=3000))
    carls = Phone(b, "carl")
    assert "may not approve it too" in await refused(run, approver="carl", code=code, otp=carls.shows())
    assert "not an approver" in await refused(run, approver="mallory", code=code, otp=anna.shows())
    assert "does not belong" in await refused(run, approver="anna", code="AAAA", otp=anna.shows())
    assert "1 more" in await says(run, approver="anna", code=code, otp=anna.shows())
    assert "answered already" in await refused(run, approver="anna", code=code, otp=anna.shows())
    view = await b.progress(run)
    assert view.gate is not None
    assert view.gate.approved_by == ("anna",)
    await says(run, "reject", approver="ben", code=code, otp=ben.shows())
    assert (await run.result()).end_state is RunState.COMPENSATED


async def test_a_password_counts_once_also_for_another_run_and_another_answer(b: Bed) -> None:
    anna = Phone(b, "anna")
    digits = anna.shows(later=30)  # Of the period to come: it stays good while the test runs.
    run = await b.start(requested_by="dora")
    gate = await waiting(b, run)
    await says(run, "reject", approver="anna", code=gate.code, otp=digits)
    await run.result()
    again = await b.start(requested_by="dora")
    code = (await waiting(b, again)).code
    assert "does not belong" in await refused(again, approver="anna", code=gate.code, otp=digits)
    assert "used already" in await refused(again, approver="anna", code=code, otp=digits)
    assert "used already" in await refused(again, "reject", approver="anna", code=code, otp=digits)
    await again.cancel()


async def test_who_guesses_is_locked_out_of_the_run_and_others_are_not(b: Bed, tmp_path: Path) -> None:
    anna, ben, key = Phone(b, "anna"), Phone(b, "ben"), new_ssh_key(b, tmp_path)
    run = await b.start(requested_by="dora")
    code = (await waiting(b, run)).code
    for offset in range(1, 6):
        wrong = f"{(int(anna.shows()) + offset * 7919) % 10**6:06}"
        assert "not the one-time password" in await refused(run, approver="anna", code=code, otp=wrong)
    assert "locked out" in await refused(run, approver="anna", code=code, otp=anna.shows())
    assert "1 more" in await says(run, approver="ben", code=code, otp=ben.shows())
    report = await run.query("report", result_type=Report)
    assert [one.action for one in report.actions] == ["approve: not proven"] * 5
    said = statement("approve", "anna", report.workflow_id, report.run_id, GATE, code, report.plan_sha256)
    assert "goes on" in await says(run, approver="anna", code=code, signature=signed(key, said))
    await run.result()


async def test_what_could_not_be_checked_is_no_wrong_proof(b: Bed) -> None:
    ben = Phone(b, "ben")
    run = await b.start(requested_by="dora")
    code = (await waiting(b, run)).code
    kept = b.crew.people_file.read_bytes()
    b.crew.people_file.write_bytes(b"{half")
    for _ in range(MOST_WRONG + 1):
        assert "cannot be read" in await refused(run, approver="ben", code=code, otp=ben.shows())
    b.crew.people_file.write_bytes(kept)
    assert "1 more" in await says(run, approver="ben", code=code, otp=ben.shows())
    await run.cancel()


def new_ssh_key(b: Bed, folder: Path) -> Path:
    """A key by which anna may sign."""
    key = folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    b.crew.signers.write_text(f"anna {key.with_suffix('.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    return key


def signed(key: Path, said: str) -> str:
    """The signature of a statement."""
    words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
    return subprocess.run(words, input=said.encode(), check=True, capture_output=True).stdout.decode()


async def test_a_signature_counts_for_this_request_and_for_no_other(b: Bed, tmp_path: Path) -> None:
    key = new_ssh_key(b, tmp_path)
    run = await b.start(requested_by="dora")
    gate = await waiting(b, run)
    report = await run.query("report", result_type=Report)

    def by_anna(act: str, plan: str) -> str:
        return signed(key, statement(act, "anna", report.workflow_id, report.run_id, gate.step, gate.code, plan))

    other_plan = by_anna("approve", "0" * 64)
    assert "no signature by a key of anna" in await refused(run, approver="anna", code=gate.code, signature=other_plan)
    no = by_anna("reject", report.plan_sha256)
    assert "no signature by a key of anna" in await refused(run, approver="anna", code=gate.code, signature=no)
    yes = by_anna("approve", report.plan_sha256)
    assert "no signature by a key of ben" in await refused(run, approver="ben", code=gate.code, signature=yes)
    assert "1 more" in await says(run, approver="anna", code=gate.code, signature=yes)
    await run.cancel()


async def test_both_sealed_codes_answer_for_everybody_and_are_used_up(b: Bed) -> None:
    pair = sealed.new_pair()
    b.crew.people.add_seal(map(sealed.digest, pair))
    run = await b.start(requested_by="dora")
    code = (await waiting(b, run)).code
    assert "not the two sealed codes" in await refused(run, approver="eve", code=code, sealed=(pair[0], pair[0]))
    assert "goes on" in await says(run, approver="eve", code=code, sealed=pair)
    report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert [(one.approver, one.proof) for one in report.approvals] == [("eve", "both sealed codes")]


async def test_where_no_proof_is_asked_for_sealed_codes_open_nothing(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, dead_primary()) as b:
        run = await b.start()
        code = (await waiting(b, run)).code
        assert "not an approver" in await refused(run, approver="eve", code=code, sealed=("a", "b"))
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED
