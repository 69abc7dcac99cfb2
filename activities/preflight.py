"""preflight: what a recovery at a site would stumble over, told while there is time to mend it. It changes nothing."""

import asyncio
from datetime import timedelta

from temporalio import activity

from workflows.model.failure import SeawallError
from workflows.model.messages import PreflightRequest, PreflightResult, Target
from workflows.model.observed import Finding

from .bench import Bench
from .wire import on_the_wire

PATIENCE = 5.0
"""Seconds for one component, so that its silence hides nothing of the others. A run waits 10 s for all of them, and a
call that is in flight is let to its end."""


class Preflight:
    """Asks providers, and decides nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @activity.defn(name="preflight")
    async def preflight(self, request: PreflightRequest) -> PreflightResult:
        """What all of the components lack, asked together; what two of them lack is told once."""
        with on_the_wire():
            found = await asyncio.gather(*(self._ask(target, request.rpo) for target in request.targets))
        return PreflightResult(findings=tuple(dict.fromkeys(one for findings in found for one in findings)))

    async def _ask(self, target: Target, rpo: timedelta) -> tuple[Finding, ...]:
        try:
            async with asyncio.timeout(PATIENCE):
                provider = await self._bench.provider(target)
                return await provider.preflight(target.name, target.site, rpo)
        except SeawallError as error:
            return (_silent(target, error.sentence, error.next_step),)
        except TimeoutError:
            return (_silent(target, f"no answer within {PATIENCE:.0f} s"),)


def _silent(target: Target, why: str, next_step: str = "") -> Finding:
    return Finding(
        code="PREFLIGHT_SILENT",
        sentence=f"What {target.name} lacks at {target.site} is not known: {why.rstrip('.')}.",
        next_step=next_step or "Ask with `seawall doctor`.",
    )
