"""What makes a stopped server follow another one, and how to see that it really does."""

import asyncio
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from activities.providers.base import secret
from workflows.model.failure import OutcomeUnknownError
from workflows.model.messages import StepRequest

from . import fence_file, guard, lsn, server, sql
from .guard import Serving
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

AUTO = "postgresql.auto.conf"
_KEYS = (
    "primary_conninfo",
    "primary_slot_name",
    "recovery_target_timeline",
    "synchronous_standby_names",
    "restore_command",
)
_STATE = """
select pg_is_in_recovery() as standby, coalesce(pg_last_wal_replay_lsn(), '0/0')::text as replayed,
       r.status, r.received_tli as timeline
  from (select 1) as one left join pg_stat_wal_receiver as r on true
"""
_SLOT = """
select active, wal_status = 'lost' as lost from pg_replication_slots where slot_name = %s and slot_type = 'physical'
"""


def slot_name(site: str) -> str:
    """The slot of a standby. Sites may have a dash in their name, slots may not."""
    return re.sub(r"[^a-z0-9_]", "_", site)


def endpoint(provider: "PostgresProvider", name: str) -> dict[str, Any]:
    """Where a standby replicates from the site, and as whom; without the password."""
    site, settings = provider.site(name), provider.settings
    return {
        "host": site.replication_host or site.host,
        "port": site.replication_port or site.port,
        "user": settings.replication_user or settings.user,
        "sslmode": settings.sslmode,
    }


def password(provider: "PostgresProvider") -> str:
    """Of the user who replicates."""
    return secret(provider.settings.replication_password or provider.settings.password)


def configure(provider: "PostgresProvider", site: PostgresSite, standby: str, serving: str) -> None:
    """Write what the server needs to follow, the password with it, in a file that only it may read."""
    conninfo = make_conninfo(
        **endpoint(provider, serving), password=password(provider), application_name=standby, connect_timeout=5
    )
    wanted = dict.fromkeys(_KEYS, "") | {
        "primary_conninfo": conninfo,
        "primary_slot_name": slot_name(standby),
        "recovery_target_timeline": "latest",
    }
    path = Path(site.data_dir) / AUTO
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in _KEYS]
    kept += [f"{key} = {_quoted(value)}" for key, value in wanted.items()]
    fence_file.put(site.data_dir, AUTO, ("\n".join(kept) + "\n").encode())
    if not fence_file.signal_stands(site.data_dir):
        fence_file.write_signal(site.data_dir)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


async def make_slot(connection: sql.Connection, name: str) -> None:
    """The slot of the standby at the serving server: there, and holding log."""
    found = await sql.rows(connection, _SLOT, (slot_name(name),))
    if found and found[0]["lost"] and not found[0]["active"]:
        await sql.rows(connection, "select pg_drop_replication_slot(%s)", (slot_name(name),))
        found = []
    if not found:
        await sql.rows(connection, "select pg_create_physical_replication_slot(%s, true)", (slot_name(name),))


async def follows(provider: "PostgresProvider", request: StepRequest, serving: Serving, seconds: float = 3.0) -> bool:
    """Whether the running server receives the serving timeline, and replays it up to where it was just now.

    `streaming` alone proves nothing: a diverged server is shown so for a moment.
    """
    try:
        async with sql.session(provider.address(request.target.source)) as connection:
            end = time.monotonic() + seconds
            first = ""
            while True:
                state = await sql.row(connection, _STATE)
                first = first or state["replayed"]
                right = state["standby"] and state["status"] == "streaming" and state["timeline"] == serving.timeline
                if right and lsn.parse(state["replayed"]) >= lsn.parse(serving.lsn):
                    return True
                if time.monotonic() >= end:
                    # Far behind and gaining is following too: to bring it near is the work of `protect`.
                    return bool(right) and state["replayed"] != first
                provider.context.heartbeat("looking whether the old server follows already")
                await asyncio.sleep(0.05)
    except (sql.Unreachable, TimeoutError, psycopg.Error):
        return False


async def start(provider: "PostgresProvider", request: StepRequest, site: PostgresSite, serving: Serving) -> None:
    """Start the standby and wait until it follows.

    Raises:
        OutcomeUnknownError: it does not, in time.
    """
    limit = provider.settings.start_timeout.total_seconds()
    provider.context.still_mine()
    with sql.acting("the start of the standby"):
        await server.start(site, limit)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        provider.context.heartbeat("waiting for the standby to follow the serving server")
        if await follows(provider, request, serving, seconds=0.5):
            guard.write_note(site, request.ref, "done")
            await _drop_own_slot(provider, request)
            return
        if server.postmaster(site) is None and time.monotonic() > end - limit + 3:
            break
        await asyncio.sleep(0.05)
    raise OutcomeUnknownError(
        f"The server at {request.target.source} was started and does not follow {serving.site} after {limit:g} s.",
        f"Read {site.log_file}; the next attempt looks before it acts, and takes a base backup.",
    )


async def _drop_own_slot(provider: "PostgresProvider", request: StepRequest) -> None:
    """The slot that the serving server had while it followed: nobody reads it now, and it would hold log for ever."""
    name = slot_name(request.target.target)
    try:
        async with sql.session(provider.address(request.target.source)) as connection:
            found = await sql.rows(connection, _SLOT, (name,))
            if found and not found[0]["active"]:
                await sql.rows(connection, "select pg_drop_replication_slot(%s)", (name,))
    except (sql.Unreachable, TimeoutError, psycopg.Error, OSError):
        # It follows, whatever becomes of this; the limit of the server on held log is the second defence.
        return


def own(path: Path, like: Path) -> None:
    """Give a file or folder to the owner of another, where this process may."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
