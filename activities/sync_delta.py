"""sync_delta: bring the standby up to where the fenced site's data ends, or to the end of what it has received."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class SyncDelta:
    """Waits for the standby; changes nothing that would need an undo."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.SYNC_DELTA)
    async def sync_delta(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).sync_delta(request)
