"""The ledger of acknowledged markers: what was promised to be kept, noted outside the database that may lose it.

One JSON object a line, appended with one write each, trimmed by an atomic rename: another process reads it whole at
any instant. An entry is known by number *and* time, since a number that was lost is used again after a failover.
"""

import contextlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from workflows.model.base import Message

KEEP = 600


class Entry(Message):
    """A marker whose commit was acknowledged."""

    number: int
    at: datetime
    lsn: str | None = None
    """Where the log of the marked server stood just after the commit."""
    timeline: int | None = None


def read(path: Path) -> list[Entry]:
    """The entries, oldest first; empty when nothing was ever noted. A torn last line is not there yet."""
    entries = []
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                entries.append(Entry.model_validate_json(line))
    return entries[-KEEP:]


class Ledger:
    """Writes one ledger; there is one writer of each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rewrite(read(path))

    def note(self, entry: Entry) -> None:
        """Add an entry."""
        if self._lines >= 2 * KEEP:
            self._rewrite(read(self._path))
        with self._path.open("ab", buffering=0) as file:
            file.write(_line(entry))
        self._lines += 1

    def _rewrite(self, entries: Sequence[Entry]) -> None:
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        part.write_bytes(b"".join(map(_line, entries)))
        part.replace(self._path)
        self._lines = len(entries)


def _line(entry: Entry) -> bytes:
    return entry.model_dump_json().encode() + b"\n"
