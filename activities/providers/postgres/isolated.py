"""The old server, started so that nobody but us can reach it and nothing in it can change.

It runs as a standby of nobody: it replays what its own log holds, to the very end, and never accepts a write. Single
user mode or a plain start would recover the log too, and could write; a standby cannot.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import dict_row

from workflows.model.failure import OutcomeUnknownError, PermanentError

from . import fence_file, lsn, server, sql
from .settings import PostgresSite

if TYPE_CHECKING:
    from .provider import PostgresProvider

PREFIX = "seawall-old-"
_PORT = 5432
_REPLAYED = "select coalesce(pg_last_wal_replay_lsn(), '0/0')::text as replayed"
_OPTIONS = (
    "listen_addresses=",
    f"port={_PORT}",
    "ssl=off",
    "hot_standby=on",
    "primary_conninfo=",
    "primary_slot_name=",
    "restore_command=",
    "archive_cleanup_command=",
    "recovery_end_command=",
    "recovery_target_timeline=current",
    "recovery_min_apply_delay=0",
    "archive_mode=off",
    "synchronous_standby_names=",
    "default_transaction_read_only=on",
    "logging_collector=off",
    "external_pid_file=",
    # The log from before the fork is what a rewind needs: no restart point may remove it.
    "wal_keep_size=2000GB",
    "max_slot_wal_keep_size=-1",
    "wal_retrieve_retry_interval=100ms",
)


class _Alone(PostgresSite):
    """The site's settings with options of ours after its own. Runbooks may not write an empty value; these do."""

    alone: tuple[str, ...] = ()

    def options(self) -> tuple[str, ...]:
        return (*super().options(), *self.alone)


class NotStarted(Exception):
    """It cannot be brought up; the text says why, and where its log is."""


@contextlib.asynccontextmanager
async def started(
    provider: "PostgresProvider", site: PostgresSite, end: int, log_file: Path
) -> AsyncIterator[sql.Connection]:
    """A session in the old server, replayed up to `end`; afterwards it is cleanly stopped.

    Raises:
        NotStarted: and it does not run.
        OutcomeUnknownError: it could not be stopped again.
    """
    await leave(provider, site)
    provider.context.still_mine()
    if not fence_file.signal_stands(site.data_dir):
        fence_file.write_signal(site.data_dir)
    folder = _folder(site)
    try:
        try:
            await _launch(provider, site, folder, log_file)
            connection = await _open(provider, site, folder, end)
        except (TimeoutError, psycopg.Error, OSError) as error:
            raise NotStarted(f"the old server did not come up in isolation; its log is {log_file}") from error
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await _stop(provider, site)
        shutil.rmtree(folder, ignore_errors=True)


async def leave(provider: "PostgresProvider", site: PostgresSite) -> None:
    """Stop the standby that runs there: one that an attempt before us left in isolation, or one of a reboot."""
    await _stop(provider, site)


def _folder(site: PostgresSite) -> Path:
    """For the socket: short, since its path may have a hundred characters only, and closed to everybody else."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    access = folder / "hba.conf"
    access.write_text("local all all trust\n", encoding="utf-8")
    if os.geteuid() == 0:
        owner = Path(site.data_dir).stat()
        for path in (access, folder):
            os.chown(path, owner.st_uid, owner.st_gid)
    return folder


def _make_log(log_file: Path, site: PostgresSite) -> None:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.touch(mode=0o600)
    if os.geteuid() == 0:
        owner = Path(site.data_dir).stat()
        os.chown(log_file, owner.st_uid, owner.st_gid)


async def _launch(provider: "PostgresProvider", site: PostgresSite, folder: Path, log_file: Path) -> None:
    await asyncio.to_thread(_make_log, log_file, site)
    ours = (*_OPTIONS, f"unix_socket_directories={folder}", f"hba_file={folder}/hba.conf")
    alone = _Alone.model_validate(site.model_dump() | {"alone": ours, "log_file": str(log_file)})
    try:
        await server.start(alone, provider.settings.start_timeout.total_seconds())
    except PermanentError as error:
        raise OSError(error.sentence) from error


async def _open(provider: "PostgresProvider", site: PostgresSite, folder: Path, end: int) -> sql.Connection:
    """Wait until it lets us in and has replayed all. A recovery of much log takes long, and moves: only a standstill
    counts as failure."""
    settings = provider.settings
    connection: sql.Connection | None = None
    seen, moved = "", time.monotonic()
    limit = settings.start_timeout.total_seconds()
    while time.monotonic() - moved < limit:
        provider.context.heartbeat(f"recovering the old server in isolation, at {seen or 'its start'}")
        await asyncio.sleep(0.02)
        if server.postmaster(site) is None and time.monotonic() - moved > 2:
            raise OSError("it ended")
        with contextlib.suppress(psycopg.OperationalError):
            connection = connection or await _connect(settings.database, settings.user, folder)
            replayed = (await sql.row(connection, _REPLAYED))["replayed"]
            if lsn.parse(replayed) >= end:
                return connection
            if replayed != seen:
                seen, moved = replayed, time.monotonic()
    if connection:
        await connection.close()
    raise TimeoutError


async def _connect(database: str, user: str, folder: Path) -> sql.Connection:
    return await psycopg.AsyncConnection.connect(
        host=str(folder), port=_PORT, dbname=database, user=user, autocommit=True, row_factory=dict_row
    )


async def _stop(provider: "PostgresProvider", site: PostgresSite) -> None:
    process = server.postmaster(site)
    if process is None:
        return
    limit = provider.settings.stop_timeout.total_seconds()
    if not await server.stop_fast(process, limit, provider.context.heartbeat):
        raise OutcomeUnknownError(
            f"The old server still runs {limit:g} s after it was told to stop.", "Look at its log; then retry."
        )
