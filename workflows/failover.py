"""Failover: move an application to the other site when its own may be gone, or, planned, while both are healthy."""

from temporalio import workflow

from workflows.engine.gate import spoken
from workflows.engine.moving import Moving, missing_input
from workflows.engine.outcome import Outcome
from workflows.engine.suspicion import Suspicion
from workflows.model.plan import Mode, Operation, Step
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest
from workflows.model.runbook import ApprovalRule
from workflows.model.verbs import Verb
from workflows.planning.failover import plan_failover


@workflow.defn(name="Failover")
class Failover(Moving):
    """One failover of one application."""

    @workflow.init
    def __init__(self, request: FailoverRequest | None = None) -> None:
        super().__init__(Operation.FAILOVER)
        self._proposed = False
        self._suspicion = Suspicion(self)
        if request is not None:
            self.take(request, Mode.PLANNED if request.planned else Mode.UNPLANNED)
            self.ledger.choice = request.point
            self._proposed = request.proposed
            if request.detected_at is not None:
                self.ledger.mark(detected=request.detected_at)

    @workflow.run
    async def run(self, request: FailoverRequest | None = None) -> Report:
        if request is None:
            raise missing_input("Failover", FailoverRequest)
        return await self.conduct(self._fail_over(request))

    async def _fail_over(self, request: FailoverRequest) -> None:
        """The procedure, as an operator would say it."""
        runbook = await self.load(request.runbook)
        await self.authority.insist("propose" if request.proposed else "failover")
        self.insist_on_a_requester()
        lease = await self.acquire(runbook)
        self.head_for(request.to, lease)
        self._suspicion.beware_of_flapping(lease)
        self.preflight.begin()
        await self.look_around(patiently=request.planned)
        self._suspicion.refuse_without_evidence(request.despite_evidence)
        await self.preflight.heed()
        await self.rise_above_what_stands(lease)
        plan = self.make_plan(plan_failover)
        self.open_gate(plan, self._question())
        await self.execute(plan)

    async def call(self, step: Step) -> Outcome:
        """Do a step; those that wait and look at the source are no activities."""
        if step.verb is Verb.HOLD_OFF:
            return await self._suspicion.hold_off(step)
        if step.verb is Verb.LOOK_AGAIN:
            return await self._suspicion.look_again()
        return await super().call(step)

    @property
    def rule(self) -> ApprovalRule:
        """Who must agree to this run; two people where it would be the second one in a short time, and somebody in any
        case where it was only proposed."""
        rule = self._suspicion.rule(super().rule)
        return spoken(rule) if self._proposed else rule

    def _question(self) -> str:
        ledger = self.ledger
        point = "" if ledger.choice == "latest" else f", to the recovery point {ledger.choice}"
        asked = f"Fail over {ledger.application} from {ledger.source} to {ledger.target} ({ledger.mode.value}){point}?"
        return f"{self._suspicion.warning()} {asked}".strip()
