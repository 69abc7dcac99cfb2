"""What was received: each signed request once, and the first answer to each key.

SQLite, with every commit on disk before it counts: what was accepted stays so after a crash, and for every process that
shares the file. What makes a run start only once is not this store but the run's id, which is made of the key; the
store spares what has no such id (approve, retry, ...) and answers a retry as the first time.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workers.hooks.signing import TOLERANCE

KEPT_SECONDS = 24 * 3600
"""How long the answer to a key is kept."""
REMEMBERED_SECONDS = 3600
"""How long a signed request is known again. Twice the tolerance would do; a clock that is set back would undo that."""
UNDERWAY_SECONDS = 60
"""After this long a request without an answer counts as one whose server died: the next one with its key acts."""
MOST_REQUESTS = 50_000
MOST_ANSWERS = 10_000
"""Of one caller."""

_TABLES = """
create table if not exists request (
    caller text not null, id text not null, stamp integer not null, at real not null, primary key (caller, id, stamp)
) without rowid;
create index if not exists request_at on request (at);
create table if not exists answer (
    caller text not null, key text not null, fingerprint text not null, at real not null,
    state text not null, status integer not null default 0, body blob not null default x'',
    primary key (caller, key)
) without rowid;
create index if not exists answer_at on answer (at);
"""
_FREE, _UNDERWAY, _KEPT = "free", "underway", "kept"


class Full(Exception):
    """No room to remember another request of this caller; so it cannot be accepted."""


class Underway(Exception):
    """The first request with this key is not answered yet."""


class KeyReused(Exception):
    """The key belongs to a request with another content."""


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    body: bytes


class Store:
    """One file; safe for threads, and for processes that share it.

    Args:
        file: made when it is not there, readable by its owner only.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._lock = threading.Lock()
        self._base = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = full")  # a commit is an fsync
        self._base.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def accept(self, caller: str, id: str, stamp: int, now: float) -> bool:
        """Note a signed request; False when this very one was received before.

        Raises:
            Full: fail closed; what would be forgotten could be sent again.
        """
        with self._writing() as base:
            base.execute("delete from request where at < ? and stamp < ?", (now - REMEMBERED_SECONDS, now - TOLERANCE))
            (count,) = base.execute("select count(*) from request where caller = ?", (caller,)).fetchone()
            if count >= MOST_REQUESTS:
                raise Full
            done = base.execute("insert or ignore into request values (?, ?, ?, ?)", (caller, id, stamp, now))
            return done.rowcount == 1

    def begin(self, caller: str, key: str, fingerprint: str, now: float) -> Answer | None:
        """Take the key for a request; or the first answer, where there is one.

        Raises:
            Underway: the first one is not done.
            KeyReused: the key belongs to another content.
        """
        with self._writing() as base:
            base.execute("delete from answer where at < ?", (now - KEPT_SECONDS,))
            found = base.execute(
                "select fingerprint, at, state, status, body from answer where caller = ? and key = ?", (caller, key)
            ).fetchone()
            if found is None:
                self._make_room(base, caller)
                base.execute(
                    "insert into answer (caller, key, fingerprint, at, state) values (?, ?, ?, ?, ?)",
                    (caller, key, fingerprint, now, _UNDERWAY),
                )
                return None
            known, at, state, status, body = found
            if known != fingerprint:
                raise KeyReused
            if state == _KEPT:
                return Answer(status, body)
            if state == _UNDERWAY and now - at < UNDERWAY_SECONDS:
                raise Underway
            base.execute(
                "update answer set at = ?, state = ? where caller = ? and key = ?", (now, _UNDERWAY, caller, key)
            )
            return None

    def keep(self, caller: str, key: str, answer: Answer) -> None:
        """The answer to the key, from now on."""
        with self._writing() as base:
            base.execute(
                "update answer set state = ?, status = ?, body = ? where caller = ? and key = ?",
                (_KEPT, answer.status, answer.body, caller, key),
            )

    def let_go(self, caller: str, key: str) -> None:
        """Nothing was done: the next request with this key, and the same content, acts."""
        with self._writing() as base:
            base.execute("update answer set state = ? where caller = ? and key = ?", (_FREE, caller, key))

    def _make_room(self, base: sqlite3.Connection, caller: str) -> None:
        base.execute(
            "delete from answer where caller = ? and key in (select key from answer where caller = ? and state != ? "
            "order by at desc limit -1 offset ?)",
            (caller, caller, _UNDERWAY, MOST_ANSWERS - 1),
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._base.execute("begin immediate")
            try:
                yield self._base
            except BaseException:
                self._base.execute("rollback")
                raise
            self._base.execute("commit")
