"""Where a clone's data comes from. Everything here reads the component and writes into the bubble's folder only."""

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest
from workflows.model.observed import RecoveryPoint

from . import epoch, lsn, programs, replay, restore, sql, wal_archive
from . import lay_down as lay_down_module
from .catalogue import Store
from .clone_site import HARMLESS, CloneSite
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

ACCESS_FALLBACK = "host all all 127.0.0.0/8 md5\nhost all all ::1/128 md5\n"
_FREE_OF = ("recovery_target", "restore_command", *(option.partition("=")[0] for option in HARMLESS))
_STATE = """
select pg_is_in_recovery() as standby,
       (select system_identifier::text from pg_control_system()) as system_identifier,
       (select sum(pg_database_size(oid)) from pg_database)::bigint as size,
       pg_read_file(current_setting('hba_file')) as access,
       pg_read_file(current_setting('ident_file'), 0, 1000000, true) as idents,
       pg_last_wal_replay_lsn()::text as replayed
"""
_SPACES = "select oid, pg_tablespace_location(oid) as folder from pg_tablespace where pg_tablespace_location(oid) <> ''"


class Source(NamedTuple):
    """The server that is copied, as it was before."""

    size: int
    access: str
    idents: str
    spaces: dict[int, str]


async def look(provider: "PostgresProvider", request: StepRequest, point: RecoveryPoint) -> Source:
    """Whether the point can be cloned now.

    Raises:
        PermanentError: ROLE_MISMATCH when the stream's end is no standby, STALE_EPOCH, PRECONDITION_CHANGED.
        TemporaryError: UNREACHABLE, or TARGET_UNFIT while the standby has not replayed up to the point.
    """
    if point.kind != "stream":
        return Source(size=point.size or 0, access="", idents="", spaces={})
    name = request.target.site
    end = time.monotonic() + provider.settings.stall_timeout.total_seconds()
    with sql.looking("it was about to be cloned"):
        async with sql.session(real_address(provider, name)) as connection:
            state = await sql.row(connection, _STATE)
            stands = await epoch.read(connection)
            spaces = {row["oid"]: row["folder"] for row in await sql.rows(connection, _SPACES)}
            provider.same_system(request, state)
            if stands and stands.epoch > request.ref.epoch:
                raise epoch.stale(name, stands.epoch, request.ref.epoch)
            while state["standby"] and lsn.parse(state["replayed"] or "0/0") < lsn.parse(point.position):
                if time.monotonic() > end:
                    raise TemporaryError(
                        Code.TARGET_UNFIT, f"The standby at {name} has not come to {point.position}.", "Wait, retry."
                    )
                provider.context.heartbeat(f"waiting for the standby to replay up to {point.position}")
                await asyncio.sleep(0.02)
                state = await sql.row(connection, _STATE)
    if not state["standby"]:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"The server at {name} is no standby any more; a drill does not copy from what serves.",
            "Look at both sites and plan again.",
        )
    return Source(size=state["size"], access=state["access"] or "", idents=state["idents"] or "", spaces=spaces)


def real_site(provider: "PostgresProvider", name: str) -> PostgresSite:
    """The component itself, which is only read."""
    return provider.settings.sites[name]


def real_address(provider: "PostgresProvider", name: str) -> sql.Address:
    """Where the component itself is asked."""
    return sql.Address.of(provider.settings, real_site(provider, name), local=True)


async def base_backup(provider: "PostgresProvider", site: CloneSite, source: Source, data: Path) -> None:
    """Copy the running standby. Without a slot: one that is forgotten would hold its log for ever."""
    assert provider.context.bubble is not None
    name = provider.context.bubble.site
    spaces = _make_spaces(data.parent / "tablespaces", source, site.owner())
    error = await programs.run(
        *(provider, real_site(provider, name), real_address(provider, name), "copying the standby"),
        *("pg_basebackup", "-D", str(data), "-X", "stream", "-c", "fast", "--progress", "--no-sync"),
        *(word for pair in spaces for word in ("-T", pair)),
    )
    if error:
        raise TemporaryError(
            Code.UNREACHABLE,
            f"pg_basebackup failed: {error}.",
            "Check disk space, the REPLICATION right of the user and pg_hba.conf, then retry.",
        )
    _follow_nobody(data, site.owner())


def _make_spaces(folder: Path, source: Source, owner: int) -> list[str]:
    """Without a place of its own, the copy of a tablespace would be written where the component keeps it."""
    found = []
    for oid, where in source.spaces.items():
        space = folder / str(oid)
        space.mkdir(parents=True)
        for path in (folder, space):
            os.chown(path, owner, -1)
        found.append(f"{where}={space}")
    return found


def _follow_nobody(data: Path, owner: int) -> None:
    auto = data / "postgresql.auto.conf"
    lines = auto.read_text(encoding="utf-8").splitlines() if auto.exists() else []
    kept = [line for line in lines if not line.strip().startswith(_FREE_OF)]
    # Over whatever the server's own configuration file says: the end of the copy is the end of its log.
    for path, text in ((auto, "\n".join([*kept, "restore_command = ''", ""])), (data / "standby.signal", "")):
        path.write_text(text, encoding="utf-8")
        os.chown(path, owner, -1)


async def lay_down(provider: "PostgresProvider", request: StepRequest, point: RecoveryPoint, data: Path) -> None:
    """Lay a kept recovery point down."""
    # Recovery points are found by the site's own settings; of the site, this only reads.
    real = type(provider)(provider.settings, replace(provider.context, bubble=None))
    await restore.lay_down(real, request, point, data)


async def replay_point(provider: "PostgresProvider", request: StepRequest, point: RecoveryPoint) -> None:
    """Start the clone of a kept recovery point, and wait until it has replayed as far as the point says."""
    name = request.target.site
    store = Store(real_site(provider, name), name, request.target.name)
    stored = lay_down_module.find(store, point)
    await replay.replay(provider, request, stored, wal_archive.best(store, stored))


def write_access(provider: "PostgresProvider", source: Source, folder: Path, owner: int) -> None:
    """Who may connect to the clone: as to the component, and besides us through the private socket, by password."""
    ours = f'local all "{provider.settings.user}" md5\n'
    for name, text in (
        ("pg_hba.conf", ours + (source.access or _kept_access(folder / "data"))),
        ("pg_ident.conf", source.idents),
    ):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        os.chown(path, owner, -1)


def _kept_access(data: Path) -> str:
    """Of a recovery point; where the server kept its rules elsewhere, they are not in it."""
    kept = data / "pg_hba.conf"
    return kept.read_text(encoding="utf-8") if kept.exists() else ACCESS_FALLBACK
