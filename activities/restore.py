"""restore and discard_restore: lay a recovery point down where it can be promoted, and put back what was there."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class Restore:
    """Sets aside what stands at the site; throws nothing away."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.RESTORE)
    async def restore(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).restore(request)

    @verb(Verb.DISCARD_RESTORE)
    async def discard_restore(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).discard_restore(request)
