"""The rules that every provider keeps, tried on the real thing.

A provider's test file makes a `Subject` of each of its mutating verbs and inherits `Conformance`.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Any

import pytest

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError
from workflows.model.messages import StepResult

EPOCH = 5


class TimeOver(Exception):
    """Raised by `still_mine` of an attempt whose time is over."""


class Subject(ABC):
    """One effect of one provider on a real target."""

    secrets: tuple[str, ...] = ()
    undoable = True
    unknown_settles = True
    """Whether the effect is sure to have landed once it is read back (False: it is only known not to be doubled)."""

    @abstractmethod
    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        """The effect. `over`: as an attempt whose time is over; `hurry`: with the shortest limits; `where`: at a
        site that the component does not have."""

    @abstractmethod
    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        """Its undo."""

    @abstractmethod
    async def state(self) -> Any:
        """What stands, read past the provider."""

    @abstractmethod
    def held(self) -> contextlib.AbstractAsyncContextManager[None]:
        """While it lasts, the answer to the effect does not come."""

    @abstractmethod
    async def disturb(self) -> None:
        """Change the world so that it is neither as planned nor as wanted."""

    @abstractmethod
    async def count(self) -> int:
        """How often the effect stands."""


def over() -> None:
    """For `Context.still_mine`."""
    raise TimeOver


class Conformance:
    """Inherit, and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError

    async def test_asked_twice_it_happens_once(self, subject: Subject) -> None:
        first = await subject.do()
        state = await subject.state()
        second = await subject.do()
        assert (first.changed, second.changed) == (True, False)
        assert await subject.state() == state
        assert await subject.count() == 1

    async def test_undone_it_is_as_it_was(self, subject: Subject) -> None:
        if not subject.undoable:
            pytest.skip("It has no undo: it is the pivot.")
        before = await subject.state()
        result = await subject.do()
        assert await subject.state() != before
        assert (await subject.undo(result=result)).changed
        assert await subject.state() == before
        assert not (await subject.undo(result=result)).changed
        assert await subject.state() == before

    async def test_undo_of_what_never_happened_changes_nothing(self, subject: Subject) -> None:
        if not subject.undoable:
            pytest.skip("It has no undo: it is the pivot.")
        before = await subject.state()
        assert not (await subject.undo()).changed
        assert await subject.state() == before

    async def test_a_lower_epoch_is_refused(self, subject: Subject) -> None:
        await subject.do()
        state = await subject.state()
        with pytest.raises(PermanentError) as caught:
            await subject.do(EPOCH - 1)
        assert caught.value.code is Code.STALE_EPOCH
        if subject.undoable:
            with pytest.raises(PermanentError) as caught:
                await subject.undo(EPOCH - 1)
            assert caught.value.code is Code.STALE_EPOCH
        assert await subject.state() == state

    async def test_a_site_that_it_does_not_know_is_refused(self, subject: Subject) -> None:
        before = await subject.state()
        with pytest.raises(PermanentError) as caught:
            await subject.do(where="elsewhere")
        assert caught.value.code in (Code.CONFIGURATION, Code.NOT_FOUND)
        assert await subject.state() == before

    async def test_an_attempt_whose_time_is_over_does_not_act(self, subject: Subject) -> None:
        before = await subject.state()
        with pytest.raises(TimeOver):
            await subject.do(over=True)
        assert await subject.state() == before

    async def test_a_lost_answer_is_unknown_and_then_read_back(self, subject: Subject) -> None:
        async with subject.held():
            with pytest.raises(OutcomeUnknownError) as caught:
                await subject.do(hurry=True)
        assert caught.value.code is Code.OUTCOME_UNKNOWN
        self.clean(caught.value, subject)
        await subject.do()
        assert await subject.count() == 1

    async def test_cancelled_midway_and_asked_again_it_happens_once(self, subject: Subject) -> None:
        async with subject.held():
            task = asyncio.create_task(subject.do())
            await asyncio.wait({task}, timeout=0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await subject.do()
        assert await subject.count() == 1

    async def test_a_world_that_changed_since_the_plan_is_refused(self, subject: Subject) -> None:
        await subject.disturb()
        before = await subject.state()
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.PRECONDITION_CHANGED
        assert await subject.state() == before
        self.clean(caught.value, subject)

    @staticmethod
    def clean(error: SeawallError, subject: Subject) -> None:
        """No secret in the error or in what it was raised from."""
        seen: BaseException | None = error
        while seen is not None:
            assert not any(secret in repr(seen) or secret in str(seen) for secret in subject.secrets)
            seen = seen.__cause__
