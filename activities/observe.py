"""observe: one look at one component at one site. A dead or silent target is an answer, not an error."""

from temporalio import activity

from workflows.model.messages import ObserveRequest
from workflows.model.observed import Observation
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import on_the_wire


class Observe:
    """Looks, and changes nothing."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @activity.defn(name=Verb.OBSERVE.value)
    async def observe(self, request: ObserveRequest) -> Observation:
        """What this worker sees of the component."""
        with on_the_wire():
            provider = self._bench.provider(request.target)
            return await provider.observe(request.target.name, request.target.site, request.observer)
