"""The tree of another site as the worker here sees it: through rsync, or as plain files on one machine.

The worker that receives always pulls; nothing is ever written at another site.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import Ref
from workflows.model.observed import Reach

from . import rsync
from .settings import FENCED, STATE
from .state import Fence, Restored, Standing, Synced, Tree, mismatch, stale

if TYPE_CHECKING:
    from .provider import FilesProvider


class Seen(NamedTuple):
    """What was found of a tree."""

    reach: Reach
    detail: str
    present: bool
    standing: Standing | None = None
    fence: Fence | None = None
    synced: Synced | None = None
    restored: Restored | None = None

    @property
    def epoch(self) -> int:
        """The highest epoch that stands there; -1 for none."""
        found = (self.standing, self.fence, self.restored)
        return max((record.epoch for record in found if record), default=-1)


def judge(tree: Tree, *, here: bool) -> Seen:
    """What plain files tell. Where neither the tree nor any record is seen from elsewhere, nothing is known: the path
    may be another machine's."""
    present, blank = tree.present, tree.blank
    seen = Seen(Reach.SILENT, "", present, tree.standing, tree.fence, tree.synced, tree.restored)
    if not present and not here and not tree.state.is_dir():
        return seen._replace(detail=f"Nothing of {tree.path} is seen from here.")
    return _reach(seen, blank)


def _reach(seen: Seen, blank: bool) -> Seen:
    role = seen.standing.role if seen.standing else "standby" if blank else "primary"
    if seen.fence and not seen.present:
        return seen._replace(reach=Reach.REFUSED, detail=f"Fenced under epoch {seen.fence.epoch}.")
    if seen.fence and role == "primary":
        return seen._replace(
            reach=Reach.SERVING, detail="A fence stands, but something has appeared in place of the tree."
        )
    if role == "primary":
        if seen.present:
            return seen._replace(reach=Reach.SERVING, detail="The tree is written to here.")
        return seen._replace(reach=Reach.REFUSED, detail="The tree should be here, and is gone.")
    if seen.synced is None:
        return seen._replace(reach=Reach.STANDBY, detail="Nothing was brought here yet.")
    return seen._replace(reach=Reach.STANDBY, detail=f"A copy as of {seen.synced.began:%Y-%m-%d %H:%M:%S} UTC.")


async def look(provider: "FilesProvider", name: str) -> Seen:
    """What can be seen of the tree at another site. TemporaryError(UNREACHABLE) when it cannot be asked."""
    address = provider.address(name)
    if address.startswith("/"):
        return await asyncio.to_thread(judge, Tree(address), here=False)
    present = await rsync.look(provider, "--list-only", "--", address) == 0
    with tempfile.TemporaryDirectory(prefix="seawall-") as folder:
        args = ("-dt", "--include=/*.json", "--exclude=*", "--", f"{address}{STATE}/", f"{folder}/tree{STATE}/")
        records = await rsync.look(provider, *args) == 0
        tree = Tree(Path(folder) / "tree")
        seen = Seen(Reach.SILENT, "", present, tree.standing, tree.fence, tree.synced, tree.restored)
    if not present and not records:
        return seen._replace(detail="Neither the tree nor its records are seen from here.")
    return _reach(seen, blank=not present)


async def manifest(provider: "FilesProvider", name: str, which: str, into: Path) -> Path | None:
    """A manifest of the other site, brought into `into`; None when there is none."""
    address = provider.address(name)
    if address.startswith("/"):
        found = Tree(address).state / which
        return found if found.exists() else None
    status = await rsync.fetch(provider, f"{address}{STATE}/{which}", into / which)
    return into / which if status == 0 else None


class Origin(NamedTuple):
    """A tree that may be copied."""

    site: str
    address: str
    seen: Seen
    fenced: bool


async def origin(provider: "FilesProvider", name: str, ref: Ref) -> Origin:
    """The tree at `name` to copy from: the one that serves, or the one that this run has fenced.

    Raises:
        PermanentError: STALE_EPOCH, or ROLE_MISMATCH when it does not serve.
        TemporaryError: UNREACHABLE.
    """
    seen = await look(provider, name)
    if seen.epoch > ref.epoch:
        raise stale(name, seen.epoch, ref.epoch)
    address = provider.address(name)
    if seen.fence and seen.fence.epoch == ref.epoch and not seen.present:
        return Origin(name, f"{address}{FENCED}{seen.fence.epoch}", seen, True)
    if seen.reach is Reach.SERVING and not seen.fence:
        return Origin(name, address, seen, False)
    if seen.reach is Reach.SILENT:
        raise TemporaryError(
            Code.UNREACHABLE,
            f"The tree at {name} cannot be seen from here.",
            "Check `pull_from`, and that the folders beside the tree can be read the same way; then retry.",
        )
    raise mismatch(f"The tree at {name} does not serve, so nothing is copied from it. {seen.detail}")


async def serving(provider: "FilesProvider", name: str, ref: Ref) -> Origin:
    """The same, for what may only follow a tree that serves."""
    found = await origin(provider, name, ref)
    if found.fenced:
        raise mismatch(f"The tree at {name} is fenced, so nothing may follow it.")
    if found.seen.standing is None:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"The tree at {name} was never promoted, so it is not certain that it is the one that serves.",
            "Promote it by a run, or restore the record epoch.json beside it.",
        )
    return found
