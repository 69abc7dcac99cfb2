"""prune: remove the recovery points that the retention no longer wants."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class Prune:
    """Never removes the last verified one."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.PRUNE)
    async def prune(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).prune(request)
