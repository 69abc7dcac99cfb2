"""The marker probe: numbered writes at the active site, by a worker of another site, so that loss is measured in the
data itself.

A marker counts as acknowledged only when its commit came back in time and without any warning: a commit that is
cancelled while it waits for its synchronous standby *succeeds* with a warning, and is on one site only.
"""

import asyncio
import contextlib
import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg

from activities.providers.base import now
from activities.providers.marks import Ledger
from workflows.model.failure import SeawallError
from workflows.model.runbook import Marker

from . import sql
from .ledger import Entry

if TYPE_CHECKING:
    from .provider import PostgresProvider

log = logging.getLogger(__name__)

ROWS_KEPT = 10_000
PRUNE_EVERY = 1_000
SCHEMA = "create schema if not exists seawall"
TABLE = "create table if not exists seawall.marker (number bigint primary key, at timestamptz, origin text)"
_INSERT = """
insert into seawall.marker (number, at, origin)
select coalesce(max(number), 0) + 1, %s, %s from seawall.marker returning number
"""
_WHERE = """
select pg_current_wal_lsn()::text as lsn,
       ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as timeline
"""
_PRUNE = "delete from seawall.marker where number <= %s"


class _Prober:
    """One session at a time at the marked site, opened again whenever it is lost."""

    def __init__(self, address: sql.Address, origin: str, limit: float) -> None:
        self._address = address
        self._origin = origin
        self._limit = limit
        self._connection: sql.Connection | None = None
        self._warned = False

    async def mark(self) -> Entry | None:
        """Write one marker; None when it was not acknowledged."""
        try:
            connection = self._connection or await self._open()
            return await self._write(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            await self._create()
        except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.UniqueViolation):
            pass  # A standby, or a marker of somebody else came between: the next turn tries again.
        except (sql.Unreachable, SeawallError, TimeoutError, psycopg.Error, OSError):
            await self.close()
        return None

    async def _open(self) -> sql.Connection:
        self._connection = await sql.connect(self._address)
        self._connection.add_notice_handler(self._notice)
        return self._connection

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warned = True

    async def _create(self) -> None:
        with contextlib.suppress(psycopg.Error, TimeoutError):
            if self._connection:
                await sql.rows(self._connection, SCHEMA)
                await sql.rows(self._connection, TABLE)

    async def _write(self, connection: sql.Connection) -> Entry | None:
        at = now()
        self._warned = False
        task = asyncio.ensure_future(sql.rows(connection, _INSERT, (at, self._origin), seconds=self._limit + 2))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._limit)
            if not done:
                # Without this the backend would wait on, and each turn would leave one more behind.
                with contextlib.suppress(psycopg.Error):
                    await connection.cancel_safe(timeout=1.0)
                await asyncio.wait({task})
                await self.close()
                task.exception()
                return None
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        number = task.result()[0]["number"]
        if self._warned:
            return None
        return await self._entry(connection, number, at)

    async def _entry(self, connection: sql.Connection, number: int, at: datetime) -> Entry:
        entry = Entry(number=number, at=at)
        # The acknowledgement stands, whatever becomes of these.
        with contextlib.suppress(psycopg.Error, TimeoutError):
            where = await sql.row(connection, _WHERE, seconds=1.0)
            entry = entry.model_copy(update=where)
            if number % PRUNE_EVERY == 0:
                await sql.rows(connection, _PRUNE, (number - ROWS_KEPT,), seconds=2.0)
        return entry

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


async def keep_marking(provider: "PostgresProvider", component: str, marker: Marker, site: str) -> None:
    """Write a marker at `site` every `marker.interval` while it accepts writes, and note each acknowledged one in
    this worker's ledger. Never returns."""
    interval = marker.interval.total_seconds()
    ledger = Ledger(provider.ledger(component, site), Entry)
    prober = _Prober(provider.address(site), provider.context.here, max(1.0, 2 * interval))
    marking = False
    next_turn = time.monotonic()
    try:
        while True:
            entry = await prober.mark()
            if entry:
                ledger.note(entry)
            if marking is not (entry is not None):
                marking = entry is not None
                log.info("markers of %s at %s: %s", component, site, "acknowledged" if marking else "not acknowledged")
            next_turn = max(next_turn + interval, time.monotonic())
            await asyncio.sleep(next_turn - time.monotonic())
    finally:
        await prober.close()
