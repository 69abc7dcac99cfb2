"""Numbered marks in data that has no numbers of its own: what a copy lacks, told by the data itself.

The worker of another site writes them and keeps the ledger of those that were acknowledged, so that the ledger outlives
the site whose loss it measures.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from workflows.model.base import Message
from workflows.model.failure import SeawallError
from workflows.model.observed import Loss

from .base import now

KEEP = 600


class Mark(Message):
    """One of them. It is known by its number and its time: a number that was lost is used again after a failover."""

    number: int
    at: datetime


M = TypeVar("M", bound=Mark)


def after(last: Mark | None) -> Mark:
    """The next one, of now."""
    return Mark(number=last.number + 1 if last else 1, at=now())


def noted(ledger: Path, kind: type[M]) -> list[M]:
    """The acknowledged ones, the oldest first; empty when nothing was ever noted. A torn last line is not there yet."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in ledger.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                found.append(kind.model_validate_json(line))
    return found[-KEEP:]


class Ledger(Generic[M]):
    """Writes one ledger; there is one writer of each. One JSON object a line, appended with one write each, trimmed by
    an atomic rename: another process reads it whole at any instant."""

    def __init__(self, path: Path, kind: type[M]) -> None:
        self._path, self._kind = path, kind
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rewrite()

    def note(self, mark: M) -> None:
        """Add one that was acknowledged."""
        if self._lines >= 2 * KEEP:
            self._rewrite()
        with self._path.open("ab", buffering=0) as file:
            file.write(_line(mark))
        self._lines += 1

    def _rewrite(self) -> None:
        kept = noted(self._path, self._kind)
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        part.write_bytes(b"".join(map(_line, kept)))
        part.replace(self._path)
        self._lines = len(kept)


def _line(mark: Mark) -> bytes:
    return mark.model_dump_json().encode() + b"\n"


async def keep_marking(interval: timedelta, ledger: Path, put: Callable[[], Awaitable[Mark | None]]) -> NoReturn:
    """Put a mark every `interval`, and note it. `put` answers None where the data is not to be marked now; that it
    fails tells of an outage, and the next turn comes."""
    book: Ledger[Mark] | None = None
    turn = time.monotonic()
    while True:
        with contextlib.suppress(OSError, ValueError, SeawallError):
            mark = await put()
            if mark is not None:
                if book is None:
                    book = await asyncio.to_thread(Ledger, ledger, Mark)
                await asyncio.to_thread(book.note, mark)
        turn = max(turn + interval.total_seconds(), time.monotonic())
        await asyncio.sleep(turn - time.monotonic())


def loss(kept: Mark | None, entries: Sequence[Mark]) -> Loss:
    """What the acknowledged marks say was lost, when `kept` is the newest that the promoted copy had."""
    if not entries or kept is None:
        return Loss(method="There are no markers to measure by.")
    last = entries[-1]
    lost = next((entry for entry in entries if entry.at > kept.at), None)
    return Loss(
        seconds=max(0.0, (last.at - kept.at).total_seconds()),
        last_kept_marker=kept.number,
        first_lost_marker=lost.number if lost else None,
        method=f"Markers acknowledged until {last.at.isoformat(timespec='milliseconds')}.",
    )
