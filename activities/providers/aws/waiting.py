"""Until an effect shows: looks with growing pauses, telling progress in every turn."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from activities.providers.base import Context
from workflows.model.failure import OutcomeUnknownError, TemporaryError

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.2, 15.0, 1.5
"""Seconds. AWS asks for at least some seconds between looks at slow things; a fast one should not wait for them."""
T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T]],
    done: Callable[[T], bool],
    words: Callable[[T], str],
    context: Context,
    patience: float,
) -> T:
    """Look until it is done; the last look.

    Args:
        look: asks AWS. Its temporary errors (throttling, no answer) are waited out.
        done: whether that is what was wanted; may raise for what can never come right.
        words: progress for people, such as `3 of 20 instances run`.
        context: of this attempt, for the heartbeat.
        patience: seconds.

    Raises:
        OutcomeUnknownError: it did not show in time; the next attempt looks first.
    """
    end, pause, said = time.monotonic() + patience, FIRST_PAUSE, "AWS was asked"
    while True:
        try:
            found = await look()
            if done(found):
                return found
            said = words(found)
        except TemporaryError as error:
            said = error.sentence
            pause = max(pause, error.delay or 0)
        context.heartbeat(said)
        if time.monotonic() + pause > end:
            raise OutcomeUnknownError(f"It did not come true in time: {said}.", "The next attempt looks first.")
        await asyncio.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE)
