"""measure_lag: how far the replica is behind, by a marker that was written and seen, never by its own word."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class MeasureLag:
    """Writes one marker at the serving site."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.MEASURE_LAG)
    async def measure_lag(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await self._bench.provider(request.target, pulse).measure_lag(request)
