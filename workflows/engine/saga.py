"""Undoes what a stopped run has done. The rules that this module keeps:

* It starts only when every step is definite: the executor has settled what was in flight.
* Reverse dependency order: a step is undone before anything that it needed.
* Every started step with an undo is undone, also one that failed: its undo is a no-op where nothing happened.
* Each undo is attempted even if another fails. What cannot be undone parks the run with the list of what stands.
"""

from collections.abc import Awaitable, Callable

from temporalio import workflow

from workflows.model.plan import Plan, Step
from workflows.model.progress import ParkedStep, StepState
from workflows.model.requests import Answer
from workflows.planning.graph import undo_order

from .ledger import Ledger
from .outcome import Done, Outcome, Unknown

Undo = Callable[[Step], Awaitable[Outcome]]

_STARTED = (StepState.DONE, StepState.FAILED, StepState.UNDO_FAILED)


class Saga:
    """The undoing of one run."""

    def __init__(self, plan: Plan, ledger: Ledger, undo: Undo, changed: Callable[[], None]) -> None:
        self._plan = plan
        self._ledger = ledger
        self._undo = undo
        self._changed = changed
        self._answers: dict[str, tuple[str, Answer]] = {}
        self.undone_anything = False

    def answer(self, step_id: str, action: str, answer: Answer) -> None:
        """Answer an undo that is parked: `retry` or `skip`."""
        self._answers[step_id] = (action, answer)

    async def run(self) -> None:
        """Undo everything; returns when nothing is left but what a person said may stand."""
        while True:
            for step in self._pending():
                await self._undo_one(step)
            failed = self._ledger.in_state(StepState.UNDO_FAILED)
            if not failed:
                return
            await self._park([record.id for record in failed])

    def _pending(self) -> list[Step]:
        started = [r.id for r in self._ledger.in_state(*_STARTED) if r.started is not None]
        return undo_order(self._plan, started)

    async def _undo_one(self, step: Step) -> None:
        self._ledger.update(step.id, state=StepState.UNDOING)
        self._changed()
        outcome = await self._undo(step)
        if isinstance(outcome, Done):
            self.undone_anything = self.undone_anything or outcome.result.changed
            self._ledger.undone[step.id] = outcome.result
            self._ledger.update(step.id, state=StepState.UNDONE, detail=outcome.result.detail or step.undo_words)
        else:
            prefix = "It is unknown whether this was undone" if isinstance(outcome, Unknown) else "Could not be undone"
            self._ledger.update(step.id, state=StepState.UNDO_FAILED, detail=f"{prefix}: {outcome.reason}")
        self._changed()

    async def _park(self, step_ids: list[str]) -> None:
        """Everything was attempted and something stands: wait for a person on each."""
        for step_id in step_ids:
            record = self._ledger.records[step_id]
            self._ledger.parked[step_id] = ParkedStep(
                step=step_id,
                code="UNDO_FAILED",
                reason=record.detail,
                standing=self._ledger.standing(),
                actions=("retry", "skip"),
                since=workflow.now(),
            )
        self._changed()
        await workflow.wait_condition(lambda: bool(self._answers), timeout_summary="an undo is parked")
        for step_id, (action, answer) in self._answers.items():
            self._ledger.parked.pop(step_id, None)
            if action == "skip":
                detail = f"Left standing by {answer.by}{f': {answer.reason}' if answer.reason else ''}."
                self._ledger.left.add(step_id)
                self._ledger.update(step_id, state=StepState.SKIPPED, detail=detail)
        self._answers.clear()
        still = [record.id for record in self._ledger.in_state(StepState.UNDO_FAILED)]
        for step_id in still:
            self._ledger.parked.pop(step_id, None)
        self._changed()
