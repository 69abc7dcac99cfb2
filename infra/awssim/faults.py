"""Faults: what goes wrong on the way to a service and back, by rules that are set at run time.

A rule draws from a generator of its own, with its own seed, so that the same calls meet the same faults whatever the
other rules do.
"""

import json
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from infra.awssim.call import GLOBAL, Call

LAUNCHES = ("RunInstances", "StartInstances")


class Kind(StrEnum):
    """What can go wrong."""

    THROTTLE = "throttle"
    ERROR = "error"
    """An error of the service itself, a 5xx."""
    CAPACITY = "capacity"
    """`InsufficientInstanceCapacity`."""
    LATENCY = "latency"
    HANG = "hang"
    """No answer and no effect, until the connection is closed."""
    CUT = "cut"
    """The effect happens, and the connection is closed without an answer."""
    REGION_GONE = "region-gone"


class Rule(BaseModel):
    """One fault, and which calls it meets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    service: str = "*"
    operation: str = "*"
    region: str = "*"
    contains: str = ""
    """A text that the parameters must contain, such as an instance type or a zone."""
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    times: int | None = Field(default=None, ge=1)
    """How often at most; None for always."""
    seconds: float = Field(default=1.0, ge=0)
    """Of a latency; of a hang, the longest."""
    status: int = Field(default=503, ge=500, le=599)
    code: str = ""
    """Of an error, in place of the usual one."""
    with_global: bool = False
    """Of a region that is gone: the global services that are hosted there are gone with it."""

    def meets(self, call: Call) -> bool:
        """Whether the call is one that the rule speaks of."""
        if self.kind is Kind.REGION_GONE and call.service in GLOBAL and not self.with_global:
            return False
        if self.kind is Kind.CAPACITY and (call.service != "ec2" or call.operation not in LAUNCHES):
            return False
        wanted = ((self.service, call.service), (self.operation, call.operation), (self.region, call.region))
        if any(want not in ("*", have) for want, have in wanted):
            return False
        return not self.contains or self.contains in json.dumps(call.given, default=str)


@dataclass
class _Live:
    rule: Rule
    draws: random.Random
    left: int | None

    def fires(self, call: Call) -> bool:
        if self.left == 0 or not self.rule.meets(call) or self.draws.random() >= self.rule.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


@dataclass(frozen=True)
class Doom:
    """What a call will meet: latencies, and then at most one fault."""

    latency: float = 0.0
    rule: Rule | None = None

    @property
    def kind(self) -> Kind | None:
        """The fault, None when all goes well."""
        return self.rule.kind if self.rule else None


class Faults:
    """The rules that stand."""

    def __init__(self) -> None:
        self._live: list[_Live] = []
        self._lock = threading.Lock()
        self._changed = threading.Event()

    def replace(self, rules: Sequence[Rule]) -> None:
        """These rules and no others. Whatever hangs or waits because of the old ones is let go."""
        with self._lock:
            self._live = [_Live(rule, random.Random(rule.seed), rule.times) for rule in rules]
            self._changed.set()
            self._changed = threading.Event()

    def rules(self) -> list[Rule]:
        """The rules that stand."""
        with self._lock:
            return [live.rule for live in self._live]

    def judge(self, call: Call) -> Doom:
        """What this call meets. The first rule that fires decides; latencies add up until then."""
        latency = 0.0
        with self._lock:
            for live in self._live:
                if not live.fires(call):
                    continue
                if live.rule.kind is not Kind.LATENCY:
                    return Doom(latency, live.rule)
                latency += live.rule.seconds
        return Doom(latency)

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the rules are replaced."""
        with self._lock:
            changed = self._changed
        changed.wait(seconds)
