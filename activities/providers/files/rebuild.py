"""Make the old tree a copy of the one that serves, and say when it may be relied on.

Invariant: what only the old tree has stands in a finished archive before it is replaced; and what is replaced is kept
beside it until a later copy is whole.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Reach

from . import copying, diverged, guard, manifest, rsync, source
from .copying import Copied
from .source import Origin
from .state import Standing, Swap, Tree, mismatch

if TYPE_CHECKING:
    from .provider import FilesProvider

GRACE_SECONDS = 30.0


async def rebuild(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Copy, compare, exchange. Only what differs is sent: the old tree gives the rest."""
    name = request.target.source
    tree = provider.local(name)
    async with tree.lock(provider.context.heartbeat, "copy"):
        async with tree.lock(provider.context.heartbeat):
            origin = await guard.serving(provider, request)
            if _follows(tree, origin):
                return StepResult(detail=f"{name} follows {origin.site} already.", changed=False, after=_after(tree))
        await asyncio.to_thread(tree.sweep)
        old = guard.old_tree(tree, name)
        await _insist_on_archive(provider, tree, name, old)
        bases = [old] if old else []
        copied = await copying.pull(provider, request, origin, tree, bases, contents=True)
        try:
            async with tree.lock(provider.context.heartbeat):
                await guard.serving(provider, request)
                await _insist_on_archive(provider, tree, name, guard.old_tree(tree, name))
                await _lay(provider, request, tree, old, copied)
        finally:
            await asyncio.to_thread(tree.sweep)
    return StepResult(
        detail=f"{name} follows {origin.site}. {copying.told(copied)}", after=_after(tree) | copying.facts(copied)
    )


def _follows(tree: Tree, origin: Origin) -> bool:
    standing, synced, there = tree.standing, tree.synced, origin.seen.standing
    if standing is None or synced is None or there is None or tree.fence or not tree.present:
        return False
    return standing.role == "standby" and synced.source == origin.site and synced.epoch >= there.epoch


def _after(tree: Tree) -> dict[str, object]:
    standing = tree.standing
    return {"role": standing.role if standing else None, "epoch": standing.epoch if standing else None}


async def _insist_on_archive(provider: "FilesProvider", tree: Tree, site: str, old: Path | None) -> None:
    if old is None or (old == tree.path and tree.blank):
        return
    await guard.insist_on_unused(provider, site, old)
    found = await copying.threaded(
        provider, "reading the old tree", lambda beat: manifest.take(old, contents=False, beat=beat)
    )
    if not diverged.covers(tree, manifest.position(found)):
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"What only {site} has is not archived, or its tree was changed since.",
            "Archive it first (archive_diverged); a rebuild would replace it.",
        )


async def _lay(provider: "FilesProvider", request: StepRequest, tree: Tree, old: Path | None, copied: Copied) -> None:
    aside = tree.state / f"aside-{request.ref.epoch}-{copied.stage.name[-12:]}"
    swap = Swap(
        old=str(old or tree.path),
        into=str(aside),
        new=str(copied.stage / "tree"),
        manifest=str(copied.stage / "manifest"),
        synced=copied.synced,
        standing=Standing(epoch=request.ref.epoch, key=request.ref.key, role="standby"),
        forget=("fence.json", "restore.json"),
    )
    await copying.lay(provider, tree, copied.stage, swap)


async def protect(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Look from the serving site whether the copy at `target.source` is whole and young enough.

    Raises:
        TemporaryError: NOT_PROTECTED; the old site's worker must synchronise first.
    """
    name, old = request.target.target, request.target.source
    tree = provider.local(name)
    tree.insist_on_epoch(name, request.ref)
    if not tree.primary or tree.fence or tree.standing is None:
        raise mismatch(f"The tree at {name} does not serve.")
    seen = await source.look(provider, old)
    synced = seen.synced
    if seen.reach is not Reach.STANDBY or synced is None or synced.source != name:
        raise PermanentError(
            Code.NOT_PROTECTED, f"The tree at {old} is no copy of {name}. {seen.detail}", "Rebuild the replica first."
        )
    if synced.epoch < tree.standing.epoch:
        raise PermanentError(
            Code.NOT_PROTECTED, f"The copy at {old} is older than the promotion of {name}.", "Rebuild the replica."
        )
    items = await rsync.compare(provider, provider.address(old), tree.path, contents=False)
    lag = (now() - synced.began).total_seconds() if items else 0.0
    since = (now() - synced.ended).total_seconds()
    if items and since > copying.period(request.target.component) + request.max_lag + GRACE_SECONDS:
        raise TemporaryError(
            Code.NOT_PROTECTED,
            f"The copy at {old} was last brought up to date {in_words(since)} ago, and {len(items)} entries differ.",
            "Synchronise it, then retry.",
            delay=5.0,
        )
    return StepResult(
        detail=f"{old} follows: {len(items)} entries changed since its copy, {in_words(lag)} behind.",
        changed=False,
        after={"lag_seconds": lag, "entries_behind": len(items), "verified": synced.verified is not None},
    )
