"""choose_recovery_point: the newest moment to which the data can be brought, and what taking it would lose."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class ChooseRecoveryPoint:
    """Reads the standby; changes nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.CHOOSE_RECOVERY_POINT)
    async def choose_recovery_point(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).choose_recovery_point(request)
