"""rebuild_replica: make the old site a replica of the serving one."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class RebuildReplica:
    """Overwrites the old copy, once it is sure that it is the old one."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.REBUILD_REPLICA)
    async def rebuild_replica(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).rebuild_replica(request)
