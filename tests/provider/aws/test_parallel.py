"""Several changes side by side: the gravest of what went wrong is told, and never as less than it is."""

import asyncio
import functools

import pytest

from activities.providers.aws.errors import CapacityShort, Refused
from activities.providers.aws.parallel import WIDTH, all_of
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError

STALE = PermanentError(Code.STALE_EPOCH, "A later run has taken over.")
REFUSED = Refused(Code.PERMISSION, "UnauthorizedOperation", "It may not.")
LOST = OutcomeUnknownError("The answer was lost.")
SHORT = CapacityShort("InsufficientInstanceCapacity", "There is no room.", "")


class Acts:
    """Changes that end as they are told to; how many were made, and how many at once."""

    def __init__(self) -> None:
        self.made = self.now = self.most = 0

    async def do(self, end: SeawallError | None) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.01)
            if end:
                raise end
        finally:
            self.now -= 1
        self.made += 1
        return "done"


async def ended(*ends: SeawallError | None) -> BaseException:
    acts = Acts()
    with pytest.raises(SeawallError) as caught:
        await all_of({str(number): functools.partial(acts.do, end) for number, end in enumerate(ends)})
    assert acts.made == ends.count(None), "each is tried, whatever becomes of the others"
    return caught.value


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((SHORT, REFUSED), REFUSED),
        ((REFUSED, LOST, SHORT), LOST),
        ((LOST, STALE, None), STALE),
        ((SHORT, None), SHORT),
    ],
)
async def test_the_gravest_is_told(ends: tuple[SeawallError | None, ...], told: SeawallError) -> None:
    assert await ended(*ends) is told


async def test_a_refusal_after_a_change_does_not_say_that_nothing_was_changed() -> None:
    error = await ended(None, REFUSED)
    assert isinstance(error, OutcomeUnknownError)
    assert str(error).startswith("1 of the changes were made; then: It may not.")


async def test_only_some_are_made_at_a_time() -> None:
    acts = Acts()
    done = await all_of({str(number): functools.partial(acts.do, None) for number in range(3 * WIDTH)})
    assert (len(done), acts.most) == (3 * WIDTH, WIDTH)
