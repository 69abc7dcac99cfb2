"""Recovery points: copies that never change, hard-linked to each other where their files are the same.

A point is `points/NAME` with its tree, its manifest, and `point.json`. It gets its name by one rename, when it is
whole.
No link leads from a point into the tree itself: that is written to after a promotion.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from activities.durable import sync
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.point_choice import Way, parse_choice, pick
from workflows.model.runbook import ReplicationMode, Snapshots

from . import copying, source
from .disk import remove, write
from .state import Standing, Synced, Tree, mismatch, stale

if TYPE_CHECKING:
    from .provider import FilesProvider

POINT = "point.json"
CLAIM = "points.json"


async def snapshot(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Copy the tree at `target.source` to a new point at `target.site`, once."""
    tree = provider.local(request.target.site)
    folder = tree.points / _name(request)
    async with tree.lock(provider.context.heartbeat, "points"):
        _claim(provider, tree, request)
        stored = read(folder)
        changed = stored is None
        if stored is None:
            stored = await _take(provider, request, tree, folder)
    return StepResult(
        detail=f"{stored.entries} entries, {stored.bytes} bytes; {stored.proof}; in {in_words(stored.seconds)}.",
        changed=changed,
        after={"name": folder.name, "folder": str(folder), "position": stored.position, "size": stored.bytes},
        point=as_point(request, folder.name, stored),
    )


def _name(request: StepRequest) -> str:
    return f"{request.target.name}-{request.ref.epoch}-{hashlib.sha256(request.ref.key.encode()).hexdigest()[:16]}"


def _claim(provider: "FilesProvider", tree: Tree, request: StepRequest) -> None:
    """Write our epoch down, before the points are changed. PermanentError(STALE_EPOCH) under a higher one."""
    stands = tree.read(Standing, CLAIM)
    if stands and stands.epoch > request.ref.epoch:
        raise stale(f"the recovery points of {request.target.site}", stands.epoch, request.ref.epoch)
    provider.context.still_mine()
    if stands is None or stands.epoch < request.ref.epoch:
        tree.write(CLAIM, Standing(epoch=request.ref.epoch, key=request.ref.key, role="standby"))


async def _take(provider: "FilesProvider", request: StepRequest, tree: Tree, folder: Path) -> Synced:
    if request.target.site == request.target.source:
        raise mismatch(f"{request.target.site} cannot keep recovery points of itself.")
    await asyncio.to_thread(tree.sweep, "point")
    origin = await source.origin(provider, request.target.source, request.ref)
    newest = stored(tree)[:1]
    bases = [tree.points / name / "tree" for name, _ in newest]
    known = tree.points / newest[0][0] / "manifest" if newest else Path("/nonexistent")
    copied = await copying.pull(provider, request, origin, tree, bases, True, known, "point")
    try:
        write(copied.stage / POINT, copied.synced.model_dump_json().encode())
        tree.points.mkdir(exist_ok=True)
        provider.context.still_mine()
        copied.stage.rename(folder)
        sync(tree.points)
    except BaseException:
        await asyncio.to_thread(remove, copied.stage)
        raise
    return copied.synced


def read(folder: Path) -> Synced | None:
    """The point in a folder; None when there is none that is whole."""
    try:
        return Synced.model_validate_json((folder / POINT).read_bytes())
    except (OSError, ValueError):
        return None


def stored(tree: Tree) -> list[tuple[str, Synced]]:
    """Every whole point by name, the one taken last first."""
    folders = list(tree.points.iterdir()) if tree.points.is_dir() else []
    found = [(folder.name, point) for folder in folders if (point := read(folder))]
    return sorted(found, key=lambda entry: entry[1].ended, reverse=True)


def find(tree: Tree, name: str) -> tuple[Path, Synced]:
    """A point's folder. PermanentError(NOT_FOUND) when it is gone."""
    found = read(tree.points / name) if name and Path(name).name == name else None
    if found is None:
        raise PermanentError(Code.NOT_FOUND, f"There is no recovery point {name!r} here.", "Choose another one.")
    return tree.points / name, found


def as_point(request: StepRequest, name: str, stored: Synced, kind: str = "snapshot") -> RecoveryPoint:
    """As it is told. What was written after it began may be missing."""
    return RecoveryPoint(
        component=request.target.name,
        site=request.target.site,
        kind=kind,
        position=stored.position,
        marker=stored.marker,
        marker_at=stored.marker_at,
        expected_loss=Lag(seconds=max(0.0, (now() - stored.began).total_seconds())),
        name=name,
        taken=stored.ended,
        covers_until=stored.began,
        size=stored.bytes,
        verified=stored.verified,
        proof=stored.proof,
    )


