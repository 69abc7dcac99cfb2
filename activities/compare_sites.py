"""compare_sites: could the component live at the other site as well as it does here?"""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class CompareSites:
    """Reads both sites; changes nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.COMPARE_SITES)
    async def compare_sites(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider."""
        return await self._bench.provider(request.target, pulse).compare_sites(request)
