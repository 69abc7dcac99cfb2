"""Numbered markers in the tree itself: how old a copy is, and what was lost, told by the data.

A marker is written by the worker of another site, so it needs a path on which that worker can write: one machine, or a
shared file system. Through an rsync source there are none; loss is then not measured, which is never told as none.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from activities.providers.base import now
from workflows.model.base import Message, in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Loss
from workflows.model.runbook import Marker as Rule

if TYPE_CHECKING:
    from .provider import FilesProvider

NAME = ".seawall-marker"
KEEP = 600


class Mark(Message):
    """One marker."""

    number: int
    at: datetime


def read(tree: Path) -> Mark | None:
    """The marker in a tree; None when there is none."""
    try:
        return Mark.model_validate_json((tree / NAME).read_bytes())
    except (OSError, ValueError):
        return None


def put(tree: Path) -> Mark:
    """Write the next marker; it stands when this returns. OSError when the tree is not there or not writable."""
    last = read(tree)
    mark = Mark(number=last.number + 1 if last else 1, at=now())
    part = tree / f"{NAME}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(mark.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    part.replace(tree / NAME)
    return mark


def noted(ledger: Path) -> list[Mark]:
    """The acknowledged markers, oldest first. A torn last line is not there yet."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in ledger.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                found.append(Mark.model_validate_json(line))
    return found[-KEEP:]


async def keep_marking(provider: "FilesProvider", component: str, rule: Rule, site: str) -> None:
    """Mark the tree at `site` while it serves, and note each marker in this worker's ledger. Never returns.

    Raises:
        PermanentError: UNSUPPORTED when this worker cannot write there.
    """
    address = provider.address(site)
    if not address.startswith("/"):
        raise PermanentError(
            Code.UNSUPPORTED,
            f"Markers of {component} cannot be written at {site} through rsync.",
            "Nothing to do: its age is told by its synchronisations instead.",
        )
    ledger, interval = provider.ledger(component, site), rule.interval.total_seconds()
    turn = time.monotonic()
    while True:
        with contextlib.suppress(OSError, ValueError, PermanentError):
            await asyncio.to_thread(_mark, provider, site, ledger)
        turn = max(turn + interval, time.monotonic())
        await asyncio.sleep(turn - time.monotonic())


def _mark(provider: "FilesProvider", site: str, ledger: Path) -> None:
    tree = provider.plain(site)
    if not tree.state.is_dir() and not tree.present:
        return
    if tree.present and tree.primary and not tree.fence:
        mark = put(tree.path)
        keep = noted(ledger)
        ledger.parent.mkdir(parents=True, exist_ok=True)
        if len(keep) >= KEEP:
            part = ledger.with_suffix(".part")
            part.write_text("".join(f"{one.model_dump_json()}\n" for one in keep[-KEEP // 2 :]), encoding="utf-8")
            part.replace(ledger)
        with ledger.open("ab", buffering=0) as file:
            file.write(mark.model_dump_json().encode() + b"\n")


async def measure_loss(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Compare the marker in the tree at `target.site` with the ledger of the acknowledged ones."""
    tree = provider.tree(request.target.site)
    entries = noted(provider.ledger(request.target.name, request.target.source))
    loss = await asyncio.to_thread(_loss, tree.state / "promoted-marker.json", entries)
    return StepResult(detail=f"Lost: {in_words(loss.seconds)}. {loss.method}".strip(), changed=False, loss=loss)


def _loss(kept_in: Path, entries: Sequence[Mark]) -> Loss:
    if not entries or not kept_in.exists():
        return Loss(method="There are no markers to measure by.")
    kept = Mark.model_validate_json(kept_in.read_bytes())
    last = entries[-1]
    lost = next((entry for entry in entries if entry.at > kept.at), None)
    return Loss(
        seconds=max(0.0, (last.at - kept.at).total_seconds()),
        last_kept_marker=kept.number,
        first_lost_marker=lost.number if lost else None,
        method=f"Markers acknowledged until {last.at.isoformat(timespec='milliseconds')}.",
    )
