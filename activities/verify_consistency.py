"""verify_consistency: do both sites hold the same?"""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class VerifyConsistency:
    """Reads both sites; changes nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.VERIFY_CONSISTENCY)
    async def verify_consistency(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await (await self._bench.provider(request.target, pulse)).verify_consistency(request)
