"""clone_data: a copy of the data for a drill, in its bubble."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class CloneData:
    """Touches the copy only."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.CLONE_DATA)
    async def clone_data(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).clone_data(request)
