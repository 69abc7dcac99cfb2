"""What the simulated kinds share: their world, and the one way in which an effect is had."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from activities.providers.base import Provider, now
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.verbs import Verb

from .sim_world import OpenBubble, Pair, World


class SimSettings(Strict):
    """Which world, where one set of workers serves many."""

    world: str = ""


class SimProvider(Provider):
    """A provider of a simulated kind."""

    Settings = SimSettings
    worlds: ClassVar[Mapping[str, World]]

    @property
    def world(self) -> World:
        """The world of the component's runbook."""
        return self.worlds[self.settings.world]

    async def strike(self, verb: Verb, when: str, step: str = "") -> None:
        """Let a fault happen to this attempt."""
        await self.world.strike(verb, when, self.context, step)

    async def effect(self, verb: Verb, request: StepRequest, apply: Callable[[], StepResult]) -> StepResult:
        """Look, act, and tell; `apply` raises when what it finds forbids it."""
        await self.strike(verb, "look", request.ref.step)
        if found := self.world.earlier(verb, request):
            return found
        await self.strike(verb, "before", request.ref.step)
        self.context.still_mine()
        result = self.world.did(verb, request, apply())
        await self.strike(verb, "after", request.ref.step)
        return result

    async def reading(self, verb: Verb, request: StepRequest) -> None:
        """What changes nothing can go wrong all the same."""
        await self.strike(verb, "before", request.ref.step)
        await self.strike(verb, "after", request.ref.step)

    def inside(self, request: StepRequest) -> OpenBubble:
        """The bubble in which the step acts.

        Raises:
            PermanentError: PRECONDITION_CHANGED, when it is not open.
        """
        bubble = request.target.bubble
        assert bubble is not None
        if bubble.name not in self.world.bubbles:
            raise PermanentError(Code.PRECONDITION_CHANGED, f"The bubble {bubble.name} is not open.")
        return self.world.bubbles[bubble.name]


def pair_of(request: StepRequest) -> Pair:
    """The component where the step acts."""
    return request.target.name, request.target.site


def proof_of(request: StepRequest, method: str, independent: bool, position: str | None) -> FenceProof:
    """A provider's or device's part of a fence proof; the verb adds the write probe."""
    return FenceProof(
        component=request.target.name,
        site=request.target.site,
        epoch=request.ref.epoch,
        method=method,
        proven=not independent,
        write_probe=Reach.UNKNOWN,
        independent=independent,
        position=position,
        at=now(),
    )
