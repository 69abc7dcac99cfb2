"""The gate: who may answer, what counts, and what silence means.

An answer carries a code that is made of the run, the step and the plan. So an approval given to one run is worth
nothing in another, nor after a reset (a reset run has a new run id, and Temporal replays old answers into it), nor for
a plan that changed after it was shown.
"""

import hashlib
import json
from collections.abc import Callable, Collection
from datetime import datetime

from workflows.model.progress import GateView
from workflows.model.proof import WORDS, ProofKind
from workflows.model.report import ApprovalRecord
from workflows.model.requests import Approval, LossAcceptance
from workflows.model.runbook import ApprovalRule, Silence

Facts = tuple[tuple[str, str], ...]

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0, 1, I, L and O: it is read aloud at night."""


def code_for(run_id: str, step: str, plan_hash: str, used: Collection[str] = ()) -> str:
    """Four characters that bind an answer to one run, step and plan, unlike any that was `used` by another run. Not a
    secret: it guards against mix-ups and replays, not against an attacker, who could read it where it is shown."""
    digest = hashlib.sha256(f"{run_id}\n{step}\n{plan_hash}".encode()).digest()
    while True:
        code = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:4])
        if code not in used:
            return code
        digest = hashlib.sha256(digest).digest()


def by_two(rule: ApprovalRule) -> ApprovalRule:
    """The rule, with two people at least, and with silence never taken for consent."""
    return spoken(rule).model_copy(update={"required": max(rule.required, 2)})


def spoken(rule: ApprovalRule) -> ApprovalRule:
    """The rule, with silence never taken for consent."""
    silence = Silence.REJECT if rule.on_silence is Silence.GO_ON else rule.on_silence
    return rule.model_copy(update={"on_silence": silence})


class Gate:
    """The answers to one approval, and whether they are enough."""

    def __init__(
        self,
        step: str,
        code: str,
        question: str,
        rule: ApprovalRule,
        requester: str,
        expires: datetime,
        facts: Callable[[], Facts],
        loss: Callable[[], str | None] = lambda: None,
        proofs: tuple[ProofKind, ...] = (),
        wants: str = "",
    ) -> None:
        self.step = step
        self.code = code
        self.question = question
        self.rule = rule
        self.requester = requester
        self.expires = expires
        self._facts = facts
        self._loss = loss
        self._proofs = proofs
        self.wants = wants
        """What whoever answers must be allowed to; the answer itself, when empty."""
        self._accepted_loss: str | None = None
        self.answers: list[ApprovalRecord] = []
        self.escalated = False

    @property
    def approved(self) -> bool:
        """Enough people agreed, also to a loss beyond the RPO."""
        return self.missing == 0 and not self.rejected and self.loss_to_accept is None

    @property
    def missing(self) -> int:
        """How many approvals are still wanted."""
        return 0 if self._unsealed else max(0, self.rule.required - len(self._approvers))

    @property
    def _unsealed(self) -> bool:
        """Somebody has broken the glass: both sealed codes stand for all approvers."""
        return any(answer.decision == "approved" and answer.proof == WORDS[ProofKind.SEALED] for answer in self.answers)

    @property
    def _takes_seals(self) -> bool:
        return ProofKind.SEALED in self._proofs

    def _digest(self) -> str:
        """Of the facts, as they are shown in this second."""
        return hashlib.sha256(json.dumps(self._facts()).encode()).hexdigest()

    @property
    def loss_to_accept(self) -> str | None:
        """The loss, in words, that somebody must still accept by name; None when there is none to accept. A loss that
        has grown since it was accepted is another one."""
        loss = self._loss()
        return None if loss == self._accepted_loss else loss

    def objection_to_loss(self, answer: LossAcceptance) -> str | None:
        """Why this acceptance cannot be taken, as a sentence; None when it can."""
        wanted = self.loss_to_accept
        if wanted is None:
            return "There is no loss beyond the RPO to accept."
        if answer.code.upper() != self.code:
            return "The code does not belong to this request. Read it again; it shows its code and the loss."
        if answer.by not in self.rule.approvers and not (self._takes_seals and answer.sealed):
            return f"{answer.by} is not an approver of this runbook. Ask one of: {', '.join(self.rule.approvers)}."
        return self.overtaken_loss(answer)

    def overtaken_loss(self, answer: LossAcceptance) -> str | None:
        """Why an acceptance that `objection_to_loss` let through does not fit any more."""
        wanted = self.loss_to_accept
        if wanted is None:
            return "There is no loss beyond the RPO to accept."
        if answer.loss.strip() != wanted:
            return f'The loss is "{wanted}", not "{answer.loss.strip()}". Whoever accepts it names it as it is.'
        return None

    def accept_loss(self, answer: LossAcceptance, at: datetime, proof: str = "") -> ApprovalRecord:
        """Take an acceptance that `objection_to_loss` let through."""
        self._accepted_loss = self.loss_to_accept
        return ApprovalRecord(
            step=self.step,
            approver=answer.by,
            decision=f"data loss of {answer.loss.strip()} accepted",
            at=at,
            comment=answer.reason,
            code=answer.code.upper(),
            proof=proof,
        )

    @property
    def rejected(self) -> bool:
        """One rejection stops."""
        return any(answer.decision == "rejected" for answer in self.answers)

    @property
    def _approvers(self) -> list[str]:
        return [answer.approver for answer in self.answers if answer.decision == "approved"]

    def objection(self, answer: Approval) -> str | None:
        """Why this answer cannot be taken, as a sentence with the next step; None when it can."""
        if answer.code.upper() != self.code:
            return (
                f"The code {answer.code} does not belong to this request: the run or its plan is not the one that you "
                "saw. Read the request again; it shows its code."
            )
        if self._takes_seals and answer.sealed is not None:
            return None  # Both envelopes are open: whoever holds both codes may, by whatever name.
        if answer.approver not in self.rule.approvers:
            return (
                f"{answer.approver} is not an approver of this runbook. Ask one of: {', '.join(self.rule.approvers)}."
            )
        if answer.approver == self.requester and not self.rule.requester_may_approve:
            return f"{answer.approver} asked for this run and may not approve it too. Ask another approver."
        return self.overtaken(answer)

    def overtaken(self, answer: Approval) -> str | None:
        """Why an answer that `objection` let through does not fit any more. Not by its code: a run that was reset
        meets its old answers again, under another code, and must take the way that it took."""
        if self._takes_seals and answer.sealed is not None:
            return None
        if any(given.approver == answer.approver for given in self.answers):
            return f"{answer.approver} has answered already. {self.rule.required} different people are wanted."
        return None

    def record(self, answer: Approval, decision: str, at: datetime, proof: str = "") -> ApprovalRecord:
        """Take an answer that `objection` let through. Both sealed codes open the gate, whoever typed them."""
        taken = ApprovalRecord(
            step=self.step,
            approver=answer.approver,
            decision=decision,
            at=at,
            comment=answer.comment,
            # As it was typed: a reset replays an answer past its check, and this tells that it was for another run.
            code=answer.code.upper(),
            proof=proof,
            facts_sha256=self._digest(),
        )
        self.answers.append(taken)
        return taken

    def escalate(self, at: datetime) -> None:
        """Nobody answered: ask for one more period, louder. Silence after that means no."""
        self.escalated = True
        self.expires = at + self.rule.expires
        self.question = f"SECOND CALL, nobody has answered. {self.question}"

    def view(self) -> GateView:
        """What an approver is shown."""
        return GateView(
            step=self.step,
            code=self.code,
            question=self.question,
            facts=self._facts(),
            approvers=self.rule.approvers,
            required=self.rule.required,
            approved_by=tuple(self._approvers),
            expires=self.expires,
            on_silence=self.rule.on_silence.value,
            loss=self.loss_to_accept or "",
            proofs=tuple(kind.value for kind in self._proofs),
        )
