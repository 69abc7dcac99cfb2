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
        self.newest = max((order.at for order in self.log), default=time.monotonic())
        """When the newest transaction in it was committed (monotonic seconds), the service's own heartbeat included."""

    def add(self, order: Order) -> bool:
        """False when it was there already."""
        key = (order.client, order.seq)
        if key in self._known:
            return False
        self._known.add(key)
        self.log.append(order)
        self.newest = max(self.newest, order.at)
        return True

    def beat(self) -> None:
        """A commit of the service's own."""
        self.newest = time.monotonic()

    def follow(self, source: "Copy", lag: float) -> None:
        """Take what was committed at the source at least `lag` seconds ago."""
        due = time.monotonic() - lag
        for order in source.log[len(self.log) :]:
            if order.at > due:
                return
            self.add(order)
        if source.newest <= due:
            self.newest = source.newest

    @property
    def age(self) -> float:
        """Seconds since the newest transaction in it: what RDS for PostgreSQL tells as the lag of a replica."""
        return time.monotonic() - self.newest


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
