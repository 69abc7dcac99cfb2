"""Until an effect shows: looks again and again, seldom enough for AWS and often enough for the clock."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from activities.providers.base import Context
from workflows.model.failure import OutcomeUnknownError, TemporaryError

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
"""Seconds. AWS asks for at least some seconds between looks at slow things; a fast one should not wait for them."""
OVERSHOOT = 0.03
"""A pause is this part of the time that was waited already, so that what took a minute is seen two seconds later at
most: about 180 looks in ten minutes, far below what AWS lets one account ask for."""
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
    start, said = time.monotonic(), "AWS was asked"
    while True:
        pause = min(max(FIRST_PAUSE, OVERSHOOT * (time.monotonic() - start)), LONGEST_PAUSE)
        try:
            found = await look()
            if done(found):
                return found
            said = words(found)
        except TemporaryError as error:
            said = error.sentence
            pause = max(pause, error.delay or 0)
        context.heartbeat(said)
        if time.monotonic() + pause > start + patience:
            raise OutcomeUnknownError(f"It did not come true in time: {said}.", "The next attempt looks first.")
        await asyncio.sleep(pause)
