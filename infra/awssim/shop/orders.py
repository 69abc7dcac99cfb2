"""What is in the databases: orders, and how they reach a replica.

Invariant: a replica's log is a prefix of its source's for as long as it has one; what had not arrived when the source's
region was lost is lost with it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary


class Order(NamedTuple):
    """One row, and when it was committed (monotonic seconds)."""

    at: float
    client: str
    seq: int


class Copy:
    """The contents of one database."""

    def __init__(self, log: Iterable[Order] = ()) -> None:
        self.log = list(log)
        self._known = {(order.client, order.seq) for order in self.log}
        self.fed = time.monotonic()
        """When it was last in touch with its source."""

    def add(self, order: Order) -> bool:
        """False when it was there already."""
        key = (order.client, order.seq)
        if key in self._known:
            return False
        self._known.add(key)
        self.log.append(order)
        return True

    def follow(self, source: "Copy", lag: float) -> None:
        """Take what was committed at the source at least `lag` seconds ago."""
        self.fed = time.monotonic()
        for order in source.log[len(self.log) :]:
            if order.at + lag > self.fed:
                break
            self.add(order)

    def behind(self, source: "Copy", fed: bool) -> float:
        """Seconds."""
        now = time.monotonic()
        if not fed:
            return now - self.fed
        waiting = source.log[len(self.log) : len(self.log) + 1]
        return now - waiting[0].at if waiting else 0.0


class Books:
    """The contents of all databases, by moto's own objects, which keep their identity through a change of name."""

    def __init__(self, source_of: Callable[[Any], Any]) -> None:
        """`source_of` gives the database that a replica follows, None for one that follows nobody."""
        self._source_of = source_of
        self._copies: WeakKeyDictionary[Any, Copy] = WeakKeyDictionary()
        self.lock = threading.RLock()

    def of(self, database: Any) -> Copy:
        """A replica begins with what its source has; others begin empty."""
        with self.lock:
            if database not in self._copies:
                source = self._source_of(database)
                self._copies[database] = Copy(self.of(source).log if source is not None else ())
            return self._copies[database]
