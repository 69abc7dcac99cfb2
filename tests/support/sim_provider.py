"""What the simulated kinds share: their world, and the one way in which an effect is had."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from activities.providers.base import Provider, now
from workflows.model.base import Strict
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach
from workflows.model.verbs import Verb

from .sim_world import OpenBubble, Pair, World

_LATE: set["asyncio.Task[None]"] = set()
"""Effects that are still to land; the event loop itself keeps only weak references."""


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

    def clock(self) -> datetime:
        """The time of the machine on which this worker runs."""
        return now() + timedelta(seconds=self.world.skew.get(self.context.here, 0.0))

    async def strike(self, verb: Verb, when: str, step: str = "") -> None:
        """Let a fault happen to this attempt."""
        await self.world.strike(verb, when, self.context, step)

    async def effect(self, verb: Verb, request: StepRequest, apply: Callable[[], StepResult]) -> StepResult:
        """Look, act, and tell; `apply` raises when what it finds forbids it."""
        await self.strike(verb, "look", request.ref.step)
        if found := self.world.earlier(verb, request):
            return found
        if self.world.takes_without_answer(verb, request.ref.step):
            self._land_late(verb, request, apply)
            raise OutcomeUnknownError(f"{verb.value} was asked for, and no answer came.")
        await self.strike(verb, "before", request.ref.step)
        self.context.still_mine()
        self.world.insist_on_epoch(request)
        result = self.world.did(verb, request, apply())
        await self.strike(verb, "after", request.ref.step)
        return result

    def _land_late(self, verb: Verb, request: StepRequest, apply: Callable[[], StepResult]) -> None:
        """The other side has the request, and acts on it when it comes to it; it knows keys and epochs as ever."""

        async def land() -> None:
            world = self.world
            await world.landing.wait()
            try:
                if world.earlier(verb, request) is None:
                    world.did(verb, request, apply())
                    world.landed.append("landed")
                else:
                    world.landed.append("repeated")
            except SeawallError:
                world.landed.append("refused")

        task = asyncio.create_task(land())
        _LATE.add(task)
        task.add_done_callback(_LATE.discard)

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
