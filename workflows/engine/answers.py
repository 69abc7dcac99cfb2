"""What may be asked of a run, and how it answers: its queries, and the updates by which people steer it.

Every update has a validator, so that what cannot be done now is refused with a sentence and leaves no event. Every
answer may be typed by hand in the Web UI: short JSON, or none at all.
"""

from abc import abstractmethod
from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.model.failure import Code
from workflows.model.hand_over import HandOver
from workflows.model.progress import ProgressView, StepState
from workflows.model.proof import ProofKind
from workflows.model.report import Report
from workflows.model.requests import Acknowledgement, Answer, Approval, LossAcceptance, RiskAcceptance
from workflows.model.runbook import Runbook

from . import reporting
from .executor import Executor
from .gate import Gate
from .hand_over import hand_over
from .ledger import Ledger
from .notices import Notifier
from .proving import Claim, Prover
from .saga import Saga

_RISK = "accept_split_brain_risk"
MOST_ANSWERS = 1000
"""Of a run, before those that change nothing for good are refused: the server takes 2,000 updates for one run."""


def rejected(sentence: str) -> ApplicationError:
    """The answer to an update that cannot be taken: a sentence, no stack trace, no event in history."""
    return ApplicationError(sentence, type="Rejected", non_retryable=True)


class Answering:
    """The questions and answers of a run; `RecoveryRun` is the rest of it."""

    ledger: Ledger
    executor: Executor | None
    saga: Saga | None
    prover: Prover
    notifier: Notifier

    @abstractmethod
    def changed(self) -> None:
        """Show what is new."""

    @property
    def runbook(self) -> Runbook:
        """The runbook as it was frozen when the run began."""
        assert self.ledger.loaded is not None, "no step and no answer comes before the runbook is read"
        return self.ledger.loaded.runbook

    # --- Queries ---

    @workflow.query(name="progress", description="The state of every step, and what is awaited.")
    def progress(self) -> ProgressView:
        return reporting.progress(self.ledger, workflow.now())

    @workflow.query(name="report", description="The report as it stands.")
    def report(self) -> Report:
        return reporting.report(self.ledger)

    @workflow.query(name="hand_over", description="What people must know to finish this run without it.")
    def hand_over(self) -> HandOver | None:
        ledger = self.ledger
        return None if ledger.plan is None or ledger.lease is None else hand_over(ledger, workflow.now())

    # --- Answers to the gate ---

    @workflow.update(
        name="approve", description='Agree to go on: {"approver": "anna", "code": "the code shown in the details"}'
    )
    async def approve(self, answer: Approval) -> str:
        gate, proof = await self._proven("approve", answer, answer.approver, lambda it: it.overtaken(answer))
        self.ledger.approvals.append(gate.record(answer, "approved", workflow.now(), proof))
        self.changed()
        if gate.missing > 0:
            return f"Taken; {gate.missing} more approval(s) wanted."
        if (loss := gate.loss_to_accept) is not None:
            return f"Approved; but {loss} of data would be lost, more than the RPO: accept_data_loss is wanted too."
        return "Approved; the run goes on."

    @approve.validator
    def _check_approval(self, answer: Approval) -> None:
        gate = self._insist_on_gate(StepState.WAITING, StepState.PENDING)
        objection = gate.objection(answer) or self.prover.objection(self.runbook.approvals, answer.approver, answer)
        if objection:
            raise rejected(objection)
        if answer.sealed is None:
            self._insist_on_role(gate.wants or "approve", answer.approver)

    @workflow.update(
        name="reject", description='Say no: {"approver": "anna", "code": "the code shown", "comment": "why"}'
    )
    async def reject(self, answer: Approval) -> str:
        gate, proof = await self._proven("reject", answer, answer.approver, lambda it: it.overtaken(answer))
        self.ledger.approvals.append(gate.record(answer, "rejected", workflow.now(), proof))
        self.changed()
        return "Rejected; everything that was begun is being undone."

    @reject.validator
    def _check_rejection(self, answer: Approval) -> None:
        self._check_approval(answer)

    @workflow.update(
        name="accept_data_loss",
        description="Accept a loss beyond the RPO, by its figure; wanted besides the approval: "
        '{"by": "anna", "code": "the code shown", "loss": "the loss shown"}',
    )
    async def accept_data_loss(self, answer: LossAcceptance) -> str:
        gate, proof = await self._proven("accept_data_loss", answer, answer.by, lambda it: it.overtaken_loss(answer))
        self.ledger.approvals.append(gate.accept_loss(answer, workflow.now(), proof))
        self.changed()
        return "Taken, on the record." if not gate.approved else "Taken, on the record; the run goes on."

    @accept_data_loss.validator
    def _check_data_loss(self, answer: LossAcceptance) -> None:
        gate = self._insist_on_gate(StepState.WAITING, StepState.PENDING)
        objection = gate.objection_to_loss(answer) or self.prover.objection(self.runbook.approvals, answer.by, answer)
        if objection:
            raise rejected(objection)
        if answer.sealed is None:
            self._insist_on_role("accept_data_loss", answer.by)

    async def _proven(
        self, act: str, answer: Approval | LossAcceptance, subject: str, overtaken: Callable[[Gate], str | None]
    ) -> tuple[Gate, str]:
        """The gate, once people are asked, and by what the answer was proved.

        A worker that has lost its cache is handed an answer together with the result that opens the gate, and the
        answer first: so it waits until the gate is open, or never will be.

        Raises:
            ApplicationError: it never will be, or the answer is not proved, or was overtaken by another one meanwhile.
        """
        gate = self.ledger.gate
        assert gate is not None
        claim = Claim(act, subject, gate.step, gate.code, answer.code.upper(), gate.wants or act)
        proof = await self.prover.prove(self.runbook.approvals, claim, answer)
        early = self._is(StepState.PENDING, gate.step)
        if early:
            await workflow.wait_condition(lambda: not self._is(StepState.PENDING, gate.step) or self._ending)
        if early or proof:
            self._insist_on_gate(StepState.WAITING)
            if objection := overtaken(gate):
                raise rejected(objection)
        return gate, proof

    def _insist_on_gate(self, *states: StepState) -> Gate:
        """The gate, in one of these states.

        Raises:
            ApplicationError: nobody is asked.
        """
        gate = self.ledger.gate
        if gate is None or not any(self._is(state, gate.step) for state in states):
            raise rejected("This run is not waiting for an approval. Its details say what it is doing.")
        return gate

    @property
    def _ending(self) -> bool:
        """Whether no further step begins."""
        stopped = self.executor is not None and self.executor.stop is not None
        return stopped or self.saga is not None or self.ledger.state.ended

    # --- Answers to a parked step ---

    @workflow.update(name="retry", description='Try a parked step again. No input needed, or {"by": "anna"}')
    async def retry(self, answer: Answer | None = None) -> str:
        return self._answer("retry", answer or Answer())

    @retry.validator
    def _check_retry(self, answer: Answer | None = None) -> None:
        self._check_answer("retry", answer or Answer())

    @workflow.update(
        name="skip", description='Leave a parked step out; what needs it goes on: {"by": "anna", "reason": "why"}'
    )
    async def skip(self, answer: Answer | None = None) -> str:
        return self._answer("skip", answer or Answer())

    @skip.validator
    def _check_skip(self, answer: Answer | None = None) -> None:
        self._check_answer("skip", answer or Answer())

    @workflow.update(
        name="accept_degraded",
        description='Give up a parked step and all that needs it; the run ends degraded: {"by": "anna"}',
    )
    async def accept_degraded(self, answer: Answer | None = None) -> str:
        return self._answer("accept_degraded", answer or Answer())

    @accept_degraded.validator
    def _check_accept_degraded(self, answer: Answer | None = None) -> None:
        self._check_answer("accept_degraded", answer or Answer())

    @workflow.update(
        name="accept_split_brain_risk",
        description="Go on without a fence proof. You accept that two sites may write: "
        '{"by": "anna", "code": "the risk code shown", "statement": "in your own words: what is not proved, and why"}',
    )
    async def accept_split_brain_risk(self, risk: RiskAcceptance) -> str:
        asked = self._parked_step(_RISK, Answer(step=self._step_of(risk)))
        code = self.ledger.parked[asked].risk_code
        claim = Claim(_RISK, risk.by, asked, code, risk.code.upper(), _RISK)
        proof = await self.prover.prove(self.runbook.approvals, claim, risk)
        # Somebody else may have answered while the proof was checked.
        step = self._parked_step(_RISK, Answer(step=asked))
        assert self.executor is not None
        words = f"{risk.statement} [{proof}]" if proof else risk.statement
        self.ledger.note(_RISK, risk.by, workflow.now(), step, words)
        self.executor.answer(step, _RISK, risk)
        return "Taken, on the record."

    @accept_split_brain_risk.validator
    def _check_risk(self, risk: RiskAcceptance) -> None:
        step = self._parked_step(_RISK, Answer(step=self._step_of(risk)))
        runbook = self.runbook
        expected = self.ledger.parked[step].risk_code
        approvers = runbook.approvals.failover.approvers
        if risk.code.upper() != expected:
            raise rejected("This is not the risk code. Read what could not be proved; the code stands beside it.")
        glass_broken = risk.sealed is not None and ProofKind.SEALED in runbook.approvals.proofs
        if risk.by not in approvers and not glass_broken:
            raise rejected(f"{risk.by} is not an approver of this runbook. Ask one of: {', '.join(approvers)}.")
        if not glass_broken:
            self._insist_on_role(_RISK, risk.by)
        if objection := self.prover.objection(runbook.approvals, risk.by, risk):
            raise rejected(objection)

    # --- Acknowledge ---

    @workflow.update(
        name="acknowledge",
        description='Say that you see to what waits; nobody else is called for it: {"by": "anna", "note": "on my way"}',
    )
    async def acknowledge(self, answer: Acknowledgement) -> str:
        self.ledger.note("acknowledge", answer.by, workflow.now(), None, answer.note)
        self.notifier.acknowledge(answer.by, workflow.now())
        self.changed()
        return f"Acknowledged by {answer.by}: nobody else is called. It still waits for an answer."

    @acknowledge.validator
    def _check_acknowledgement(self, answer: Acknowledgement) -> None:
        if not self.notifier.waiting:
            raise rejected("Nothing in this run waits for people now. Its details say what it is doing.")
        self._insist_on_role("acknowledge", answer.by)
        self._check_room()

    # --- Pause, resume, abort ---

    @workflow.update(name="pause", description="Start no further step; what runs goes on to its end.")
    async def pause(self, answer: Answer | None = None) -> str:
        return self._set_paused(True, answer or Answer())

    @pause.validator
    def _check_pause(self, answer: Answer | None = None) -> None:
        executor = self.executor
        if executor is None or executor.paused or executor.stop is not None or self.ledger.state.ended:
            raise rejected("There is nothing to pause: no steps are being started now.")
        self._insist_on_role("pause", (answer or Answer()).by)
        self._check_room()

    @workflow.update(name="resume", description="Go on after a pause.")
    async def resume(self, answer: Answer | None = None) -> str:
        return self._set_paused(False, answer or Answer())

    @resume.validator
    def _check_resume(self, answer: Answer | None = None) -> None:
        if self.executor is None or not self.executor.paused:
            raise rejected("The run is not paused.")
        self._insist_on_role("resume", (answer or Answer()).by)

    @workflow.update(
        name="abort",
        description='Settle what is in flight, then undo everything. Only before the promote: {"by": "anna"}',
    )
    async def abort(self, answer: Answer | None = None) -> str:
        asked = answer or Answer()
        assert self.executor is not None
        self.ledger.note("abort", asked.by, workflow.now(), None, asked.reason)
        self.executor.request_stop(Code.ABORTED, f"Aborted by {asked.by}. {asked.reason}".strip())
        return "Stopping: what is in flight is settled, then everything is undone."

    @abort.validator
    def _check_abort(self, answer: Answer | None = None) -> None:
        if self.executor is None or self.saga is not None or self.ledger.state.ended:
            raise rejected("There is nothing to abort now.")
        if self.executor.past_pivot:
            raise rejected(
                "The point of no return is behind this run: it only goes forward. Retry, skip or accept degraded; "
                "to go back afterwards, start a failback."
            )
        self._insist_on_role("abort", (answer or Answer()).by)

    # --- Small things ---

    def _insist_on_role(self, act: str, subject: str) -> None:
        """Where a policy is, a name must be one that may do this. It keeps honest people from mistakes: only a proof
        keeps others from using that name.

        Raises:
            ApplicationError: a sentence, when it is none.
        """
        granted = self.ledger.loaded.granted if self.ledger.loaded else None
        if granted is None:
            return
        if objection := granted.objection(subject, act, self.ledger.application):
            raise rejected(objection)

    def _is(self, state: StepState, step_id: str) -> bool:
        return step_id in self.ledger.records and self.ledger.records[step_id].state is state

    def _parked_step(self, action: str, answer: Answer) -> str:
        """The parked step that an answer means.

        Raises:
            ApplicationError: a sentence, when there is none, or more than one, or when it cannot be answered so.
        """
        parked = self.ledger.parked
        if not parked:
            raise rejected("Nothing is parked in this run. Its details say what it is doing.")
        if answer.step is None and len(parked) > 1:
            raise rejected(f"More than one step is parked; name one as `step`: {', '.join(parked)}.")
        step = answer.step or next(iter(parked))
        if step not in parked:
            raise rejected(f"The step {step} is not parked. Parked: {', '.join(parked)}.")
        if action not in parked[step].actions:
            raise rejected(f"{step} cannot be answered with {action}. Safe now: {', '.join(parked[step].actions)}.")
        return step

    def _step_of(self, risk: RiskAcceptance) -> str | None:
        """The parked step that shows the risk's code: with two unproven fences the code tells which one is meant."""
        asking = [step for step, parked in self.ledger.parked.items() if parked.risk_code]
        matching = [step for step in asking if self.ledger.parked[step].risk_code == risk.code.upper()]
        return next(iter(matching or asking), None)

    def _check_answer(self, action: str, answer: Answer) -> None:
        self._parked_step(action, answer)
        self._insist_on_role(action, answer.by)
        if action == "retry":
            self._check_room()

    def _check_room(self) -> None:
        """What can be asked again and again must not use up what the server takes for one run.

        Raises:
            ApplicationError: a sentence, when only answers that lead to an end are taken any more.
        """
        if len(self.ledger.actions) >= MOST_ANSWERS:
            raise rejected(
                f"This run has taken {len(self.ledger.actions)} answers already, and keeps the rest for those that "
                "lead to an end: approve, reject, resume, skip, accept degraded or abort."
            )

    def _answer(self, action: str, answer: Answer) -> str:
        step = self._parked_step(action, answer)
        self.ledger.note(action, answer.by, workflow.now(), step, answer.reason)
        if self.saga is not None:
            self.saga.answer(step, action, answer)
        elif self.executor is not None:
            self.executor.answer(step, action, answer)
        return f"{action.replace('_', ' ')}: {step}."

    def _set_paused(self, paused: bool, answer: Answer) -> str:
        assert self.executor is not None
        self.executor.paused = paused
        self.ledger.note("pause" if paused else "resume", answer.by, workflow.now(), None, answer.reason)
        self.changed()
        return "Paused: no further step starts." if paused else "Resumed."
