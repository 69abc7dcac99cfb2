"""How often somebody may ask: a token bucket for each caller."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`burst` at once, `each_second` in the long run. The default lets a storm of alerts through."""

    each_second: float = 5.0
    burst: int = 200


class Buckets:
    """Callers are those of the policy, so that there are not many."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, now: float) -> int:
        """0 when the caller may go on; otherwise in how many whole seconds."""
        level, since = self._levels.get(caller, (float(self._rate.burst), now))
        level = min(self._rate.burst, level + max(0.0, now - since) * self._rate.each_second)
        if level < 1:
            self._levels[caller] = (level, now)
            return max(1, math.ceil((1 - level) / self._rate.each_second))
        self._levels[caller] = (level - 1, now)
        return 0
