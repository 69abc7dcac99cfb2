"""Several changes of one step side by side: each is tried, and the gravest of what went wrong is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from workflows.model.failure import OutcomeUnknownError, PermanentError, SeawallError

from .errors import Refused

WIDTH = 4
"""At a time. EC2 lets an account start with five changes of a kind, and go on with two a second."""
T = TypeVar("T")


async def all_of(acts: Mapping[str, Callable[[], Awaitable[T]]]) -> dict[str, T]:
    """Do all of them; what each answered, by its name. A cancel waits for the calls in flight.

    Raises:
        PermanentError: one was refused, and none has changed anything.
        OutcomeUnknownError: one was refused after another was done, or its answer was lost.
        TemporaryError: one may succeed later, and no graver thing happened.
    """
    turn, done, failed = asyncio.Semaphore(WIDTH), dict[str, T](), list[Exception]()

    async def one(name: str, act: Callable[[], Awaitable[T]]) -> None:
        async with turn:
            try:
                done[name] = await act()
            except Exception as error:  # told by `_gravest`, once the others are over
                failed.append(error)

    async with asyncio.TaskGroup() as group:
        for name, act in acts.items():
            group.create_task(one(name, act))
    if failed:
        raise _gravest(failed, len(done)) from None
    return done


def _gravest(failed: list[Exception], done: int) -> Exception:
    """What is no answer of AWS comes first (a defect, a stale epoch): nothing may go on after it."""
    worst = min(failed, key=_rank)
    if done and isinstance(worst, Refused):
        return OutcomeUnknownError(f"{done} of the changes were made; then: {worst.sentence}", worst.next_step)
    return worst


def _rank(error: Exception) -> int:
    if not isinstance(error, SeawallError) or (isinstance(error, PermanentError) and not isinstance(error, Refused)):
        return 0
    return 1 if isinstance(error, OutcomeUnknownError) else 2 if isinstance(error, Refused) else 3
