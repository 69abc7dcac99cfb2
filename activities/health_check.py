"""health_check and verify: is the component serving at this site, and can a user really use the application?"""

from collections.abc import Sequence
from itertools import groupby

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult, Target
from workflows.model.observed import CheckResult
from workflows.model.runbook import Check, SqlCheck
from workflows.model.verbs import Verb

from .bench import Bench
from .bubble.inside import checks_inside, public_inside
from .bubble.place import Place
from .checks import run_check, run_public_check
from .wire import Pulse, verb


class HealthCheck:
    """Runs the runbook's checks; changes nothing but the nonce that a functional check writes."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.HEALTH_CHECK)
    async def health_check(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Run the component's checks of the site, in their order. Nobody can ask from inside a bubble device: there
        only the checks of the provider's own kind are run, and the others are told as not tried.

        Raises:
            PermanentError: CHECK_FAILED with the first check that did not pass within its deadline.
        """
        target = request.target
        provider = await self._bench.provider(target, pulse)
        results: list[CheckResult] = []
        wanted = _checks(target)
        tried = [check for check in wanted if _asked_here(check, target) or not request.bubble_device]
        for asked_here, checks in groupby(tried, lambda check: _asked_here(check, target)):
            if not asked_here and target.bubble:
                place = Place.of(self._bench.state_dir, target.bubble)
                results += await checks_inside(place, target.bubble, list(checks), pulse.progress)
                _insist(results)
                continue
            for check in checks:
                results.append(await run_check(check, provider=provider, site=target.site, heartbeat=pulse.progress))
                _insist(results)
        told = _told(results, left_out=len(wanted) - len(tried))
        return StepResult(changed=False, detail=told, checks=tuple(results))

    @verb(Verb.VERIFY)
    async def verify(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Write and read through the public name, as a user would.

        Raises:
            PermanentError: CHECK_FAILED with what a user would see.
        """
        assert request.public is not None
        if bubble := request.target.bubble:
            place = Place.of(self._bench.state_dir, bubble)
            result = await public_inside(place, bubble, request.public, pulse.progress)
        else:
            result = await run_public_check(request.public, heartbeat=pulse.progress)
        _insist([result])
        return StepResult(changed=False, detail=_told([result]), checks=(result,))


def _checks(target: Target) -> tuple[Check, ...]:
    if target.bubble and target.site in target.component.drill.checks:
        return target.component.drill.checks[target.site]
    return target.component.checks.get(target.site, ())


def _asked_here(check: Check, target: Target) -> bool:
    """Checks of a provider's own kind go through it, which knows the way to its clone; all others act inside."""
    return target.bubble is None or isinstance(check, SqlCheck)


def _insist(results: Sequence[CheckResult]) -> None:
    last = results[-1]
    if not last.passed:
        raise PermanentError(
            Code.CHECK_FAILED,
            f"The check {last.name} did not pass in {last.tries} tries: {last.detail}",
            "Mend what it names, then retry.",
        )


def _told(results: Sequence[CheckResult], left_out: int = 0) -> str:
    if not results and not left_out:
        return "The runbook names no checks for this site."
    words = [f"{result.name} passed" for result in results]
    words += [f"{left_out} checks can only be tried from inside"] if left_out else []
    return "; ".join(words)
