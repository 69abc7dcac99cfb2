"""compare_sites: could the component live at the other site as well as it does here?"""

from workflows.model.failure import Code, PermanentError
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
        """Ask the provider.

        Raises:
            PermanentError: TARGET_UNFIT with every finding with which a planned move must not start.
        """
        result = await (await self._bench.provider(request.target, pulse)).compare_sites(request)
        if blocking := [finding for finding in result.findings if finding.blocking]:
            raise PermanentError(
                Code.TARGET_UNFIT,
                "; ".join(f"{finding.code}: {finding.sentence}".rstrip(".") for finding in blocking) + ".",
                " ".join(finding.next_step for finding in blocking),
            )
        return result
