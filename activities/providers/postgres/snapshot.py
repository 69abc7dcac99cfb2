"""A base backup of the serving server that can be restored: taken, verified, and only then given its name."""

import json
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from activities.durable import sync
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import RecoveryPoint

from . import catalogue, epoch, observe, programs, server, sql, wal_archive
from .catalogue import Store, StoredPoint
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

VERIFY_SECONDS = 6 * 3600.0
_STATE = """
select clock_timestamp() as at, pg_is_in_recovery() as standby,
       (select system_identifier::text from pg_control_system()) as system,
       (select setting::bigint from pg_settings where name = 'wal_segment_size') as segment_size,
       (select count(*) from pg_tablespace where spcname not in ('pg_default', 'pg_global')) as tablespaces,
       (select sum(pg_database_size(oid)) from pg_database)::bigint as size
"""


class _Source(NamedTuple):
    """The copied server, just before the backup."""

    at: datetime
    system: str
    segment_size: int
    size: int
    marker: int | None
    marker_at: datetime | None


async def snapshot(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Copy the server at `target.source` to `target.site`, once; asked again, answer with the copy that is there."""
    site = provider.local(request.target.site)
    store = Store(site, request.target.site, request.target.name)
    final = store.folder(request.ref, request.target.name)
    provider.context.still_mine()
    store.claim(request.ref)
    started = time.monotonic()
    changed = catalogue.read(final) is None
    if changed:
        await _take(provider, request, site, store, final)
    stored = catalogue.read(final)
    assert stored is not None
    return StepResult(
        detail=f"Base backup up to {stored.end}, verified, in {in_words(time.monotonic() - started)}.",
        changed=changed,
        after={
            "folder": str(final),
            "position": stored.end,
            "timeline": stored.timeline,
            "size": stored.size,
            "name": stored.name,
        },
        point=as_point(stored),
    )


def as_point(stored: StoredPoint) -> RecoveryPoint:
    """The copy by itself, without any log that follows it."""
    return RecoveryPoint(
        component=stored.component,
        site=stored.site,
        kind="snapshot",
        position=stored.end,
        timeline=stored.timeline,
        marker=stored.marker,
        marker_at=stored.marker_at,
        name=stored.name,
        taken=stored.taken,
        covers_until=stored.begun,
        size=stored.size,
        verified=stored.verified,
        proof=stored.proof,
    )


async def _look(provider: "PostgresProvider", request: StepRequest) -> _Source:
    name = request.target.source
    with sql.looking("it was looked at before its backup"):
        async with sql.session(provider.address(name)) as connection:
            seen = await sql.row(connection, _STATE)
            stands = await epoch.read(connection)
            marker = await observe.newest_marker(connection)
    if stands and stands.epoch > request.ref.epoch:
        raise epoch.stale(name, stands.epoch, request.ref.epoch)
    if seen["standby"]:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"The server at {name} is a standby, and recovery points are taken of the one that serves.",
            "Look at both sites and plan again.",
        )
    if seen["tablespaces"]:
        raise PermanentError(
            Code.UNSUPPORTED,
            f"The server at {name} has tablespaces outside its data directory, which a copy cannot keep apart.",
            "Move their tables into the default tablespace, then retry.",
        )
    return _Source(
        seen["at"],
        seen["system"],
        seen["segment_size"],
        seen["size"],
        marker["number"] if marker else None,
        marker["at"] if marker else None,
    )


async def _take(
    provider: "PostgresProvider", request: StepRequest, site: PostgresSite, store: Store, final: Path
) -> None:
    seen = await _look(provider, request)
    part = final.with_name(f"{final.name}{catalogue.PART}")
    provider.context.still_mine()
    # Left behind by an attempt that died; the names are of this step alone.
    for left in (part, final):
        await programs.in_thread(shutil.rmtree, left, True)
    _room(store, seen.size)
    try:
        part.mkdir()
        catalogue.own(part, site)
        if wal_archive.wanted(provider, request):
            # Before the backup: from its end on no piece of the log may be missing.
            await wal_archive.reserve(provider, request)
        await _backup(provider, request, site, part / catalogue.BASE)
        await _finish(provider, request, part, seen, site)
        with store.ours(request.ref):
            provider.context.still_mine()
            part.rename(final)
            sync(final.parent)
    except BaseException:
        await programs.in_thread(shutil.rmtree, part, True)
        raise
    if wal_archive.wanted(provider, request):
        await wal_archive.pull(provider, request)


def _room(store: Store, size: int) -> None:
    free = shutil.disk_usage(store.points).free
    if free < size:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"The data is {size} bytes and only {free} are free in {store.points}.",
            "Make room or keep fewer recovery points, then retry.",
        )


async def _backup(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, base: Path) -> None:
    address = provider.address(request.target.source)
    error = await programs.run(
        *(provider, site, address, "base backup", "pg_basebackup"),
        *("-D", str(base), "-X", "stream", "-c", "fast", "--progress"),
    )
    if error:
        raise TemporaryError(
            Code.UNREACHABLE,
            f"pg_basebackup failed, and what it wrote is thrown away: {error}.",
            "Check disk space, the REPLICATION right of the user and pg_hba.conf, then retry.",
        )
    status, _ = await provider.beating(
        "verifying the backup", server.run(site, "pg_verifybackup", str(base), seconds=VERIFY_SECONDS)
    )
    if status != 0:
        raise PermanentError(
            Code.CHECK_FAILED, "The base backup does not verify and was thrown away.", "Check the disk, then retry."
        )


async def _finish(
    provider: "PostgresProvider", request: StepRequest, part: Path, seen: _Source, site: PostgresSite
) -> None:
    with sql.looking("its clock was read after the backup"):
        async with sql.session(provider.address(request.target.source)) as connection:
            after = await sql.row(connection, _STATE)
    base = part / catalogue.BASE
    ranges = json.loads((base / "backup_manifest").read_bytes())["WAL-Ranges"]
    stored = StoredPoint(
        name=part.name.removesuffix(catalogue.PART),
        component=request.target.name,
        site=request.target.site,
        source=request.target.source,
        epoch=request.ref.epoch,
        key=request.ref.key,
        begun=seen.at,
        taken=after["at"],
        start=ranges[0]["Start-LSN"],
        end=ranges[-1]["End-LSN"],
        timeline=ranges[-1]["Timeline"],
        segment_size=seen.segment_size,
        system=seen.system,
        size=await programs.in_thread(catalogue.bytes_in, base),
        verified=now(),
        proof="pg_verifybackup",
        marker=seen.marker,
        marker_at=seen.marker_at,
    )
    catalogue.write(part / catalogue.POINT, stored)
    catalogue.own(part / catalogue.POINT, site)
