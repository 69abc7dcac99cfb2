"""What switchover and failback share: a planned move between two healthy sites."""

from datetime import datetime

from temporalio import workflow

from workflows.model.entity import Lease, ParentRequest
from workflows.model.failure import Code
from workflows.model.report import ApprovalRecord
from workflows.planning.evidence import judge_failover
from workflows.planning.switchover import plan_switchover

from .holding import Refused
from .moving import Moving, refuse


class PlannedMove(Moving):
    """A move that begins and ends with both sites healthy."""

    _drill: str | None = None
    """The live drill whose leg this is, and in which it was asked for and approved."""

    async def find_its_drill(self) -> None:
        """Whether this is a leg of a live drill. Its parent's id is what a client chose, so the server is asked what
        the parent is, and whose workers run it."""
        parent = workflow.info().parent
        if parent is None:
            return
        asked = ParentRequest(workflow_id=parent.workflow_id, run_id=parent.run_id)
        if await self.bookkeep("is_live_drill", asked, "ask what its parent is", bool):
            self._drill = parent.workflow_id

    async def insist_on_authority(self, act: str) -> None:
        """Who asks proves that they may; of a live drill that was done in the drill."""
        if self._drill is None:
            await self.authority.insist(act)

    def insist_on_a_requester(self) -> None:
        """A leg of a live drill was asked for and approved in the drill."""
        if self._drill is None:
            super().insist_on_a_requester()

    def insist_on_protection(self, lease: Lease) -> None:
        """Without a replica there is nothing to move to, and nothing to fall back on."""
        if not lease.protected:
            raise Refused(
                Code.NOT_PROTECTED,
                f"{self.ledger.application} runs unprotected at {self.ledger.source}: {self.ledger.target} does not "
                "follow it since the last failover.",
                "Start a reprotect first; when it has recovered, start this again.",
            )

    async def move_as_planned(self, lease: Lease, at: datetime | None) -> None:
        """Look, plan, ask, move, and let the old site follow."""
        ledger = self.ledger
        self.preflight.begin()
        await self.look_around(patiently=True)
        refuse(judge_failover(self.runbook, ledger.mode, ledger.source, ledger.target, ledger.observations))
        await self.preflight.heed()
        await self.rise_above_what_stands(lease)
        plan = self.make_plan(plan_switchover, at=at)
        when = f" at {at:%Y-%m-%d %H:%M} UTC" if at else ""
        home = " home" if ledger.target == self.runbook.home else ""
        self.open_gate(plan, f"Move {ledger.application}{home} from {ledger.source} to {ledger.target}{when}?")
        self._approve_as_part_of_a_drill()
        await self.execute(plan)

    def _approve_as_part_of_a_drill(self) -> None:
        gate, drill = self.ledger.gate, self._drill
        if drill is None or gate is None:
            return
        for _ in range(gate.rule.required):
            gate.answers.append(
                ApprovalRecord(
                    step=gate.step,
                    approver=drill,
                    decision="approved",
                    at=workflow.now(),
                    comment="a leg of a live drill, approved there",
                    code=gate.code,
                )
            )
        self.ledger.approvals += gate.answers
