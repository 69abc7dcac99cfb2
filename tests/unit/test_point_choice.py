"""Which recovery point is meant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.model.observed import RecoveryPoint
from workflows.model.point_choice import Choice, Way, covers, parse_choice, pick

T0 = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def point(name: str, taken: float, until: float, verified: bool = True) -> RecoveryPoint:
    return RecoveryPoint(
        component="db",
        site="recovery",
        kind="snapshot",
        position="0/0",
        name=name,
        taken=at(taken),
        covers_until=at(until),
        verified=at(taken) if verified else None,
    )


STREAM = RecoveryPoint(component="db", site="recovery", kind="stream", position="0/9")
POINTS = (point("db-5-c", 20, 30, verified=False), point("db-5-b", 10, 30), point("db-5-a", 0, 9))


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("latest", Choice(way=Way.LATEST)),
        ("latest-verified", Choice(way=Way.LATEST_VERIFIED)),
        ("before 2026-11-22T14:05:00Z", Choice(way=Way.BEFORE, before=at(5))),
        ("before 2026-11-22T15:05:00.5+01:00", Choice(way=Way.BEFORE, before=at(5) + timedelta(seconds=0.5))),
        ("before 2026-11-22 14:05:00Z", Choice(way=Way.BEFORE, before=at(5))),
        ("db-5-0a1b2c3d", Choice(way=Way.NAMED, name="db-5-0a1b2c3d")),
    ],
)
def test_four_ways_are_understood(text: str, choice: Choice) -> None:
    assert parse_choice(text) == choice


@pytest.mark.parametrize(
    "text",
    ["", "  ", "before", "before noon", "before 2026-11-22T14:05:00", "a b", "../x", "x/y", "$(reboot)", "before 2026"],
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_choice(text)


def name_of(text: str, *points: RecoveryPoint) -> str | None:
    found = pick(parse_choice(text), points)
    return found.name if found else None


def test_the_latest_is_the_stream_where_there_is_one() -> None:
    assert pick(parse_choice("latest"), (STREAM, *POINTS)) == STREAM
    assert name_of("latest", *POINTS) == "db-5-c"
    assert name_of("latest") is None


def test_the_latest_verified_is_never_one_that_was_not_proved() -> None:
    assert name_of("latest-verified", STREAM, *POINTS) == "db-5-b"
    assert name_of("latest-verified", STREAM, POINTS[0]) is None


def test_before_a_time_wants_a_point_that_covers_it() -> None:
    found = pick(parse_choice("before 2026-11-22T14:05:00Z"), (STREAM, *POINTS))
    assert found
    assert (found.name, found.until) == ("db-5-a", at(5))
    assert name_of("before 2026-11-22T14:25:00Z", *POINTS) == "db-5-c"
    assert name_of("before 2026-11-22T14:09:30Z", *POINTS) is None
    assert name_of("before 2026-11-22T14:31:00Z", STREAM, *POINTS) is None


def test_a_name_is_one_point_or_none() -> None:
    assert name_of("db-5-a", STREAM, *POINTS) == "db-5-a"
    assert name_of("db-5-z", STREAM, *POINTS) is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8),
    st.integers(-5, 60),
    st.booleans(),
)
def test_what_is_picked_for_a_moment_covers_it(spans: list[tuple[int, int]], minute: int, stream: bool) -> None:
    points = [point(f"p{index}", min(span), max(span)) for index, span in enumerate(spans)]
    found = pick(Choice(way=Way.BEFORE, before=at(minute)), [*([STREAM] if stream else []), *points])
    if found is None:
        assert not any(covers(one, at(minute)) for one in points)
        return
    assert found.kind == "snapshot"
    assert found.taken
    assert found.covers_until
    assert found.taken <= at(minute) <= found.covers_until
    assert found.until == at(minute)
    assert all(one.taken <= found.taken for one in points if one.taken and covers(one, at(minute)))
