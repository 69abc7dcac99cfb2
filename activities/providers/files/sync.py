"""Bring the copy at the target up to the tree of the other site, whole or not at all."""

import asyncio
from typing import TYPE_CHECKING

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.plan import Mode

from . import copying, source
from .copying import Copied
from .disk import remove
from .state import Standing, Swap, Tree, mismatch

if TYPE_CHECKING:
    from .provider import FilesProvider


async def sync_delta(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Pull, compare, exchange. In an unplanned move nothing of the lost site is asked: what is here is what there is.

    Raises:
        PermanentError: INCONSISTENT when the copy does not come to `request.position`.
    """
    tree = provider.local(request.target.site)
    async with tree.lock(provider.context.heartbeat):
        insist_on_standby(tree, request)
        synced = tree.synced
        if found := _nothing_to_bring(tree, request):
            return found
    async with tree.lock(provider.context.heartbeat, "copy"):
        await asyncio.to_thread(tree.sweep)
        origin = await source.origin(provider, request.target.source, request.ref)
        if request.position and not origin.fenced:
            raise PermanentError(
                Code.PRECONDITION_CHANGED,
                f"The tree at {request.target.source} is not fenced any more.",
                "Look at both sites and plan again.",
            )
        contents = provider.settings.check_contents or origin.fenced
        copied = await copying.pull(provider, request, origin, tree, [tree.path], contents)
        try:
            async with tree.lock(provider.context.heartbeat):
                insist_on_standby(tree, request)
                await _lay(provider, request, tree, copied)
        finally:
            await asyncio.to_thread(tree.sweep)
    return StepResult(
        detail=copying.told(copied),
        changed=synced is None or synced.position != copied.synced.position,
        before={"position": synced.position, "began": synced.began.isoformat()} if synced else {},
        after=copying.facts(copied),
    )


def _nothing_to_bring(tree: Tree, request: StepRequest) -> StepResult | None:
    """The answer where what is here is what is wanted."""
    restored, synced = tree.restored, tree.synced
    if restored and restored.belongs_to(request.ref) and request.position is None:
        return StepResult(detail=f"{restored.point} was restored; nothing later is wanted.", changed=False)
    if _abandoned(request):
        return _what_is_here(tree, request)
    if request.position and synced and (synced.position, synced.epoch) == (request.position, request.ref.epoch):
        return StepResult(detail="It is there already.", changed=False, after={"position": synced.position})
    return None


def insist_on_standby(tree: Tree, request: StepRequest) -> None:
    """Only a tree that nobody writes to is exchanged. PermanentError STALE_EPOCH or ROLE_MISMATCH."""
    tree.insist_on_folder()
    tree.insist_on_epoch(request.target.site, request.ref)
    if tree.fence:
        raise mismatch(f"The tree at {request.target.site} is fenced under epoch {tree.fence.epoch}.")
    if tree.primary:
        raise mismatch(f"The tree at {request.target.site} is written to; it is no copy that may be replaced.")


def _abandoned(request: StepRequest) -> bool:
    fenced = any(proof.proven and proof.site == request.target.source for proof in request.proofs)
    return request.mode is Mode.UNPLANNED and (fenced or request.accepted_risk is not None)


def _what_is_here(tree: Tree, request: StepRequest) -> StepResult:
    synced = tree.synced
    if synced is None or not tree.present:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"No whole copy stands at {request.target.site}.",
            "Restore a recovery point, or choose another way of recovery.",
        )
    return StepResult(
        detail=f"What is here is the copy of {synced.began:%Y-%m-%d %H:%M:%S} UTC.",
        changed=False,
        after={"position": synced.position},
    )


async def _lay(provider: "FilesProvider", request: StepRequest, tree: Tree, copied: Copied) -> None:
    if request.position and copied.synced.position != request.position:
        raise PermanentError(
            Code.INCONSISTENT,
            f"The fenced tree at {request.target.source} is not what it was when it was fenced.",
            "Find out who writes there, unfence, and move again.",
        )
    swap = Swap(
        old=str(tree.path),
        into=str(copied.stage / "old"),
        new=str(copied.stage / "tree"),
        manifest=str(copied.stage / "manifest"),
        synced=copied.synced,
        standing=Standing(epoch=request.ref.epoch, key=request.ref.key, role="standby"),
        forget=("restore.json",) if request.position else (),
    )
    await copying.lay(provider, tree, copied.stage, swap)
    # What a rebuild kept is not needed once a copy after it is whole.
    for kept in tree.state.glob("aside-*"):
        await asyncio.to_thread(remove, kept)
