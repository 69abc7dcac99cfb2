"""The pieces of which seeds make scenarios."""

import random

from tests.torture.scenario import (
    Leg,
    Scenario,
    Trouble,
)

Draw = random.Random

PLANNED = {"planned": True}
MOVING = ("fence", "start_instances", "promote", "flip_dns")
HOMEWARD = ("archive_diverged", "rebuild_replica", "protect")
READING = ("choose_recovery_point", "sync_delta", "public.verify", "measure_loss")
REHEARSED = ("open_bubble", "clone_data", "promote", "start_instances", "close_bubble")

WEATHER = ("die", "die-after", "lose-reply", "lose-call", "busy", "slow", "leak")
"""What any call may meet, and what its next attempt gets over."""
DOUBT = ("unknown", "unknown-after", "late", "freeze")
"""What leaves it open whether the effect stands, or will."""


def built(*legs: Leg, world: tuple[str, ...] = (), **fields: object) -> Scenario:
    return Scenario(seed=0, name="", kind="", legs=legs, world=world, **fields)


def troubles(draw: Draw, verbs: tuple[str, ...], ways: tuple[str, ...], most: int = 3) -> tuple[Trouble, ...]:
    chosen = draw.sample(verbs, draw.randint(1, min(most, len(verbs))))
    return tuple(trouble(draw, verb, draw.choice(ways)) for verb in chosen)


def trouble(draw: Draw, verb: str, how: str) -> Trouble:
    times = draw.randint(1, 3) if how in ("busy", "lose-reply", "lose-call", "leak") else 1
    return Trouble(at=verb, how=how, times=times)


def weather(draw: Draw, chance: float = 0.5, verbs: tuple[str, ...] = (*MOVING, *READING)) -> tuple[Trouble, ...]:
    return troubles(draw, verbs, WEATHER, most=2) if draw.random() < chance else ()


def lost_or_planned(draw: Draw) -> tuple[bool, tuple[str, ...]]:
    """Planned or not, and the world that belongs to it."""
    planned = draw.random() < 0.5
    return planned, () if planned else ("dead primary",)


def moment(draw: Draw, verbs: tuple[str, ...]) -> tuple[str, str]:
    return draw.choice(verbs), draw.choice(("before", "after"))
