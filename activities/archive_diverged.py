"""archive_diverged: keep and name what only the old site has, before anything there is overwritten."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class ArchiveDiverged:
    """Copies; overwrites nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.ARCHIVE_DIVERGED)
    async def archive_diverged(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).archive_diverged(request)
