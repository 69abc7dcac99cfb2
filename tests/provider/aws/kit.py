"""What the tests of AWS kinds share: the conformance suite with the faults that only a cloud has."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from activities.providers.base import Context
from infra.awssim.faults import Kind, Rule
from infra.awssim.ledger import Entry, Outcome
from tests.awssim.world import EAST, WEST, World
from tests.provider.conformance import Conformance, Subject
from tests.provider.support import NEW, OLD, context
from workflows.model.failure import Code, OutcomeUnknownError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest

REGIONS = {OLD: EAST, NEW: WEST}
T = TypeVar("T")


def worker(folder: Path, mine: Callable[[], None] = lambda: None) -> Context:
    """A context of the control worker: every worker can act on AWS."""
    return context("control", folder, mine)


class AwsSubject(Subject):
    """An effect that is one call of AWS, or begins with one."""

    secrets = ("canary-aws-secret",)
    operation: str
    """AWS's name of the call, such as `StartInstances`."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world, self.sim = folder, world, world.sim
        self.mark = world.mark()
        self.component = world.name()

    def own(self, asked: StepRequest) -> StepRequest:
        """Of a component of its own: no other test has left a note in its register, or has used its tokens."""
        step = f"{self.component}.{asked.ref.step.partition('.')[2]}"
        target = asked.target.model_copy(update={"name": self.component})
        return asked.model_copy(update={"target": target, "ref": asked.ref.model_copy(update={"step": step})})

    def arrived(self, operation: str = "") -> int:
        """How often the operation was asked for, in all regions."""
        wanted = operation or self.operation
        return sum(call.count for call in self.sim.control.calls() if call.operation == wanted)

    def effects(self, operation: str = "") -> list[Entry]:
        """The calls of the operation that took effect since this subject was made."""
        wanted = operation or self.operation
        lines = self.sim.control.ledger(self.mark)
        return [line for line in lines if line.operation == wanted and line.outcome is Outcome.TOOK_EFFECT]

    async def count(self) -> int:
        return len(self.effects())

    @contextlib.asynccontextmanager
    async def met_by(self, *rules: Rule) -> AsyncIterator[None]:
        """While it lasts, these faults and no others."""
        self.sim.control.set_faults(rules)
        try:
            yield
        finally:
            self.sim.control.clear_faults()

    def held(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.met_by(Rule(kind=Kind.CUT, operation=self.operation))


class AwsConformance(Conformance):
    """Inherit, and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> AwsSubject:
        raise NotImplementedError

    async def test_cancelled_midway_and_asked_again_it_happens_once(self, subject: AwsSubject) -> None:  # type: ignore[override]
        """The cancel waits for the call in flight: what it did is known when the cancel is told."""
        async with subject.met_by(Rule(kind=Kind.LATENCY, operation=subject.operation, seconds=1.0)):
            asked = subject.arrived()
            task = asyncio.create_task(subject.do())
            while subject.arrived() == asked and not task.done():  # noqa: ASYNC110 (the simulator has no event)
                await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await subject.count() == 1
        await subject.do()
        assert await subject.count() == 1

    async def test_throttled_it_changes_nothing_and_is_tried_again_later(self, subject: AwsSubject) -> None:
        before = await subject.state()
        async with subject.met_by(Rule(kind=Kind.THROTTLE, operation=subject.operation)):
            with pytest.raises(TemporaryError) as caught:
                await subject.do()
        assert caught.value.code is Code.THROTTLED
        assert caught.value.delay
        assert await subject.state() == before

    async def test_an_error_of_the_service_is_unknown_and_then_read_back(self, subject: AwsSubject) -> None:
        async with subject.met_by(Rule(kind=Kind.ERROR, operation=subject.operation, status=500, times=1)):
            with pytest.raises(OutcomeUnknownError):
                await subject.do()
        await subject.do()
        assert await subject.count() == 1

    async def test_with_a_third_of_the_answers_lost_it_happens_once(self, subject: AwsSubject) -> None:
        async with subject.met_by(Rule(kind=Kind.CUT, probability=0.3, seed=7)):
            await persist(subject.do)
        assert await subject.count() == 1


async def persist(attempt: Callable[[], Awaitable[T]], tries: int = 40) -> T:
    """As Temporal would: again after every error that may pass."""
    last: SeawallError | None = None
    for _ in range(tries):
        try:
            return await attempt()
        except (TemporaryError, OutcomeUnknownError) as error:
            last = error
    raise AssertionError(f"never done: {last}")
