"""promote: the pivot. It refuses to act without a fence proof of the same epoch, whoever asks.

The planner puts the fence first, and the engine waits for it; this is the third and last place that insists, because
a bug in the first two would make two writers.
"""

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class Promote:
    """Lets the target accept writes under the run's epoch."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.PROMOTE)
    async def promote(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Insist on the fence, then ask the provider."""
        _insist_on_fence(request)
        return await (await self._bench.provider(request.target, pulse)).promote(request)


def _insist_on_fence(request: StepRequest) -> None:
    if request.accepted_risk is not None or request.target.bubble is not None:
        return  # A clone in a bubble has no old site: the provider acts on nothing else there.
    wanted = (request.target.name, request.target.source, request.ref.epoch)
    if any(proof.proven and (proof.component, proof.site, proof.epoch) == wanted for proof in request.proofs):
        return
    raise PermanentError(
        Code.FENCE_UNPROVEN,
        f"There is no fence proof of epoch {request.ref.epoch} for {request.target.name} at {request.target.source}.",
        "This is a defect of the plan or the engine: abort the run and report it.",
    )
