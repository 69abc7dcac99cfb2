"""What can be restored at a site, and what of it is kept."""

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.runbook import Snapshots

from . import catalogue, ledger, leftovers, lsn, programs, streaming, wal_archive
from .catalogue import Store, StoredPoint
from .snapshot import as_point

if TYPE_CHECKING:
    from .provider import PostgresProvider

ABANDONED_SECONDS = 24 * 3600.0


def copies(provider: "PostgresProvider", request: StepRequest) -> list[RecoveryPoint]:
    """Every copy in the store of `target.site` with how far its log leads, and what taking it would lose; the one that
    leads furthest first."""
    name = request.target.site
    site = provider.local(name)
    if site.snapshot_dir is None:
        return []
    store = Store(site, name, request.target.name)
    entries = ledger.read(provider.ledger(request.target.name, request.target.source))
    found = [_with_log(store, stored, entries[-1] if entries else None) for stored in store.all()]
    return sorted(found, key=lambda point: (point.covers_until, point.taken), reverse=True)


def _with_log(store: Store, stored: StoredPoint, last: ledger.Entry | None) -> RecoveryPoint:
    point = as_point(stored)
    if found := wal_archive.best(store, stored):
        note = found[1]
        point = point.model_copy(
            update={
                "position": note.lsn,
                "timeline": note.timeline,
                "covers_until": note.at,
                "marker": note.marker or point.marker,
                "marker_at": note.marker_at or point.marker_at,
            }
        )
    assert point.covers_until is not None
    # Nothing that was acknowledged after the last marker is known of; without markers the clock has to do.
    end = last.at if last else now()
    behind = max(0.0, (end - point.covers_until).total_seconds())
    missing = None
    if last and last.lsn and last.timeline == point.timeline:
        missing = max(0, lsn.parse(last.lsn) - lsn.parse(point.position))
    return point.model_copy(update={"expected_loss": Lag(seconds=behind, bytes=missing)})


def words(points: Sequence[RecoveryPoint]) -> str:
    """What there is, with ages, for a refusal."""
    if not points:
        return "There is no recovery point."
    told = [_word(point) for point in points[:10]]
    more = f", and {len(points) - 10} more" if len(points) > 10 else ""
    return f"There are: {'; '.join(told)}{more}."


def _word(point: RecoveryPoint) -> str:
    if point.kind == "stream":
        return f"the stream up to {point.position}"
    taken, until = _utc(point.taken), _utc(point.covers_until)
    age = in_words((now() - point.taken).total_seconds()) if point.taken else "not measured"
    proof = "verified" if point.verified else "not verified"
    return f"{point.name} (age {age}, taken {taken}, log until {until}, {proof})"


def _utc(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "unknown"


async def list_points(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """The end of the stream, where a standby runs, and every whole copy; the newest first."""
    found = await asyncio.to_thread(copies, provider, request)
    stream = await streaming.maybe(provider, request)
    points = ([stream] if stream else []) + found
    return StepResult(
        detail=words(points),
        changed=False,
        after={"points": len(points), "copies": len(found), "stream": stream is not None},
        points=tuple(points),
    )


async def prune(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Remove the copies that the retention no longer wants, the log that no copy needs, and what was set aside for as
    long as copies are kept."""
    replication = request.target.component.replication
    rule = replication.snapshots if replication else None
    if rule is None:
        return StepResult(detail="The runbook keeps no snapshots; nothing to remove.", changed=False)
    site = provider.local(request.target.site)
    store = Store(site, request.target.site, request.target.name)
    provider.context.still_mine()
    store.claim(request.ref)
    everything = store.all()
    going = unwanted(everything, rule, now())
    freed = await programs.in_thread(_rubbish, store, request)
    for point in going:
        provider.context.heartbeat(f"removing {point.name}")
        freed += await programs.in_thread(_remove, store, request, point, provider.context.still_mine)
    freed += await programs.in_thread(leftovers.sweep, site, request, provider.context.still_mine)
    kept = [point for point in everything if point not in going]
    with store.ours(request.ref):
        segments, bytes_of_log = _prune_log(store, kept, provider.context.still_mine)
    freed += bytes_of_log
    return StepResult(
        detail=f"{len(going)} removed, {len(kept)} kept, {freed} bytes freed.",
        changed=bool(going or segments or freed),
        after={
            "removed": [point.name for point in going],
            "kept": len(kept),
            "segments_removed": segments,
            "bytes_freed": freed,
        },
    )


def unwanted(points: Sequence[StoredPoint], rule: Snapshots, at: datetime) -> list[StoredPoint]:
    """Which of the copies may go: neither among the newest, nor young, nor the newest verified. Newest first."""
    ordered = sorted(points, key=lambda point: point.taken, reverse=True)
    newest_verified = next((point for point in ordered if point.verified), None)
    rest = ordered[rule.keep :]
    return [point for point in rest if point != newest_verified and at - point.taken > rule.keep_for]


def _remove(store: Store, request: StepRequest, point: StoredPoint, mine: Callable[[], None]) -> int:
    folder = store.points / point.name
    gone = folder.with_name(f"{folder.name}{catalogue.GONE}")
    with store.ours(request.ref):
        mine()
        # From this instant on it is no point, however long the removal takes.
        folder.rename(gone)
    size = catalogue.bytes_in(gone)
    shutil.rmtree(gone)
    return size


def _rubbish(store: Store, request: StepRequest) -> int:
    """Finish removals that died, and clear copies that nobody goes on with."""
    freed = 0
    for folder in list(store.points.iterdir()):
        if folder.name.endswith(catalogue.GONE) or _abandoned(folder, request):
            freed += catalogue.bytes_in(folder)
            shutil.rmtree(folder, ignore_errors=True)
    return freed


def _abandoned(folder: Path, request: StepRequest) -> bool:
    if not folder.name.endswith(catalogue.PART):
        return False
    of = folder.name.removesuffix(catalogue.PART).rsplit("-", 2)[-2]
    if of.isdigit() and int(of) < request.ref.epoch:
        return True
    newest = max((path.stat().st_mtime for path in (folder, *folder.glob("base/pg_wal/*"))), default=0.0)
    return time.time() - newest > ABANDONED_SECONDS


def _prune_log(store: Store, kept: Sequence[StoredPoint], mine: Callable[[], None]) -> tuple[int, int]:
    """Remove the segments in front of the oldest copy. Without any copy nothing is known to be useless."""
    if not kept:
        return 0, 0
    oldest = min(kept, key=lambda point: lsn.parse(point.start))
    size, count, freed = oldest.segment_size, 0, 0
    first = lsn.parse(oldest.start) // size
    found = wal_archive.chapters(store)
    for chapter in found:
        there = chapter.segments(size)
        for number, paths in there.items():
            for path in paths if number < first else ():
                mine()
                freed += path.stat().st_size
                count += 1
                path.unlink()
        notes = chapter.notes()
        useful = [note for note in notes if lsn.parse(note.lsn) >= first * size]
        if len(useful) < len(notes) and useful:
            chapter.rewrite(useful)
        if not useful and chapter is not found[-1] and not chapter.segments(size):
            shutil.rmtree(chapter.folder, ignore_errors=True)
            chapter.remove()
    return count, freed
