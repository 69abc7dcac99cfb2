"""reopen_site: switch a held-off site on again, with nothing of the application started there. close_site undoes it."""

from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class ReopenSite:
    """Asks the site's fence device. A stale primary that came up by itself would be a second writer."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.REOPEN_SITE)
    async def reopen_site(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Nothing to do where the site has no device, or where it is on."""
        if request.fence_device is None:
            return StepResult(changed=False, detail="The site has no fence device that would hold it off.")
        return await self._bench.device(request.fence_device, pulse).reopen_site(request)

    @verb(Verb.CLOSE_SITE)
    async def close_site(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Only what this run opened is held off again."""
        if request.fence_device is None:
            return StepResult(changed=False, detail="The site has no fence device that would hold it off.")
        return await self._bench.device(request.fence_device, pulse).close_site(request)
