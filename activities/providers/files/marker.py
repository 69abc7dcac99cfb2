"""The mark in the tree itself: how old a copy is, and what was lost.

It is written by the worker of another site, so it needs a path on which that worker can write: one machine, or a shared
file system. Through an rsync source there are none; loss is then not measured, which is never told as none.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from activities.providers import marks
from activities.providers.marks import Mark
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.runbook import Marker

if TYPE_CHECKING:
    from .provider import FilesProvider

NAME = ".seawall-marker"
PROMOTED = "promoted-marker.json"
"""In a tree's state: the mark that it had when it was promoted."""


def read(tree: Path) -> Mark | None:
    """The mark in a tree; None when there is none."""
    try:
        return Mark.model_validate_json((tree / NAME).read_bytes())
    except (OSError, ValueError):
        return None


def put(tree: Path) -> Mark:
    """Write the next mark; it stands when this returns. OSError when the tree is not there or not writable."""
    mark = marks.after(read(tree))
    part = tree / f"{NAME}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(mark.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    part.replace(tree / NAME)
    return mark


async def keep_marking(provider: "FilesProvider", component: str, marker: Marker, site: str) -> None:
    """Mark the tree at `site` while it serves. Never returns.

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
    await marks.keep_marking(
        marker.interval, provider.ledger(component, site), lambda: asyncio.to_thread(_mark, provider, site)
    )


def _mark(provider: "FilesProvider", site: str) -> Mark | None:
    tree = provider.plain(site)
    if tree.present and tree.primary and not tree.fence:
        return put(tree.path)
    return None


async def measure_loss(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Compare the mark that the tree at `target.site` had with the acknowledged ones."""
    kept = provider.tree(request.target.site).state / PROMOTED
    entries = marks.noted(provider.ledger(request.target.name, request.target.source), Mark)
    loss = await asyncio.to_thread(lambda: marks.loss(_kept(kept), entries))
    return StepResult(detail=f"Lost: {in_words(loss.seconds)}. {loss.method}".strip(), changed=False, loss=loss)


def _kept(file: Path) -> Mark | None:
    return Mark.model_validate_json(file.read_bytes()) if file.exists() else None
