"""Numbered marks in data that has no numbers of its own: what a copy lacks, told by the data itself.

The worker of another site writes them and keeps the ledger of those that were acknowledged, so that the ledger outlives
the site whose loss it measures.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from workflows.model.base import Message
from workflows.model.failure import SeawallError
from workflows.model.observed import Loss

from .base import now

KEEP = 600


class Mark(Message):
    """One of them."""

    number: int
    at: datetime


def after(last: Mark | None) -> Mark:
    """The next one, of now."""
    return Mark(number=last.number + 1 if last else 1, at=now())


def noted(ledger: Path) -> list[Mark]:
    """The acknowledged marks, the oldest first. A torn last line is not there yet."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in ledger.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                found.append(Mark.model_validate_json(line))
    return found[-KEEP:]


def note(ledger: Path, mark: Mark) -> None:
    """Add one that was acknowledged. OSError when the ledger cannot be written."""
    keep = noted(ledger)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    if len(keep) >= KEEP:
        part = ledger.with_suffix(".part")
        part.write_text("".join(f"{one.model_dump_json()}\n" for one in keep[-KEEP // 2 :]), encoding="utf-8")
        part.replace(ledger)
    with ledger.open("ab", buffering=0) as file:
        file.write(mark.model_dump_json().encode() + b"\n")


async def keep_marking(interval: timedelta, ledger: Path, put: Callable[[], Awaitable[Mark | None]]) -> NoReturn:
    """Put a mark every `interval`, and note it. `put` answers None where the data is not to be marked now; that it
    fails tells of an outage, and the next turn comes."""
    turn = time.monotonic()
    while True:
        with contextlib.suppress(OSError, ValueError, SeawallError):
            mark = await put()
            if mark is not None:
                await asyncio.to_thread(note, ledger, mark)
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
