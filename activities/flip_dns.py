"""flip_dns and restore_dns: send users to the other site as one compare-and-set, never to nowhere."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class FlipDns:
    """Changes where a name points, under the run's epoch."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.FLIP_DNS)
    async def flip_dns(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).flip_dns(request)

    @verb(Verb.RESTORE_DNS)
    async def restore_dns(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).restore_dns(request)
