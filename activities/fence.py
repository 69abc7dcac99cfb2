"""fence and unfence: make the old site refuse writes, and prove it.

A proof is one of two things, and nothing less:

* planned: the provider stopped the source itself, and a write probe is refused by it;
* unplanned: an independent path (the site's fence device) holds the host off, and a write probe gets no further.

A silent target without an independent path proves nothing: silence may be the network's.
"""

from temporalio import activity

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.plan import Mode
from workflows.model.runbook import FenceDevice
from workflows.model.verbs import Verb

from .bench import Bench
from .providers.base import now
from .wire import Pulse, verb

_DEVICE_TRIES = 5


class Fence:
    """Fences a data component's old site, and undoes it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.FENCE)
    async def fence(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Fence, probe, and answer with the proof.

        Raises:
            PermanentError: FENCE_UNPROVEN, naming what could not be proved.
        """
        provider = await self._bench.provider(request.target, pulse)
        if request.mode is Mode.PLANNED:
            result = await provider.fence(request)
        elif request.fence_device is None:
            result = StepResult(changed=False)
        else:
            result = await self._by_device(request, request.fence_device, pulse)
        probe = await provider.probe_write(request.target.site)
        if probe is Reach.SERVING:
            # Not unproven but disproved: no person may accept this as a risk, so it must not park as one.
            raise PermanentError(
                Code.SOURCE_HEALTHY,
                f"{request.target.name} at {request.target.site} was fenced and still accepts a write.",
                "Find out why its fence does not hold; promoting now would make two writers.",
            )
        proof = _prove(request, result.proof, probe)
        if not proof.proven:
            raise PermanentError(
                Code.FENCE_UNPROVEN,
                f"It is not proved that {request.target.name} at {request.target.site} refuses writes: {proof.detail}",
                "Mend the path to its fence device and retry, or accept the risk of two writers by name.",
            )
        return result.model_copy(update={"proof": proof, "detail": proof.detail})

    async def _by_device(self, request: StepRequest, device: FenceDevice, pulse: Pulse) -> StepResult:
        """Ask the device, a few times; then say that nothing is proved, rather than keep people waiting."""
        try:
            return await self._bench.device(device, pulse).fence(request)
        except (TemporaryError, OutcomeUnknownError) as error:
            if activity.info().attempt < _DEVICE_TRIES:
                raise
            raise PermanentError(
                Code.FENCE_UNPROVEN,
                f"The fence device of {request.target.site} did not confirm: {error.sentence}",
                "Mend the path to it and retry, or accept the risk of two writers by name.",
            ) from None

    @verb(Verb.UNFENCE)
    async def unfence(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Let the old site serve again, as it did before.

        Raises:
            PermanentError: PRECONDITION_CHANGED when the other site accepts writes: the last place that insists.
        """
        await self._insist_on_no_promote(request, pulse)
        if request.mode is Mode.PLANNED:
            return await (await self._bench.provider(request.target, pulse)).unfence(request)
        if request.fence_device is None:
            return StepResult(changed=False, detail="There was no fence device, so nothing was fenced.")
        return await self._bench.device(request.fence_device, pulse).unfence(request)

    async def _insist_on_no_promote(self, request: StepRequest, pulse: Pulse) -> None:
        target = request.target
        if await (await self._bench.provider(target, pulse)).probe_write(target.target) is Reach.SERVING:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"{target.name} at {target.target} accepts writes, so {target.source} must stay fenced.",
                "Go forward at the new site; going home is a failback of its own.",
            )


def _prove(request: StepRequest, proof: FenceProof | None, probe: Reach) -> FenceProof:
    site = request.target.site
    held_off = proof is not None and proof.independent
    stopped = proof is not None and not proof.independent and proof.proven and probe is Reach.REFUSED
    proven = probe is not Reach.SERVING and (stopped or held_off)
    if proof is None:
        method, detail = "none", f"a write probe says {probe.value}, and {site} has no fence device to confirm it."
    elif proven:
        method, detail = proof.method, f"{proof.method}; a write probe says {probe.value}."
    else:
        method, detail = proof.method, f"{proof.method}, but a write probe says {probe.value}."
    return FenceProof(
        component=request.target.name,
        site=site,
        epoch=request.ref.epoch,
        method=method,
        proven=proven,
        write_probe=probe,
        independent=held_off,
        position=proof.position if proof else None,
        at=now(),
        detail=detail,
    )
