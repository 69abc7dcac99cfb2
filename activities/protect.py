"""protect: wait until the replica follows, then let the serving site rely on it."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class Protect:
    """From here on the application is protected again."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.PROTECT)
    async def protect(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).protect(request)
