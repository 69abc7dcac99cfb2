"""Proves an answer before it counts, where the runbook wants that.

The activity is asked for as the first thing that an update does, before it waits for anything: so it stands in history
where the update does, whatever reaches the run in the same moment.
"""

from typing import NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.model.messages import CONTROL_QUEUE
from workflows.model.proof import WORDS, Proof, ProofKind, ProofRequest, Verdict
from workflows.model.runbook import Approvals

from . import policies
from .ledger import Ledger

MOST_WRONG = 5
"""Wrong one-time passwords of one person in one run. Of the 10^6 three count at a time; nothing else can be guessed."""
MOST_TRIES = 500
"""Proofs that one run has checked: the server takes 2,000 updates for one run."""


class Claim(NamedTuple):
    """What somebody says of themselves, and to what."""

    act: str
    subject: str
    step: str
    code: str
    """That of the request."""
    typed: str
    """That of the answer."""
    wants: str
    """What a policy must let them do."""


class Prover:
    """The proofs of one run."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wrong: dict[str, int] = {}
        """One-time passwords of each person that were wrong, or that are being checked."""
        self._number = 0

    def objection(self, rule: Approvals, subject: str, answer: Proof) -> str | None:
        """Why this answer is not even tried, as a sentence with the next step; None when it is."""
        if not rule.proofs:
            return None
        kind = answer.proof_kind
        by_hand = [one for one in rule.proofs if one is not ProofKind.VOUCHER]
        ways = " or ".join(f"`{one.value}` ({WORDS[one]})" for one in by_hand or rule.proofs)
        if kind is None:
            return f"A name alone is no proof. Add {ways}."
        if kind not in rule.proofs:
            return f"The runbook takes no {WORDS[kind]}. Give {ways}."
        if kind is ProofKind.OTP and self._wrong.get(subject, 0) >= MOST_WRONG:
            return (
                f"{subject} has given {MOST_WRONG} wrong one-time passwords to this run: locked out of it. Prove it "
                "otherwise, or ask another approver."
            )
        if self._number >= MOST_TRIES:
            return f"This run has checked {MOST_TRIES} proofs, and checks no more. Abort it, and start a new one."
        return None

    async def prove(self, rule: Approvals, claim: Claim, answer: Proof) -> str:
        """By what it was proved, in words; empty where a name is enough.

        Raises:
            ApplicationError: it was not proved; why, and what to do.
        """
        if not rule.proofs:
            return ""
        ledger, info, kind = self._ledger, workflow.info(), answer.proof_kind
        assert kind is not None, "the validator has looked"
        self._number += 1
        request = ProofRequest(
            key=f"{info.run_id}/prove.{self._number}",
            application=ledger.application,
            act=claim.act,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            step=claim.step,
            code=claim.code,
            typed=claim.typed,
            plan=ledger.plan.hash if ledger.plan else "",
            subject=claim.subject,
            wants=claim.wants,
            proof=answer.proof_alone,
        )
        verdict = await self._verdict(request, kind)
        if not verdict.proven:
            told = verdict.sentence
            ledger.note(f"{claim.act}: not proven", claim.subject, workflow.now(), claim.step, told)
            raise _rejected(told)
        return verdict.words or WORDS[kind]

    async def _verdict(self, request: ProofRequest, kind: ProofKind) -> Verdict:
        guessable = 1 if kind is ProofKind.OTP else 0
        # Counted before the verdict is there: guesses side by side are guesses too.
        self._count(request.subject, guessable)
        try:
            verdict: Verdict = await workflow.execute_activity(
                "prove",
                request,
                task_queue=CONTROL_QUEUE,
                result_type=Verdict,
                summary=f"is it {request.subject} who says {request.act}?"[:100],
                **policies.bookkeeping(),
            )
        except ActivityError as error:
            self._count(request.subject, -guessable)  # Nothing was learnt by it.
            cause = error.cause
            told = cause.message if isinstance(cause, ApplicationError) else "No control worker could check the proof."
            raise _rejected(told) from None
        if verdict.proven:
            self._count(request.subject, -guessable)
        return verdict

    def _count(self, subject: str, by: int) -> None:
        self._wrong[subject] = self._wrong.get(subject, 0) + by


def _rejected(sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type="Rejected", non_retryable=True)
