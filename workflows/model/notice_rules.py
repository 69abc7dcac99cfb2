"""What must hold between the channels, the audiences and the ladder of a runbook's notices. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TypeAlias

from .base import format_duration
from .notices import Audience, Notices

Fault: TypeAlias = tuple[tuple[str | int, ...], str, str]
"""Where, what is wrong, and what to do."""

MOST_RUNGS = 20


def faults(notices: Notices) -> Iterator[Fault]:
    """What makes the notices unfit: somebody would never be told."""
    yield from _unknown(notices)
    yield from _circles(notices)
    yield from _ladder(notices)


def doubts(notices: Notices) -> Iterator[Fault]:
    """What is allowed, and hardly meant."""
    named = {name for _path, names in _lists(notices) for name in names}
    used = named | {channel.fallback for channel in notices.channels.values()}
    for name in notices.channels:
        if name not in used:
            yield ("notices", "channels", name), f"Nothing is ever sent by {name}.", "Name it in an audience."
    if notices.channels and not notices.audiences.responders:
        yield (
            ("notices", "audiences"),
            "No responder is told of anything, so nobody is asked to act.",
            "Name a channel in `responders`.",
        )
    for at, rung in enumerate(notices.escalation):
        if len(set(rung.to)) < len(rung.to):
            yield ("notices", "escalation", at, "to"), "A channel stands twice here.", "Remove one."


def _lists(notices: Notices) -> Iterator[tuple[tuple[str | int, ...], Sequence[str]]]:
    """Every list of channels, with its path."""
    for audience in Audience:
        yield ("notices", "audiences", audience.value), getattr(notices.audiences, audience.value)
    for at, rung in enumerate(notices.escalation):
        yield ("notices", "escalation", at, "to"), rung.to


def _unknown(notices: Notices) -> Iterator[Fault]:
    known = ", ".join([*notices.channels][:20]) or "none yet: describe it in `channels`"
    for path, names in _lists(notices):
        for at, name in enumerate(names):
            if name not in notices.channels:
                yield (*path, at), f"There is no channel {name}.", f"Use one of: {known}."
    for name, channel in notices.channels.items():
        if channel.fallback is not None and channel.fallback not in notices.channels:
            path = ("notices", "channels", name, "fallback")
            yield path, f"There is no channel {channel.fallback}.", f"Use one of: {known}."


def _circles(notices: Notices) -> Iterator[Fault]:
    """Each circle of fallbacks once, at the first of its channels in the runbook's order."""
    told: set[str] = set()
    for start in notices.channels:
        walk = [start]
        while (after := _after(notices, walk[-1])) is not None and after not in walk:
            walk.append(after)
        if after == start and start not in told:
            told.update(walk)
            yield (
                ("notices", "channels", start, "fallback"),
                f"These channels fall back on each other for ever: {' -> '.join([*walk, start])}.",
                "Remove one of these fallbacks.",
            )


def _after(notices: Notices, name: str) -> str | None:
    channel = notices.channels.get(name)
    return channel.fallback if channel else None


def _ladder(notices: Notices) -> Iterator[Fault]:
    last = timedelta(0)
    for at, rung in enumerate(notices.escalation):
        path = ("notices", "escalation", at, "after")
        if at and rung.after <= last:
            wrong = f"{format_duration(rung.after)} does not come after {format_duration(last)}"
            yield path, f"The ladder must rise: {wrong}.", "Write the steps in the order of their times."
        last = rung.after
    if len(notices.escalation) > MOST_RUNGS:
        yield ("notices", "escalation"), f"A ladder has at most {MOST_RUNGS} steps.", "Leave some out."
