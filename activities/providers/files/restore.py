"""Lay a recovery point down, the undo of that, and the copy for a drill.

Nothing of a point is linked into what is laid down: that is written to, and the point must stay as it is.
"""

import asyncio
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from activities.bubble.place import Place
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import RecoveryPoint

from . import copying, manifest, points, rsync
from .disk import remove
from .state import Restored, Standing, Swap, Synced, Tree, mismatch
from .sync import insist_on_standby

if TYPE_CHECKING:
    from .provider import FilesProvider


async def restore(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Bring `request.point` to `target.site` as a standby; what stood there is set aside."""
    tree, point = provider.local(request.target.site), _point(request)
    if point.kind == "stream":
        return StepResult(detail="The copy stands there already; there is nothing to restore.", changed=False)
    started = time.monotonic()
    aside = tree.state / f"set-aside-{request.ref.epoch}"
    async with tree.lock(provider.context.heartbeat, "copy"):
        async with tree.lock(provider.context.heartbeat):
            if _stands(tree, request, point):
                return StepResult(detail=f"{point.name} is restored already.", changed=False, point=point)
            insist_on_standby(tree, request)
        await asyncio.to_thread(tree.sweep)
        try:
            stage, synced = await _copy(provider, request, tree, tree)
            async with tree.lock(provider.context.heartbeat):
                insist_on_standby(tree, request)
                await _lay(provider, request, tree, stage, synced, aside)
        finally:
            await asyncio.to_thread(tree.sweep)
    return StepResult(
        detail=f"{point.name} is restored, every content as it was taken, in {in_words(time.monotonic() - started)}.",
        after={"role": "standby", "position": synced.position, "aside": str(aside)},
        point=point,
    )


def _point(request: StepRequest) -> RecoveryPoint:
    if request.point is None:
        raise PermanentError(Code.INVALID_INPUT, "No recovery point was given.", "Choose one first.")
    return request.point


def _stands(tree: Tree, request: StepRequest, point: RecoveryPoint) -> bool:
    tree.insist_on_epoch(request.target.site, request.ref)
    restored, synced = tree.restored, tree.synced
    if restored is None or not restored.belongs_to(request.ref) or tree.primary:
        return False
    return restored.point == point.name and synced is not None and synced.key == request.ref.key


async def _copy(provider: "FilesProvider", request: StepRequest, tree: Tree, into: Tree) -> tuple[Path, Synced]:
    """A copy of the point beside `into`, every content of it compared with what was noted when it was taken.

    Raises:
        PermanentError: INCONSISTENT when the point is spoilt.
    """
    folder, stored = points.find(tree, _point(request).name)
    _insist_on_room(into, stored.bytes)
    stage = into.room("stage")
    try:
        await rsync.copy(provider, str(folder / "tree"), stage / "tree", expected=stored.bytes)
        found = await copying.threaded(
            provider, "reading what was restored", lambda beat: manifest.take(stage / "tree", beat=beat)
        )
        wrong = copying.unlike(manifest.load(folder / "manifest") or {}, found)
        if wrong:
            raise PermanentError(
                Code.INCONSISTENT,
                f"The recovery point {folder.name} is spoilt at {len(wrong)} entries: "
                f"{', '.join(copying.names(wrong, 5))}.",
                "Choose another recovery point, and check the disk.",
            )
        manifest.save(stage / "manifest", found)
    except BaseException:
        await asyncio.to_thread(remove, stage)
        raise
    return stage, stored.model_copy(update={"key": request.ref.key, "epoch": request.ref.epoch})


def _insist_on_room(tree: Tree, size: int) -> None:
    tree.state.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(tree.state).free
    if free < size + copying.ROOM:
        raise PermanentError(
            Code.TARGET_UNFIT, f"{size} bytes are wanted and {free} are free in {tree.state}.", "Make room, then retry."
        )


async def _lay(
    provider: "FilesProvider", request: StepRequest, tree: Tree, stage: Path, synced: Synced, aside: Path
) -> None:
    before = tree.restored
    if before is None or not before.belongs_to(request.ref):
        record = Restored(
            workflow_id=request.ref.workflow_id,
            epoch=request.ref.epoch,
            point=_point(request).name,
            had_tree=tree.present,
            standing=tree.standing,
            synced=tree.synced,
        )
        provider.context.still_mine()
        if tree.manifest.exists():
            shutil.copyfile(tree.manifest, tree.state / "manifest-set-aside")
        tree.write("restore.json", record)
    swap = Swap(
        old=str(tree.path),
        into=str(aside),
        new=str(stage / "tree"),
        manifest=str(stage / "manifest"),
        synced=synced,
        standing=Standing(epoch=request.ref.epoch, key=request.ref.key, role="standby"),
    )
    await copying.lay(provider, tree, stage, swap)


async def discard(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Put back what this run's restore set aside. Legal only while nothing was promoted."""
    tree = provider.local(request.target.site)
    async with tree.lock(provider.context.heartbeat, "copy"), tree.lock(provider.context.heartbeat):
        tree.insist_on_epoch(request.target.site, request.ref)
        record = tree.restored
        if record is None or not record.belongs_to(request.ref):
            return StepResult(detail="No restore of this run stands here.", changed=False)
        if tree.primary and not (tree.standing is None and record.standing is None):
            raise mismatch(f"The restored tree at {request.target.site} was promoted, so it is not thrown away.")
        aside = tree.state / f"set-aside-{request.ref.epoch}"
        if aside.exists() if record.had_tree else tree.present:
            await _put_back(provider, tree, record, aside)
        # Last, so that an attempt that died before it knows what is left to do.
        tree.forget("restore.json")
        await asyncio.to_thread(tree.sweep)
    return StepResult(detail="What was set aside is back." if record.had_tree else "What was restored is gone.")


async def _put_back(provider: "FilesProvider", tree: Tree, record: Restored, aside: Path) -> None:
    stage = tree.room("stage")
    kept = tree.state / "manifest-set-aside"
    swap = Swap(
        old=str(tree.path),
        into=str(stage / "old"),
        new=str(aside) if record.had_tree else "",
        manifest=str(kept) if record.synced else "",
        synced=record.synced,
        standing=record.standing,
        forget=tuple(
            name for name, there in (("sync.json", record.synced), ("epoch.json", record.standing)) if there is None
        ),
    )
    await copying.lay(provider, tree, stage, swap)


async def clone(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Lay a copy of the point down in the bubble, as a standby that may be promoted there. Of the component itself
    nothing is changed; its copy is held still while it is read."""
    bubble = request.target.bubble
    if bubble is None:
        raise PermanentError(Code.INVALID_INPUT, "A clone wants a bubble.", "This is a defect of the plan.")
    provider.insist_on_being_at(bubble.site)
    Place.of(provider.context.state_dir, bubble).insist_on_open()
    clone_tree, real = provider.local(request.target.site), provider.plain(request.target.site)
    started = time.monotonic()
    async with clone_tree.lock(provider.context.heartbeat):
        clone_tree.insist_on_epoch(request.target.site, request.ref)
        if clone_tree.standing is not None:
            return StepResult(detail="The clone stands already.", changed=False, point=request.point)
        await asyncio.to_thread(clone_tree.sweep)
        if _point(request).kind == "stream":
            async with real.lock(provider.context.heartbeat):
                stage, synced = await _copy_tree(provider, request, real, clone_tree)
        else:
            stage, synced = await _copy(provider, request, real, clone_tree)
        swap = Swap(
            old=str(clone_tree.path),
            into=str(stage / "old"),
            new=str(stage / "tree"),
            manifest=str(stage / "manifest"),
            synced=synced,
            standing=Standing(epoch=request.ref.epoch, key=request.ref.key, role="standby"),
        )
        await copying.lay(provider, clone_tree, stage, swap)
    return StepResult(
        detail=f"Cloned {synced.entries} entries in {in_words(time.monotonic() - started)}.",
        after={"folder": str(clone_tree.path), "size": synced.bytes, "role": "standby", "position": synced.position},
        point=request.point,
    )


async def _copy_tree(provider: "FilesProvider", request: StepRequest, real: Tree, into: Tree) -> tuple[Path, Synced]:
    synced = real.synced
    if synced is None or real.primary or not real.present:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"No whole standby copy stands at {request.target.site}.",
            "Synchronise it, or drill with a snapshot.",
        )
    _insist_on_room(into, synced.bytes)
    stage = into.room("stage")
    await rsync.copy(provider, str(real.path), stage / "tree", expected=synced.bytes)
    found = await copying.threaded(provider, "reading the clone", lambda beat: manifest.take(stage / "tree", beat=beat))
    manifest.save(stage / "manifest", found)
    return stage, synced.model_copy(update={"key": request.ref.key, "epoch": request.ref.epoch})
