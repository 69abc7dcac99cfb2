"""The effect ledger: every call that would change something, and what became of it, in the order of the outcomes.

Invariant: a line says *took effect* exactly when the simulated service carried that call out, whether or not the caller
ever got the answer. Safety tests read the ledger, not the word of the program that is tested.
"""

import threading
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Outcome(StrEnum):
    """What became of a call."""

    TOOK_EFFECT = "took effect"
    REPLAYED = "replayed"
    """The token was used before: the stored answer, no second effect."""
    REFUSED = "refused"
    """The service said no, or a fault said it in its place."""
    UNREACHED = "unreached"
    """The call never arrived: the region is gone, or the request hung."""
    BROKEN = "broken"
    """The simulator itself failed; what it had done by then is unknown."""


class Entry(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True)

    number: int
    time: datetime
    account: str
    region: str
    service: str
    operation: str
    token: str | None = None
    parameters: str
    """A digest of the parameters without the token."""
    identifiers: tuple[str, ...] = ()
    """What the request names."""
    resources: tuple[str, ...] = ()
    """What was created or changed."""
    status: int = 0
    """The HTTP status; 0 when no answer was made."""
    error: str | None = None
    outcome: Outcome
    answered: bool = True
    """False when the answer was never sent."""
    fault: str | None = None


class CallCount(BaseModel):
    """How often an operation was asked for in a region, reads and all."""

    model_config = ConfigDict(frozen=True)

    service: str
    region: str
    operation: str
    agent: str = ""
    """What the caller adds to its user agent, such as `seawall`."""
    count: int


class Ledger:
    """The lines, and a count of every call."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._counts: dict[tuple[str, str, str, str], int] = {}
        self._lock = threading.Lock()

    def count(self, service: str, region: str, operation: str, agent: str = "") -> None:
        """One more call, whatever becomes of it."""
        key = (service, region, operation, agent)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def append(self, entry: Entry) -> None:
        """Add a line; its number and time are given here."""
        with self._lock:
            numbered = {"number": len(self._entries) + 1, "time": datetime.now(UTC)}
            self._entries.append(entry.model_copy(update=numbered))

    def entries(self, after: int = 0) -> list[Entry]:
        """The lines after that number."""
        with self._lock:
            return self._entries[after:]

    def counts(self) -> list[CallCount]:
        """How often each operation was asked for."""
        with self._lock:
            found = sorted(self._counts.items())
        return [
            CallCount(service=service, region=region, operation=operation, agent=agent, count=count)
            for (service, region, operation, agent), count in found
        ]