def _all(tree: Tree, request: StepRequest) -> list[RecoveryPoint]:
    copies = stored(tree)
    found = [as_point(request, name, point) for name, point in copies]
    synced = tree.synced
    if synced is None or tree.primary or not tree.present:
        return found
    rule = request.target.component.replication
    backup = rule is not None and rule.mode is ReplicationMode.BACKUP
    if backup and copies and copies[0][1].began > synced.began:
        # Nothing keeps the copy in step in this mode: a newer snapshot is what `latest` means.
        return found
    return [as_point(request, "", synced, "stream"), *found]


async def list_points(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """The copy that is kept in step, and every snapshot; the newest first."""
    found = await asyncio.to_thread(_all, provider.local(request.target.site), request)
    return StepResult(detail=_words(found), changed=False, after={"points": len(found)}, points=tuple(found))


async def choose(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """What `request.choice` means. A moment means the last snapshot that was whole before it."""
    tree = provider.local(request.target.site)
    found = await asyncio.to_thread(_all, tree, request)
    try:
        choice = parse_choice(request.choice)
    except ValueError as error:
        raise PermanentError(
            Code.INVALID_INPUT, "The wanted recovery point cannot be understood.", f"It was {error}."
        ) from None
    # There is no log between two snapshots: nothing later than a wanted moment may come back.
    point = _before(found, choice.before) if choice.way is Way.BEFORE and choice.before else pick(choice, found)
    if point is None:
        raise PermanentError(
            Code.NOT_FOUND, f"There is no recovery point {request.choice!r} at {request.target.site}.", _words(found)
        )
    what = f"Snapshot {point.name}" if point.name else "The copy kept in step"
    began = f"{point.covers_until:%Y-%m-%d %H:%M:%S} UTC" if point.covers_until else "an unknown time"
    return StepResult(
        detail=f"{what}, as of {began}; expected loss: {in_words(point.expected_loss.seconds)}.",
        changed=False,
        after={"name": point.name, "position": point.position},
        point=point,
        points=tuple(found),
    )


def _before(found: Sequence[RecoveryPoint], moment: datetime) -> RecoveryPoint | None:
    fitting = [point for point in found if point.name and point.taken and point.taken <= moment]
    return max(fitting, key=lambda point: point.taken or moment, default=None)


def _words(found: Sequence[RecoveryPoint]) -> str:
    if not found:
        return "There is no recovery point."
    told = [
        f"{point.name or 'the copy kept in step'} (age {in_words(point.expected_loss.seconds)}, "
        f"{'verified' if point.verified else 'not verified'})"
        for point in found[:10]
    ]
    more = f", and {len(found) - 10} more" if len(found) > 10 else ""
    return f"There are: {'; '.join(told)}{more}."


async def prune(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Remove the points that the retention no longer wants, and trees that were set aside as long ago."""
    rule = request.target.component.replication.snapshots if request.target.component.replication else None
    if rule is None:
        return StepResult(detail="The runbook keeps no snapshots; nothing to remove.", changed=False)
    tree = provider.local(request.target.site)
    async with tree.lock(provider.context.heartbeat, "points"):
        _claim(provider, tree, request)
        every = stored(tree)
        going = unwanted(every, rule, now())
        for prefix in ("point", "look"):
            await asyncio.to_thread(tree.sweep, prefix)
        for name in going:
            provider.context.still_mine()
            provider.context.heartbeat(f"removing {name}")
            # From this instant on it is no point, however long the removal takes.
            gone = tree.state / f"point-gone-{name}"
            (tree.points / name).rename(gone)
            await asyncio.to_thread(remove, gone)
        old = await _set_aside(provider, tree, rule)
    return StepResult(
        detail=f"{len(going)} removed, {len(every) - len(going)} kept.",
        changed=bool(going or old),
        after={"removed": going, "kept": len(every) - len(going), "set_aside_removed": old},
    )


def unwanted(every: Sequence[tuple[str, Synced]], rule: Snapshots, at: datetime) -> list[str]:
    """Which may go: neither among the newest, nor young, nor the newest verified."""
    verified = next((name for name, point in every if point.verified), None)
    return [name for name, point in every[rule.keep :] if name != verified and at - point.ended > rule.keep_for]


async def _set_aside(provider: "FilesProvider", tree: Tree, rule: Snapshots) -> list[str]:
    if tree.restored:
        return []
    old = []
    for path in tree.state.glob("set-aside-*"):
        if now().timestamp() - path.lstat().st_ctime > rule.keep_for.total_seconds():
            provider.context.still_mine()
            await asyncio.to_thread(remove, path)
            old.append(path.name)
    return old
