"""The `Application` entity where runs are pinned to their build: it is not, since it outlives every build.

It moves to the current build with its next task. So its code may change only behind `workflow.patched`, or where
histories that stand replay as they are; `tests/replay` holds it to that.
"""

from temporalio import workflow
from temporalio.common import VersioningBehavior

from workflows.application import Application
from workflows.model.entity import ApplicationState


@workflow.defn(name="Application", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradingApplication(Application):
    """An `Application` that goes on with the current build."""

    @workflow.init
    def __init__(self, state: ApplicationState | None = None) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ApplicationState | None = None) -> None:
        await super().run(state)
