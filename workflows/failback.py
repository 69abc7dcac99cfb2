"""Failback: the switchover home, after a failover and a reprotect."""

from temporalio import workflow

from workflows.engine.homeward import PlannedMove
from workflows.engine.moving import missing_input
from workflows.model.plan import Mode, Operation
from workflows.model.report import Report
from workflows.model.requests import FailbackRequest


@workflow.defn(name="Failback")
class Failback(PlannedMove):
    """One failback of one application."""

    @workflow.init
    def __init__(self, request: FailbackRequest | None = None) -> None:
        super().__init__(Operation.FAILBACK)
        if request is not None:
            self.take(request, Mode.PLANNED)

    @workflow.run
    async def run(self, request: FailbackRequest | None = None) -> Report:
        if request is None:
            raise missing_input("Failback", FailbackRequest)
        return await self.conduct(self._fail_back(request))

    async def _fail_back(self, request: FailbackRequest) -> None:
        """The procedure, as an operator would say it."""
        runbook = await self.load(request.runbook)
        await self.find_its_drill()
        await self.insist_on_authority("failback")
        self.insist_on_a_requester()
        lease = await self.acquire(runbook)
        self.head_for(runbook.home, lease)
        self.insist_on_protection(lease)
        await self.move_as_planned(lease, request.at)
