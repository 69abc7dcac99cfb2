"""Whether what stands at the old site may be overwritten.

Invariant: nothing is written at the old site before all of these hold: no server that accepts writes runs on its data
directory; the server at the other site answers, is the primary of the same cluster, and holds an epoch that is not
below any that stands at the old site nor above ours.
"""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import psycopg

from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref, StepRequest

from . import epoch, fence_file, server, sql, timelines
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

_SERVING = """
select pg_is_in_recovery() as standby,
       (select system_identifier::text from pg_control_system()) as system_identifier,
       current_setting('server_version_num')::int as version,
       case when pg_is_in_recovery() then null else pg_current_wal_lsn()::text end as lsn,
       case when pg_is_in_recovery() then 0
            else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline
"""
_EPOCH_HERE = "select max(epoch) as epoch from seawall.epoch"


class Serving(NamedTuple):
    """The server that serves."""

    site: str
    system_identifier: str
    version: int
    timeline: int
    lsn: str
    epoch: int
    history: timelines.History


class Rebuilding(Message):
    """The note beside a data directory of what was last done to it, and how far that came."""

    epoch: int
    key: str
    stage: str
    """`begun`, `rewind` (the directory cannot be trusted any more), `swap`, `start`, or `done`."""


def cluster_stands(site: PostgresSite) -> bool:
    """Whether there is a cluster in the data directory, whole or not."""
    return Path(site.data_dir, "PG_VERSION").exists()


def note_path(site: PostgresSite) -> Path:
    """Beside the data directory, since a rewind and a base backup replace what is in it."""
    return Path(f"{site.data_dir.rstrip('/')}.rebuild.json")


def read_note(site: PostgresSite) -> Rebuilding | None:
    """The note; None when there is none, or when it is about an earlier life of the directory: one that was begun to be
    overwritten, was started again since, and may hold commits of its own."""
    try:
        note = Rebuilding.model_validate_json(note_path(site).read_bytes())
        return None if note.stage in ("rewind", "swap") and _started_since(site) else note
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PermanentError(
            Code.CONFIGURATION, f"The note {note_path(site)} cannot be read.", "Look at it by hand, then retry."
        ) from error


def _started_since(site: PostgresSite) -> bool:
    """A server writes its options down at each start; neither a rewind nor a base backup brings that file."""
    options = Path(site.data_dir, "postmaster.opts")
    return options.exists() and options.stat().st_mtime_ns > note_path(site).stat().st_mtime_ns


def write_note(site: PostgresSite, ref: Ref, stage: str) -> None:
    """Put the note there, durably."""
    path = note_path(site)
    note = Rebuilding(epoch=ref.epoch, key=ref.key, stage=stage)
    fence_file.put(str(path.parent), path.name, json.dumps(note.model_dump()).encode())


async def serving(provider: "PostgresProvider", request: StepRequest) -> Serving:
    """The server at `target.target`, once it is certain that it serves.

    Raises:
        PermanentError: ROLE_MISMATCH when it is no primary, STALE_EPOCH when a later run brought it up.
        TemporaryError: UNREACHABLE.
    """
    name = request.target.target
    address = provider.address(name)
    with sql.looking(f"{name} was asked whether it serves"):
        async with sql.session(address) as connection:
            found = await sql.row(connection, _SERVING)
            if found.pop("standby"):
                raise mismatch(f"The server at {name} is no primary, so nothing may be rebuilt from it.")
            stands = await epoch.read(connection)
            history = await timelines.of_server(connection, address, found["timeline"])
    if stands and stands.epoch > request.ref.epoch:
        raise epoch.stale(name, stands.epoch, request.ref.epoch)
    return Serving(site=name, epoch=stands.epoch if stands else -1, history=history, **found)


def mismatch(sentence: str) -> PermanentError:
    """The refusal to touch what serves."""
    return PermanentError(
        Code.ROLE_MISMATCH, sentence, "Nothing was changed. Look at both sites, and ask again with the right ones."
    )


async def old_site(provider: "PostgresProvider", request: StepRequest) -> PostgresSite:
    """The settings of the old site, once nothing there speaks against touching it; see the module.

    Raises:
        PermanentError: ROLE_MISMATCH or STALE_EPOCH.
    """
    name, other = request.target.source, request.target.target
    if request.target.site != name or name == other:
        raise mismatch(f"The step acts on {request.target.site}, but the old site is {name} and {other} serves.")
    site = provider.local(name)
    serving_site = provider.site(other)
    if (site.host, site.port) == (serving_site.host, serving_site.port):
        raise mismatch(f"{name} and {other} are settings of one and the same server.")
    for stands in (fence_file.read(site.data_dir), read_note(site)):
        if stands and stands.epoch > request.ref.epoch:
            raise epoch.stale(name, stands.epoch, request.ref.epoch)
    await _no_writer(site, name)
    return site


async def _no_writer(site: PostgresSite, name: str) -> None:
    """No server runs on the data directory that is, or may become by itself, a primary."""
    running = await asyncio.to_thread(_uses, site.data_dir)
    if not running:
        return
    if server.postmaster(site) is None:
        raise mismatch(
            f"A program of PostgreSQL works in the data directory of {name}, and it is not a server of ours."
        )
    # The control file and not the port: the settings may name another server's port.
    state = (await server.control(site)).get("Database cluster state", "")
    if state != "in archive recovery":
        raise mismatch(f"The server that runs in the data directory of {name} is no standby ({state or 'unknown'}).")


def _uses(data_dir: str) -> bool:
    """Whether any live process works in the directory, by whatever path it is named."""
    try:
        wanted = Path(data_dir).stat()
    except OSError:
        return False
    for process in psutil.process_iter(["name"]):
        if not str(process.info["name"]).startswith(("postgres", "postmaster", "pg_rewind", "pg_ctl")):
            continue
        try:
            cwd = Path(f"/proc/{process.pid}/cwd").stat()
        except OSError:
            continue
        if (cwd.st_dev, cwd.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False


async def epoch_here(connection: sql.Connection) -> int:
    """The epoch that stands in the old data; -1 when there is none."""
    try:
        return int((await sql.row(connection, _EPOCH_HERE))["epoch"] or -1)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return -1
