"""Step 0: whoever starts a run proves that they may, before it takes or touches anything.

What Temporal shows of a start is what its client said. So where a policy is, a run asks for a proof first, by the same
request and the same answer as every gate; a raw start by somebody who proves nothing ends there.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import workflow

from workflows.model.failure import Code
from workflows.model.plan import Operation, Phase
from workflows.model.policy import POLICY_FILE, Granted
from workflows.model.progress import StepRecord, StepState
from workflows.model.runbook import ApprovalRule
from workflows.model.schedules import ScheduledRequest

from .gate import Facts, Gate, code_for
from .holding import Refused

if TYPE_CHECKING:
    from .moving import Moving

START = "start"
PATIENCE = timedelta(minutes=15)
"""How long a run waits for the proof. It holds nothing meanwhile."""


class Authority:
    """The right of somebody to this run."""

    def __init__(self, run: "Moving") -> None:
        self._run = run

    async def insist(self, act: str) -> None:
        """Go on when it is known who asks, and that they may.

        Args:
            act: of the policy, such as `failover` or `propose`.

        Raises:
            Refused: FORBIDDEN, EXPIRED, REJECTED or CANCELLED. Nothing was begun.
        """
        ledger, loaded = self._run.ledger, self._run.ledger.loaded
        assert loaded is not None
        granted = loaded.granted
        if granted is None or await self._scheduled():
            return
        able = granted.may(act)
        if not able:
            raise Refused(
                Code.FORBIDDEN,
                f"Nobody may start a {act} of {ledger.application}.",
                f"Give somebody a role in {POLICY_FILE} beside the runbooks.",
            )
        if loaded.runbook.approvals.proofs:
            await self._ask(act, able)
        else:
            self._believe(granted, act)

    async def _scheduled(self) -> bool:
        """Whether a schedule of ours has started it. An attribute says so too, but clients can set it."""
        ledger = self._run.ledger
        if ledger.operation is not Operation.DRILL:
            return False
        info = workflow.info()
        asked = ScheduledRequest(
            application=ledger.application, workflow_id=info.workflow_id, run_id=info.first_execution_run_id
        )
        return await self._run.bookkeep("is_scheduled", asked, "ask whether its schedule started it", bool)

    def _believe(self, granted: Granted, act: str) -> None:
        """The runbook takes a name for its word."""
        ledger = self._run.ledger
        if objection := granted.objection(ledger.requested_by, act, ledger.application):
            raise Refused(Code.FORBIDDEN, objection)

    async def _ask(self, act: str, able: tuple[str, ...]) -> None:
        ledger, now = self._run.ledger, workflow.now()
        gate = Gate(
            step=START,
            code=code_for(ledger.run_id, START, ""),
            question=f"Who asks for this {act} of {ledger.application}? Prove it; nothing is begun before.",
            rule=ApprovalRule(approvers=able, expires=PATIENCE, requester_may_approve=True),
            requester="",
            expires=now + PATIENCE,
            facts=self._facts,
            proofs=self._run.runbook.approvals.proofs,
            wants=act,
        )
        ledger.gate = gate
        ledger.records[START] = StepRecord(
            id=START,
            component=None,
            site="control",
            kind="authority",
            words="prove who asks",
            phase=Phase.PREPARE.value,
            state=StepState.WAITING,
            started=now,
        )
        self._run.changed()
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: gate.approved or gate.rejected or self._run.cancelled,
                timeout=PATIENCE,
                timeout_summary="for the proof of who asks",
            )
        self._settle(gate)

    def _settle(self, gate: Gate) -> None:
        ledger = self._run.ledger
        proven = gate.approved and not self._run.cancelled
        ledger.update(START, state=StepState.DONE if proven else StepState.FAILED, ended=workflow.now())
        if proven:
            ledger.requested_by = gate.answers[-1].approver
            ledger.gate = None
            return
        if self._run.cancelled:
            raise Refused(Code.CANCELLED, "Cancelled from outside, before it was proved who asks.")
        if gate.rejected:
            raise Refused(Code.REJECTED, f"{gate.answers[-1].approver} said no before anything was begun.")
        raise Refused(
            Code.EXPIRED,
            f"Nobody proved within {PATIENCE.total_seconds() / 60:.0f} min that they may start it.",
            "Start it again, and prove it: seawall approve.",
        )

    def _facts(self) -> Facts:
        ledger = self._run.ledger
        return (
            ("Asked for, as is said, by", ledger.requested_by),
            ("Reason, as is said", ledger.reason),
            ("Held and touched so far", "nothing"),
        )
