"""Which recovery point is wanted, and which of those that there are it means.

Invariant: a point is never picked for a moment at which its copy was not yet whole, nor for one that its log does not
reach. What would come back would not be the data of that moment.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from .base import Message
from .observed import RecoveryPoint

WAYS = 'expected "latest", "latest-verified", "before 2026-11-22T14:05:00Z", or the name of a recovery point'


class Way(StrEnum):
    """How a point is chosen."""

    LATEST = "latest"
    LATEST_VERIFIED = "latest-verified"
    BEFORE = "before"
    NAMED = "named"


class Choice(Message):
    """A choice, understood. `before` is in UTC."""

    way: Way
    before: datetime | None = None
    name: str = ""


def parse_choice(text: str) -> Choice:
    """Understand one of the four forms.

    Raises:
        ValueError: with a sentence that names them.
    """
    words = text.split()
    if not words:
        raise ValueError(WAYS)
    if words[0] == Way.BEFORE:
        return Choice(way=Way.BEFORE, before=_moment(words[1:]))
    if len(words) > 1 or not all(character.isalnum() or character in "-_." for character in words[0]):
        raise ValueError(WAYS)
    if words[0] in (Way.LATEST, Way.LATEST_VERIFIED):
        return Choice(way=Way(words[0]))
    return Choice(way=Way.NAMED, name=words[0])


def _moment(words: Sequence[str]) -> datetime:
    try:
        moment = datetime.fromisoformat(" ".join(words))
    except ValueError:
        raise ValueError('expected a time after "before", such as 2026-11-22T14:05:00Z') from None
    if moment.tzinfo is None:
        raise ValueError('expected a time with its zone, such as 2026-11-22T14:05:00Z ("Z" is UTC)')
    return moment.astimezone(UTC)


def pick(choice: Choice, points: Sequence[RecoveryPoint]) -> RecoveryPoint | None:
    """The point that is meant, with its `until` set where a moment was asked for; None when there is none."""
    if choice.way is Way.NAMED:
        return next((point for point in points if point.name == choice.name), None)
    if choice.way is Way.LATEST:
        streams = [point for point in points if point.kind == "stream"]
        return streams[0] if streams else _newest(points)
    if choice.way is Way.LATEST_VERIFIED:
        return _newest([point for point in points if point.verified is not None])
    before = choice.before
    assert before is not None
    found = _newest([point for point in points if covers(point, before)], before)
    return found and found.model_copy(update={"until": before})


def covers(point: RecoveryPoint, moment: datetime) -> bool:
    """Whether the data can be brought to exactly that moment. A stream has gone past it, and cannot go back."""
    if point.kind == "stream" or point.taken is None or point.covers_until is None:
        return False
    return point.taken <= moment <= point.covers_until


def _newest(points: Sequence[RecoveryPoint], before: datetime | None = None) -> RecoveryPoint | None:
    """The one that reaches furthest; for a moment, the one taken nearest before it: the least log is to be replayed."""
    earliest = datetime.min.replace(tzinfo=UTC)

    def reach(point: RecoveryPoint) -> tuple[datetime, datetime]:
        taken = point.taken or earliest
        return (taken, taken) if before else (point.covers_until or taken, taken)

    return max(points, key=reach, default=None)
