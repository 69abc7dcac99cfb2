"""start_instances and stop_instances: let a compute component run at a site, or not."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class Instances:
    """Starts and stops; as an undo, stops only what the run itself started."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.START_INSTANCES)
    async def start_instances(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).start_instances(request)

    @verb(Verb.STOP_INSTANCES)
    async def stop_instances(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).stop_instances(request)
