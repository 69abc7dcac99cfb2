"""Switchover: a planned move of a healthy application to its other site, without loss, in either direction."""

from temporalio import workflow

from workflows.engine.homeward import PlannedMove
from workflows.engine.moving import missing_input
from workflows.model.plan import Mode, Operation
from workflows.model.report import Report
from workflows.model.requests import SwitchoverRequest


@workflow.defn(name="Switchover")
class Switchover(PlannedMove):
    """One switchover of one application."""

    @workflow.init
    def __init__(self, request: SwitchoverRequest | None = None) -> None:
        super().__init__(Operation.SWITCHOVER)
        if request is not None:
            self.take(request, Mode.PLANNED)

    @workflow.run
    async def run(self, request: SwitchoverRequest | None = None) -> Report:
        if request is None:
            raise missing_input("Switchover", SwitchoverRequest)
        return await self.conduct(self._switch_over(request))

    async def _switch_over(self, request: SwitchoverRequest) -> None:
        """The procedure, as an operator would say it."""
        runbook = await self.load(request.runbook)
        await self.find_its_drill()
        await self.insist_on_authority("switchover")
        self.insist_on_a_requester()
        lease = await self.acquire(runbook)
        self.head_for(request.to, lease)
        self.insist_on_protection(lease)
        await self.move_as_planned(lease, request.at)
