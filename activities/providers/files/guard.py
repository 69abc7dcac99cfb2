"""Whether what stands at the old site may be read as finished, and overwritten.

Invariant: nothing is changed at the old site before all of these hold: the other site's tree is seen to serve, under an
epoch not above ours and above any under which the old tree was promoted; and no program of the old site's machine has
anything in the old tree open for writing.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.model.messages import StepRequest

from . import source, users
from .source import Origin
from .state import Tree, mismatch

if TYPE_CHECKING:
    from .provider import FilesProvider


async def serving(provider: "FilesProvider", request: StepRequest) -> Origin:
    """The tree at `target.target`, once nothing speaks against the old one's following it.

    Raises:
        PermanentError: ROLE_MISMATCH or STALE_EPOCH.
    """
    name, other = request.target.source, request.target.target
    if request.target.site != name or name == other:
        raise mismatch(f"The step acts on {request.target.site}, but the old site is {name} and {other} serves.")
    tree = provider.local(name)
    tree.insist_on_epoch(name, request.ref)
    found = await source.serving(provider, other, request.ref)
    here, there = tree.standing, found.seen.standing
    if here and there and here.epoch >= there.epoch and here.role == "primary":
        raise mismatch(f"The tree at {name} was promoted under epoch {here.epoch}, and {other} under {there.epoch}.")
    return found


def old_tree(tree: Tree, site: str) -> Path | None:
    """Where the old tree stands: at its path, or where a fence has put it. None when there is none."""
    fence = tree.fence
    fenced = tree.fenced(fence.epoch) if fence else None
    if fenced and os.path.lexists(fenced):
        if tree.present:
            raise mismatch(f"Beside the fenced tree at {site} something has appeared in its place.")
        return fenced
    tree.insist_on_folder()
    return tree.path if tree.present else None


async def insist_on_unused(provider: "FilesProvider", site: str, old: Path) -> None:
    """PermanentError(ROLE_MISMATCH) naming who could write there."""
    if found := await asyncio.to_thread(users.find, old, provider.settings.trusted_programs):
        raise mismatch(f"The old tree at {site} is in use: {'; '.join(map(str, found[:5]))}.")
