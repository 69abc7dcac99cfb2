"""What switchover and failback share: a planned move between two healthy sites."""

from datetime import datetime

from temporalio import workflow

from workflows.model.entity import Lease
from workflows.model.failure import Code
from workflows.model.report import ApprovalRecord
from workflows.planning.evidence import judge_failover
from workflows.planning.switchover import plan_switchover

from .holding import Refused
from .moving import Moving, refuse

DRILLS = "drill/"
"""Ids of drills begin so. A run whose parent is one was approved there; it is the server that says who a parent is."""


class PlannedMove(Moving):
    """A move that begins and ends with both sites healthy."""

    def insist_on_a_requester(self) -> None:
        """A leg of a live drill was asked for and approved in the drill."""
        if self._drill() is None:
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
        await self.look_around(patiently=True)
        refuse(judge_failover(self.runbook, ledger.mode, ledger.source, ledger.target, ledger.observations))
        await self.rise_above_what_stands(lease)
        plan = self.make_plan(plan_switchover, at=at)
        when = f" at {at:%Y-%m-%d %H:%M} UTC" if at else ""
        home = " home" if ledger.target == self.runbook.home else ""
        self.open_gate(plan, f"Move {ledger.application}{home} from {ledger.source} to {ledger.target}{when}?")
        self._approve_as_part_of_a_drill()
        await self.execute(plan)

    def _approve_as_part_of_a_drill(self) -> None:
        gate, drill = self.ledger.gate, self._drill()
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

    @staticmethod
    def _drill() -> str | None:
        parent = workflow.info().parent
        return parent.workflow_id if parent and parent.workflow_id.startswith(DRILLS) else None
