"""Runs the graph of a plan. The rules that this module keeps:

* A step starts when all that it needs is done, and not before; it never waits for anything else.
* Known or parked: nothing that depends on a step, and no undo, starts while that step's effect is unknown.
* Before the pivot a failure stops the run: what is in flight is settled, then everything is undone. From the moment
  that a promote is asked for, there is no undo unless it is known that no promote was accepted.
* After the pivot a failure parks its step; the other branches go on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow

from workflows.model.failure import Code
from workflows.model.messages import StepResult
from workflows.model.plan import Phase, Plan, Step
from workflows.model.progress import StepState
from workflows.model.requests import Answer, RiskAcceptance
from workflows.model.runbook import Silence
from workflows.model.verbs import Verb
from workflows.planning.graph import dependants

from .gate import Gate
from .ledger import Ledger
from .outcome import Done, Failed, Outcome, Unknown, settles
from .parking import park

Call = Callable[[Step], Awaitable[Outcome]]
"""Performs a step's verb once, through to a definite outcome or to its time-out."""

LeaseLost = Callable[[], Awaitable[str | None]]
"""Asks the application whether this run still holds it: None, or why not."""

_SETTLE_PAUSE = timedelta(seconds=2)


class Stop:
    """Why a run goes no further: a code of the closed list, and the reason in words."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason


class Executor:
    """One execution of one plan."""

    def __init__(
        self, plan: Plan, ledger: Ledger, call: Call, lease_lost: LeaseLost, changed: Callable[[], None]
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._call = call
        self._lease_lost = lease_lost
        self._changed = changed
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._answers: dict[str, tuple[str, Answer | RiskAcceptance]] = {}
        self._open: dict[str, Failed | Unknown] = {}
        """How each parked step came out."""
        self._doubted: set[str] = set()
        """Steps that came out unknown once: only a failure that looked first settles them."""
        self.on_done: Callable[[Step], None] = lambda _step: None
        self.accepted_risk: dict[str, RiskAcceptance] = {}
        self._kinds: dict[Verb, Callable[[Step], Awaitable[None]]] = {
            Verb.GATE: self._wait_for_people,
            Verb.WINDOW: self._wait_for_window,
            Verb.SIMULATE: self._simulate,
        }
        """What is not an activity."""
        self.stop: Stop | None = None
        self.paused = False
        self.degraded = False

    # --- What the outside may ask ---

    @property
    def past_pivot(self) -> bool:
        """A promote was accepted, or may have been: the run only goes forward."""
        return any(
            self._ledger.records[step.id].state in (StepState.RUNNING, StepState.DONE, StepState.UNKNOWN)
            for step in self._plan.steps
            if step.phase is Phase.PIVOT
        )

    def request_stop(self, code: str, reason: str) -> bool:
        """Stop and undo, if that is still possible; False after the pivot, when a run only goes forward."""
        if self.past_pivot or self._finished:
            return False
        if self.stop is None:
            self.stop = Stop(code, reason)
            self._cancel_waits()
            self._changed()
        return True

    def answer(self, step_id: str, action: str, answer: Answer | RiskAcceptance) -> None:
        """Answer a parked step."""
        self._answers[step_id] = (action, answer)

    # --- Running ---

    async def run(self) -> None:
        """Run to the end of the plan, or to a stop; every step is definite or never started when this returns."""
        for step in self._plan.steps:
            self._tasks[step.id] = asyncio.create_task(self._follow(step))
        await asyncio.gather(*self._tasks.values())

    @property
    def _finished(self) -> bool:
        return bool(self._tasks) and all(task.done() for task in self._tasks.values())

    async def _follow(self, step: Step) -> None:
        """Wait for the step's turn, then take it."""
        await workflow.wait_condition(lambda: self.stop is not None or self._given_up(step) or self._turn(step))
        if self._given_up(step) and self.stop is None:
            self._ledger.update(step.id, state=StepState.SKIPPED, detail="Left out: what it needs was given up.")
            self._changed()
        elif self.stop is None:
            await self._take(step)

    async def _take(self, step: Step) -> None:
        try:
            await self._kinds.get(step.verb, self._perform)(step)
        except asyncio.CancelledError:
            if self.stop is None:
                raise
            self._record(step, Failed(Code.CANCELLED, "It was stopped before it was done."))

    def _turn(self, step: Step) -> bool:
        return not self.paused and all(self._ledger.is_behind(need) for need in step.needs)

    def _given_up(self, step: Step) -> bool:
        return self._ledger.records[step.id].state is StepState.SKIPPED

    async def _perform(self, step: Step) -> None:
        self._ledger.update(step.id, state=StepState.RUNNING, started=workflow.now())
        self._show()
        while True:
            outcome = self._doubting(step, await self._call(step))
            if isinstance(outcome, Done):
                self._unpark(step)
                self._ledger.done(step, outcome.result, workflow.now())
                if step.phase is Phase.PIVOT:
                    self._ledger.mark(pivot=workflow.now())
                self.on_done(step)
                self._show()
                return
            self._record(step, outcome)
            if not await self._handle(step, outcome):
                self._unpark(step)
                return

    def _doubting(self, step: Step, outcome: Outcome) -> Outcome:
        """A promote that failed in its last attempt may have been accepted in an earlier one. Undoing on the word of
        the last would let the old site serve beside the new one."""
        if step.phase is Phase.PIVOT and isinstance(outcome, Failed) and not settles(outcome, step.id in self._doubted):
            outcome = Unknown(outcome.reason, outcome.attempt)
        if isinstance(outcome, Unknown):
            self._doubted.add(step.id)
        return outcome

    def _record(self, step: Step, outcome: Failed | Unknown) -> None:
        unknown = isinstance(outcome, Unknown)
        self._ledger.update(
            step.id,
            state=StepState.UNKNOWN if unknown else StepState.FAILED,
            ended=workflow.now(),
            attempts=outcome.attempt,
            detail=outcome.reason,
            code=Code.OUTCOME_UNKNOWN if isinstance(outcome, Unknown) else outcome.code,
        )
        self._show()

    async def _handle(self, step: Step, outcome: Failed | Unknown) -> bool:
        """Decide on a step that did not succeed. True: take it again."""
        if isinstance(outcome, Failed):
            if outcome.code == Code.LEASE_LOST:
                self._lose(outcome.reason)
                return False
            if step.phase is Phase.FORWARD and not step.critical:
                self.degraded = self.degraded or step.verb is not Verb.MEASURE_LOSS
                self._ledger.update(step.id, state=StepState.SKIPPED, detail=f"Given up: {outcome.reason}")
                self._changed()
                return False
            if not self._may_park(outcome):
                self.request_stop(outcome.code, f"{step.words}: {outcome.reason}")
                return False
        if self.stop is not None:
            return await self._settle(step, outcome)
        return await self._parked(step, outcome)

    def _lose(self, reason: str) -> None:
        """The application is not ours any more: stop, behind the pivot too. Whoever has it decides what stands."""
        if self.stop is None:
            self.stop = Stop(Code.LEASE_LOST, reason)
            self._cancel_waits()
            self._changed()

    def _may_park(self, outcome: Failed) -> bool:
        """Behind the pivot everything parks. Before it only an unproven fence does: a person may accept its risk."""
        if self.stop is not None:
            return False
        return self.past_pivot or outcome.code == Code.FENCE_UNPROVEN

    async def _settle(self, step: Step, outcome: Failed | Unknown) -> bool:
        """The run is stopping and this effect is unknown: ask again, which looks first, until it is known.

        It is shown as parked meanwhile: where nobody can look any more, only a person can end the asking.
        """
        self._open[step.id] = outcome
        self._show()
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: step.id in self._answers, timeout=_SETTLE_PAUSE, timeout_summary=f"{step.id}: ask again"
            )
        action, answer = self._answers.pop(step.id, ("retry", Answer()))
        if action == "skip":
            self._ledger.left.add(step.id)
            detail = f"Left unknown by {answer.by}{f': {answer.reason}' if isinstance(answer, Answer) else ''}."
            self._ledger.update(step.id, state=StepState.SKIPPED, ended=workflow.now(), detail=detail)
            return False
        self._ledger.update(step.id, state=StepState.RUNNING, ended=None)
        self._changed()
        return True

    async def _parked(self, step: Step, outcome: Failed | Unknown) -> bool:
        """Wait for a person's answer. True: take the step again."""
        self._open[step.id] = outcome
        self._show()
        await workflow.wait_condition(
            lambda: step.id in self._answers or self.stop is not None,
            timeout_summary=f"{step.id}: parked",
        )
        action, answer = self._answers.pop(step.id, ("abort", Answer()))
        if self.stop is not None:
            # No answer that was given to the run as it was starts anything in a run that is being stopped.
            action, answer = "abort", Answer()
        self._unpark(step)
        if action == "retry" or (action == "abort" and isinstance(outcome, Unknown)):
            self._ledger.update(step.id, state=StepState.RUNNING, ended=None, detail="")
            self._changed()
            return True
        if isinstance(answer, RiskAcceptance):
            self._accept_risk(step, answer)
        elif action == "skip":
            self._skip(step, answer, also_dependants=False)
        elif action == "accept_degraded":
            self._skip(step, answer, also_dependants=True)
        self._changed()
        return False

    def _accept_risk(self, step: Step, risk: RiskAcceptance) -> None:
        self.accepted_risk[step.component or ""] = risk
        self._ledger.done(
            step,
            StepResult(changed=True, detail=f"Not proved; {risk.by} accepted the risk of two writers."),
            workflow.now(),
        )

    def _skip(self, step: Step, answer: Answer, also_dependants: bool) -> None:
        self.degraded = True
        if self._ledger.records[step.id].state is StepState.UNKNOWN:
            self._ledger.left.add(step.id)
        detail = f"Skipped by {answer.by}{f': {answer.reason}' if answer.reason else ''}."
        self._ledger.update(step.id, state=StepState.SKIPPED, ended=workflow.now(), detail=detail)
        if also_dependants:
            for step_id in dependants(self._plan, step.id):
                if self._ledger.records[step_id].state is StepState.PENDING:
                    self._ledger.update(step_id, state=StepState.SKIPPED, detail=f"Given up with {step.id}.")

    def _show(self) -> None:
        """Show what is new; what is parked too, since a promote that is asked for changes which answers are safe."""
        for step_id, outcome in self._open.items():
            earlier = self._ledger.parked.get(step_id)
            self._ledger.parked[step_id] = park(
                self._plan.step(step_id),
                outcome,
                self._ledger,
                earlier.since if earlier else workflow.now(),
                past_pivot=self.past_pivot,
                stopping=self.stop is not None,
            )
        self._changed()

    def _unpark(self, step: Step) -> None:
        self._open.pop(step.id, None)
        self._answers.pop(step.id, None)
        self._ledger.parked.pop(step.id, None)

    async def _simulate(self, step: Step) -> None:
        self._ledger.update(step.id, started=workflow.now())
        self._ledger.done(step, StepResult(changed=False, detail="Simulated: a drill only shows it."), workflow.now())
        self._changed()

    async def _wait_for_window(self, step: Step) -> None:
        """Wait for the agreed time; a time that has passed while people decided is now."""
        at = self._plan.at
        assert at is not None, "only a plan with an agreed time has this step"
        self._ledger.update(step.id, state=StepState.WAITING, started=workflow.now())
        self._changed()
        rest = at - workflow.now()
        if rest > timedelta(0):
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self.stop is not None, timeout=rest, timeout_summary=f"the agreed time, {at:%H:%M} UTC"
                )
        lost = None if self.stop else await self._lease_lost()
        if lost is not None:
            self._close_gate(step, StepState.FAILED, Code.LEASE_LOST, lost)
        elif self.stop is not None:
            self._ledger.update(step.id, state=StepState.SKIPPED, ended=workflow.now(), detail="Withdrawn.")
        else:
            self._ledger.done(step, StepResult(changed=False, detail="The agreed time has come."), workflow.now())
        self._changed()

    # --- People ---

    async def _wait_for_people(self, step: Step) -> None:
        gate = self._ledger.gate
        assert gate is not None, "the run opens the gate before it executes the plan"
        self._ledger.update(step.id, state=StepState.WAITING, started=workflow.now())
        self._changed()
        answered = await self._answered(gate)
        if gate.rejected:
            names = ", ".join(answer.approver for answer in gate.answers if answer.decision == "rejected")
            self._close_gate(step, StepState.FAILED, Code.REJECTED, f"Rejected by {names}.")
        elif self.stop is not None:
            self._ledger.update(step.id, state=StepState.SKIPPED, ended=workflow.now(), detail="Withdrawn.")
        elif answered or (gate.rule.on_silence is Silence.GO_ON and gate.loss_to_accept is None):
            await self._pass_gate(step, gate)
        else:
            reason = "Nobody answered in time, and the runbook says that silence means no."
            self._close_gate(step, StepState.FAILED, Code.EXPIRED, reason)
        self._changed()

    async def _pass_gate(self, step: Step, gate: Gate) -> None:
        """People agreed; but they may have agreed to a run that was reset, or freed of its lease, long ago."""
        self._ledger.mark(approved=workflow.now())
        lost = await self._lease_lost()
        if lost is not None:
            self._close_gate(step, StepState.FAILED, Code.LEASE_LOST, lost)
        elif self.stop is not None:
            self._ledger.update(step.id, state=StepState.SKIPPED, ended=workflow.now(), detail="Withdrawn.")
        else:
            who = ", ".join(answer.approver for answer in gate.answers) or "silence, as the runbook says"
            self._ledger.done(step, StepResult(detail=f"Approved by {who}."), workflow.now())

    async def _answered(self, gate: Gate) -> bool:
        """Wait for enough answers, a rejection or a stop; False when the time is over, asked twice to escalate."""
        while True:
            try:
                await workflow.wait_condition(
                    lambda: gate.approved or gate.rejected or self.stop is not None,
                    timeout=gate.expires - workflow.now(),
                    timeout_summary=f"approval of {' or '.join(gate.rule.approvers)}",
                )
            except TimeoutError:
                if gate.rule.on_silence is not Silence.ESCALATE or gate.escalated:
                    return False
                gate.escalate(workflow.now())
                self._changed()
            else:
                return True

    def _close_gate(self, step: Step, state: StepState, code: Code, reason: str) -> None:
        self._ledger.update(step.id, state=state, ended=workflow.now(), code=code, detail=reason)
        self.request_stop(code, reason)

    def _cancel_waits(self) -> None:
        """End what only waits; what changes the world is followed to its end."""
        for step in self._plan.steps:
            record = self._ledger.records[step.id]
            if record.state is StepState.RUNNING and not step.verb.mutates:
                self._tasks[step.id].cancel()
