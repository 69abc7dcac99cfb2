"""measure_loss: count what was lost, in the data itself. What cannot be measured stays null."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class MeasureLoss:
    """Reads; changes nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.MEASURE_LOSS)
    async def measure_loss(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).measure_loss(request)
