"""What a named scenario is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.torture.scenario import (
    RECOVERED,
    Leg,
    Scenario,
    Trouble,
)

PLANNED = {"planned": True}
_MOVING = ("start_instances", "fence", "promote", "flip_dns")


@dataclass(frozen=True)
class Row:
    """One named scenario."""

    name: str
    story: str
    cases: tuple[int, ...]
    made: Scenario
    found: str = ""
    """Of a bug: what was wrong."""
    slow: bool = False
    """Minutes: played when it is asked for by name."""

    @property
    def where(self) -> str:
        """How it is played."""
        return f"python -m tests.torture --only {self.name}"


def row(
    name: str,
    story: str,
    cases: Sequence[int],
    *legs: Leg,
    world: tuple[str, ...] = (),
    found: str = "",
    slow: bool = False,
    **fields: object,
) -> Row:
    made = Scenario(seed=0, name=name, kind="named", story=story, legs=legs, world=world, **fields)
    return Row(name, story, tuple(cases), made, found, slow)


def failover(ends: tuple[str, ...] = RECOVERED, **fields: object) -> Leg:
    return Leg(workflow="Failover", ends=ends, **fields)


def planned(ends: tuple[str, ...] = RECOVERED, **fields: object) -> Leg:
    return Leg(workflow="Failover", fields=PLANNED, ends=ends, **fields)


def drill(ends: tuple[str, ...] = RECOVERED, **fields: object) -> Leg:
    return Leg(workflow="Drill", ends=ends, **fields)


def each(how: str, verbs: Sequence[str] = _MOVING, times: int = 1, then: str = "") -> tuple[Trouble, ...]:
    return tuple(Trouble(at=verb, how=how, times=times, then=then) for verb in verbs)


LOST = ("dead primary",)
