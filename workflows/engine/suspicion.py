"""Whether a failover is right at all: evidence before action, a hold-off against blips, two people against flapping.

The invariant: what was seen and not heeded stands on the record, with the name of who said so; nothing is overridden
by a default.
"""

import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from temporalio import workflow

from workflows.model.base import in_words
from workflows.model.entity import Lease
from workflows.model.failure import Code
from workflows.model.messages import StepResult
from workflows.model.observed import Refusal
from workflows.model.plan import Step
from workflows.model.progress import StepState
from workflows.model.runbook import ApprovalRule, Detection
from workflows.planning.evidence import OVERRIDABLE, judge_again, judge_failover

from .gate import by_two
from .holding import Refused
from .outcome import Done, Failed, Outcome

if TYPE_CHECKING:
    from .moving import Moving


class Suspicion:
    """The doubts of one failover."""

    def __init__(self, run: "Moving") -> None:
        self._run = run
        self._first_look: datetime | None = None
        self._last_look: datetime | None = None

    @property
    def _detection(self) -> Detection:
        return self._run.runbook.detection

    # --- Evidence ---

    def refuse_without_evidence(self, despite: str) -> None:
        """Stop here unless all vantage points that answer agree, and enough of them do.

        Raises:
            Refused: with the first reason; where a person may override it and has said why, that is recorded instead.
        """
        run, ledger = self._run, self._run.ledger
        self._first_look = self._last_look = workflow.now()
        refusal = judge_failover(
            run.runbook,
            ledger.mode,
            ledger.source,
            ledger.target,
            ledger.observations,
            ledger.choice,
            adopting=ledger.adopts is not None,
        )
        if refusal is None:
            return
        if not despite or refusal.code not in OVERRIDABLE:
            raise Refused(refusal.code, refusal.sentence, refusal.next_step)
        self._override(refusal, despite)

    def _override(self, refusal: Refusal, despite: str) -> None:
        ledger = self._run.ledger
        if ledger.requested_by == "unknown":
            raise Refused(
                Code.INVALID_INPUT,
                "Whoever goes on despite the evidence stands for it by name, and this run does not know who asks.",
                'Add your name to the input: "requested_by": "carl".',
            )
        ledger.overridden = f"{refusal.code}: {refusal.sentence} {ledger.requested_by} goes on all the same: {despite}"
        ledger.note("went on despite the evidence", ledger.requested_by, workflow.now(), None, ledger.overridden)

    # --- Hold-off ---

    async def hold_off(self, step: Step) -> Outcome:
        """Wait until the source has been down for long enough, then look again. People may decide meanwhile."""
        run, ledger = self._run, self._run.ledger
        executor = run.executor
        assert executor is not None
        assert self._first_look is not None
        rest = self._first_look + self._detection.hold_off - workflow.now()
        ledger.update(step.id, state=StepState.WAITING)
        run.changed()
        if rest > timedelta(0):
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: executor.stop is not None, timeout=rest, timeout_summary="hold-off: it must stay down"
                )
        if executor.stop is not None:
            return Failed(Code.CANCELLED, "The run was stopped before the hold-off was over.", attempt=1)
        ledger.update(step.id, state=StepState.RUNNING)
        return await self._looked()

    async def look_again(self) -> Outcome:
        """Look once more when people took long."""
        assert self._last_look is not None
        age = workflow.now() - self._last_look
        if age <= self._detection.look_again_after:
            seen = in_words(age.total_seconds())
            return Done(StepResult(changed=False, detail=f"Last seen down {seen} ago.", attempt=1))
        return await self._looked()

    async def _looked(self) -> Outcome:
        run, ledger = self._run, self._run.ledger
        looks = await run.look_at_source(patiently=False)
        self._last_look = workflow.now()
        ledger.observations += looks
        again = None if ledger.overridden else judge_again(run.runbook, ledger.source, looks)
        if again is not None:
            return Failed(again.code, f"{again.sentence} {again.next_step}", attempt=1)
        return Done(StepResult(changed=False, detail="Nobody sees it alive."))

    # --- Flapping ---

    def beware_of_flapping(self, lease: Lease) -> None:
        """Note whether the last failover ended so lately that two people must agree.

        Raises:
            Refused: TOO_SOON, where the runbook knows no two people who could.
        """
        run, ledger, window = self._run, self._run.ledger, self._detection.flap_window
        last = lease.last_failover
        if last is None or ledger.adopts is not None or workflow.now() - last >= window:
            return
        ledger.flapping = last
        rule = run.rule
        able = [name for name in rule.approvers if rule.requester_may_approve or name != ledger.requested_by]
        if len(able) < rule.required:
            raise Refused(
                Code.TOO_SOON,
                f"The last failover ended at {last:%H:%M:%S} UTC. A second one within "
                f"{in_words(window.total_seconds())} wants two people, and only {len(able)} may approve this run.",
                f"Wait until {last + window:%H:%M:%S} UTC, or add an approver to the runbook.",
            )

    def rule(self, rule: ApprovalRule) -> ApprovalRule:
        """The runbook's rule, or its stricter form."""
        return by_two(rule) if self._run.ledger.flapping else rule

    def warning(self) -> str:
        """What stands before the question of the gate; empty where there is nothing to warn of."""
        ledger = self._run.ledger
        parts = []
        if ledger.flapping is not None:
            parts.append(f"SECOND FAILOVER: the last one ended at {ledger.flapping:%H:%M:%S} UTC, so two must agree.")
        if ledger.overridden:
            parts.append("DESPITE THE EVIDENCE: read what was seen.")
        return " ".join(parts)
