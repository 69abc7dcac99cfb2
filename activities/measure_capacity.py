"""measure_capacity: what room the copy has left at its site, and how much has arrived there."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class MeasureCapacity:
    """Looks, and changes nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.MEASURE_CAPACITY)
    async def measure_capacity(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).measure_capacity(request)
