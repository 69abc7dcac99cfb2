"""snapshot: a restorable copy of a data component, verified."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class Snapshot:
    """Takes a copy; idempotent by the request's key."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.SNAPSHOT)
    async def snapshot(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).snapshot(request)
