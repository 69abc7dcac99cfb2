"""observe: one observer's look at components of one site. A dead or silent target is an answer, not an error."""

import asyncio

from temporalio import activity

from workflows.model.messages import Looks, ObserveRequest
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import on_the_wire


class Observe:
    """Looks, and changes nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @activity.defn(name=Verb.OBSERVE.value)
    async def observe(self, request: ObserveRequest) -> Looks:
        """What this worker sees of the components, all looked at together."""
        with on_the_wire():
            looks = await asyncio.gather(*(self._bench.observe(target, request.observer) for target in request.targets))
        return Looks(looks=tuple(looks))
