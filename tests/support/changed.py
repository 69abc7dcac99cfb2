"""The next build of a workflow: `Failover` with another order of commands, as a release might bring it."""

from temporalio import workflow

from workflows.failover import Failover
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest

NEW_TIMER = "a step that the old build did not have"


@workflow.defn(name="Failover")
class ChangedFailover(Failover):
    """Waits a moment before it begins."""

    @workflow.init
    def __init__(self, request: FailoverRequest | None = None) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: FailoverRequest | None = None) -> Report:
        await workflow.sleep(0.01, summary=NEW_TIMER)
        return await super().run(request)
