"""open_bubble, prove_isolation and close_bubble: the place of an isolated drill, from its lease to its last trace.

It is a network of this worker's machine, unless the site has a bubble device: then that is asked.
"""

import asyncio

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .bubble import closing, opening, proof
from .bubble.place import Place
from .wire import Pulse, verb


class Bubbles:
    """Acts at the worker of the bubble's site."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.OPEN_BUBBLE)
    async def open_bubble(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Write the lease, then hold a network of its own open.

        Raises:
            PermanentError: ISOLATION_UNPROVEN where the kernel refuses, PRECONDITION_CHANGED, STALE_EPOCH, EXPIRED.
        """
        if request.bubble_device:
            return await self._bench.device(request.bubble_device, pulse).open_bubble(request)
        place = self._place(request)
        assert request.target.bubble is not None
        pulse.still_mine()
        changed, pid = await asyncio.to_thread(opening.open_, place, request.target.bubble, request.ref)
        return StepResult(
            detail=f"Open until {request.target.bubble.expires:%Y-%m-%d %H:%M:%S} UTC, held by process {pid}.",
            changed=changed,
            after={"pid": pid, "folder": str(place.folder)},
        )

    @verb(Verb.PROVE_ISOLATION)
    async def prove_isolation(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Try to get out, and to reach production.

        Raises:
            PermanentError: ISOLATION_UNPROVEN.
        """
        if request.bubble_device:
            return await self._bench.device(request.bubble_device, pulse).prove_isolation(request)
        place = self._place(request)
        assert request.target.bubble is not None
        pulse.progress("trying to reach production from inside")
        after = await asyncio.to_thread(proof.prove, place, request.target.bubble)
        return StepResult(
            detail=f"None of {len(after['canaries'])} canaries answers from inside; there is no way out.",
            changed=False,
            after=after,
        )

    @verb(Verb.CLOSE_BUBBLE)
    async def close_bubble(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Remove everything of it; also as the undo of its opening.

        Raises:
            PermanentError: PRECONDITION_CHANGED, when the bubble of another run has the name.
            OutcomeUnknownError: something is left, told in words.
        """
        if request.bubble_device:
            return await self._bench.device(request.bubble_device, pulse).close_bubble(request)
        place = self._place(request)
        lease = place.lease()
        if lease and lease.workflow_id != request.ref.workflow_id:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"The bubble {place.folder.name} belongs to the run {lease.workflow_id}.",
                "That run closes it, or it is swept when its time is over.",
            )
        pulse.still_mine()
        closed = await asyncio.to_thread(closing.close, place, pulse.progress)
        changed = bool(closed.processes or closed.folders)
        return StepResult(
            detail=f"Ended {closed.processes} processes, removed {closed.folders} folders; nothing is left."
            if changed
            else "There was nothing to close.",
            changed=changed,
            after={"leftovers": 0, "processes": closed.processes, "folders": closed.folders},
        )

    def _place(self, request: StepRequest) -> Place:
        bubble = request.target.bubble
        if bubble is None or bubble.site != self._bench.here:
            where = bubble.site if bubble else "no site"
            raise PermanentError(
                Code.CONFIGURATION,
                f"This step acts in a bubble at {where} and was sent to the worker at {self._bench.here}.",
                "Run it on the task queue of the bubble's site.",
            )
        return Place.of(self._bench.state_dir, bubble)
