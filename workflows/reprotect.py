"""Reprotect: after a failover the application runs without a replica; rebuild it at the site that was left."""

from temporalio import workflow

from workflows.engine.moving import Moving, missing_input, refuse
from workflows.model.entity import Lease
from workflows.model.plan import Mode, Operation
from workflows.model.report import Report
from workflows.model.requests import ReprotectRequest
from workflows.planning.evidence import judge_reprotect
from workflows.planning.reprotect import plan_reprotect


@workflow.defn(name="Reprotect")
class Reprotect(Moving):
    """One reprotect of one application. `source` is the site that was left, `target` the one that serves."""

    @workflow.init
    def __init__(self, request: ReprotectRequest | None = None) -> None:
        super().__init__(Operation.REPROTECT)
        if request is not None:
            self.take(request, Mode.PLANNED)

    @workflow.run
    async def run(self, request: ReprotectRequest | None = None) -> Report:
        if request is None:
            raise missing_input("Reprotect", ReprotectRequest)
        return await self.conduct(self._reprotect(request))

    async def _reprotect(self, request: ReprotectRequest) -> None:
        """The procedure, as an operator would say it."""
        runbook = await self.load(request.runbook)
        await self.authority.insist("reprotect")
        lease = await self.acquire(runbook)
        self._turn_around(lease)
        await self.look_around(patiently=True)
        refuse(judge_reprotect(self.runbook, self.ledger.source, self.ledger.target, self.ledger.observations))
        await self.rise_above_what_stands(lease)
        plan = self.make_plan(plan_reprotect)
        source, target = self.ledger.source, self.ledger.target
        self.open_gate(plan, f"Overwrite {self.ledger.application} at {source}, to make it follow {target}?")
        await self.execute(plan)

    async def pivot_in_the_world(self) -> str | None:
        """Never: that the target serves is how a reprotect begins, and no step of it has an undo."""
        return None

    def _turn_around(self, lease: Lease) -> None:
        """The serving site stays; the other one is rebuilt from it."""
        self.ledger.target = lease.active_site
        self.ledger.source = self.runbook.other_sites(lease.active_site)[0]
        self.changed()
