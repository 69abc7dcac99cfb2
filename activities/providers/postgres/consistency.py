"""Whether the replica holds what the primary holds, exactly, at one and the same position of the log.

Both sides look at one moment: while every table is locked against writes for some milliseconds, the primary takes its
snapshot and the replica replays to that position and takes its own. Then the lock is gone, and both are read at
leisure. The primary's snapshot stays open until the replica has been read: it keeps vacuum from removing what the
replica still reads, so that replay (and with it synchronous commits) never waits for us.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql as compose

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Consistency, TableComparison

from . import contents, sides, sql, streaming, tables
from .sides import Sides
from .tables import Table

if TYPE_CHECKING:
    from .provider import PostgresProvider

PAUSE_SECONDS = 1.0
"""For at most so long may each try keep writers waiting for the lock, and again so long for the replica."""
TRIES = 3
METHOD = "row counts and content hashes of every table, in chunks, at one position of the log"
_BEHIND = "select pg_wal_lsn_diff(%s::pg_lsn, pg_last_wal_replay_lsn())::bigint as bytes"
_THERE = "select pg_last_wal_replay_lsn() >= %s::pg_lsn as there"
_SNAPSHOT = "begin isolation level repeatable read read only"


async def verify(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Compare both sides; see the module. Where no replica follows there is nothing to compare, and that is said."""
    if not streaming.streams(request):
        words = "Not measured: no server runs on the copies; an isolated drill proves that they can be used."
        nothing = Consistency(component=request.target.name, equal=None, at=now(), detail=words)
        return StepResult(detail=words, changed=False, after={"equal": None}, consistency=nothing)
    found = await sides.find(provider, request)
    with sql.looking("both sites were compared"):
        async with contextlib.AsyncExitStack() as stack:
            primary = await stack.enter_async_context(sql.session(provider.address(found.primary)))
            standby = await stack.enter_async_context(sql.session(provider.address(found.standby)))
            for connection in (primary, standby):
                await tables.same_text(connection)
            # Only the flush to our own disk counts here; a commit that waits for the replica would hold the lock.
            await sql.rows(primary, "set synchronous_commit = local")
            here = (await sql.row(primary, "select pg_current_wal_lsn()::text as lsn"))["lsn"]
            behind = (await sql.row(standby, _BEHIND, (here,)))["bytes"]
            listed = await tables.listed(primary)
            position, pause = await _one_moment(provider, found, primary, standby, listed)
            compared = await _compare(provider, request, found, primary, standby, listed) if position else []
    result = Consistency(
        component=request.target.name,
        equal=all(table.equal for table in compared) if position else None,
        position_source=position or "",
        position_target=position or "",
        tables=tuple(compared),
        delta_bytes=max(0, behind) if behind is not None else None,
        method=METHOD,
        at=now(),
        detail=f"Writers waited for {in_words(pause)}." if position else "Not measured: no common moment was found.",
    )
    return _answer(result, found)


def _answer(result: Consistency, found: Sides) -> StepResult:
    different = [table for table in result.tables if not table.equal]
    if different:
        words = "; ".join(
            f"{one.table} ({one.rows_source} and {one.rows_target} rows: {', '.join(one.differing) or 'unknown'})"
            for one in different[:5]
        )
        raise PermanentError(
            Code.INCONSISTENT,
            f"{len(different)} of {len(result.tables)} tables differ between {found.primary} and {found.standby} at "
            f"{result.position_source}: {words}.",
            f"Do not move to {found.standby}; rebuild it, and look at its disk.",
        )
    rows = sum(table.rows_source for table in result.tables)
    words = f"{len(result.tables)} tables with {rows} rows are equal at {result.position_source}. {result.detail}"
    after = {"equal": result.equal, "position": result.position_source, "delta_bytes": result.delta_bytes}
    return StepResult(detail=words if result.equal else result.detail, changed=False, after=after, consistency=result)


async def _one_moment(
    provider: "PostgresProvider",
    found: Sides,
    primary: sql.Connection,
    standby: sql.Connection,
    listed: list[Table],
) -> tuple[str | None, float]:
    """Open a transaction at both sides that see the same; the position, and how long writers waited. None when the
    replica could not come to it in time: it is not near enough, or somebody writes in long transactions."""
    for _ in range(TRIES):
        provider.context.heartbeat("looking for a moment that both sites share")
        began = time.monotonic()
        try:
            async with _locked(provider, found, listed):
                # A message of our own, flushed: everything that was committed before lies before it in the log.
                mark = "select pg_logical_emit_message(true, 'seawall', 'consistency')::text as lsn"
                await sql.row(primary, mark, seconds=PAUSE_SECONDS)
                position = str((await sql.row(primary, "select pg_current_wal_flush_lsn()::text as lsn"))["lsn"])
                await _snapshot(primary)
                if await _reached(standby, position):
                    await _snapshot(standby)
                    return position, time.monotonic() - began
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected):
            pass
        await sql.rows(primary, "rollback")
        await asyncio.sleep(0.5)
    return None, 0.0


@contextlib.asynccontextmanager
async def _locked(provider: "PostgresProvider", found: Sides, listed: list[Table]) -> AsyncIterator[None]:
    """All tables closed to writers. The server itself ends it when this process freezes meanwhile."""
    async with sql.session(provider.address(found.primary)) as connection:
        limit = round(PAUSE_SECONDS * 1000)
        await sql.rows(connection, f"set idle_in_transaction_session_timeout = {3 * limit}")
        await sql.rows(connection, f"set statement_timeout = {limit}")
        await sql.rows(connection, "begin")
        try:
            if listed:
                names = compose.SQL(", ").join(compose.SQL("only ") + table.identifier for table in listed)
                query = compose.SQL("lock table {} in share mode").format(names)
                await tables.ask(connection, query, seconds=PAUSE_SECONDS + 1)
            yield
        finally:
            with contextlib.suppress(psycopg.Error, TimeoutError):
                await sql.rows(connection, "rollback", seconds=1.0)


async def _snapshot(connection: sql.Connection) -> None:
    await sql.rows(connection, _SNAPSHOT)
    # The first statement takes it, not `begin`.
    await sql.rows(connection, "select pg_current_snapshot()")


async def _reached(standby: sql.Connection, position: str) -> bool:
    end = time.monotonic() + PAUSE_SECONDS
    while time.monotonic() < end:
        if (await sql.row(standby, _THERE, (position,), seconds=PAUSE_SECONDS))["there"]:
            return True
        await asyncio.sleep(0.002)
    return False


async def _compare(
    provider: "PostgresProvider",
    request: StepRequest,
    found: Sides,
    primary: sql.Connection,
    standby: sql.Connection,
    listed: list[Table],
) -> list[TableComparison]:
    began, done, total = time.monotonic(), 0, sum(table.bytes for table in listed) or 1
    compared = []
    for number, table in enumerate(listed, start=1):
        spent = time.monotonic() - began
        left = f", about {in_words(spent * (total - done) / done)} left" if done else ""
        words = f"comparing table {number} of {len(listed)}: {table.words}{left}"
        one = await provider.beating(words, contents.compare(primary, standby, table))
        if found.primary != request.target.source:
            one = one.model_copy(update={"rows_source": one.rows_target, "rows_target": one.rows_source})
        compared.append(one)
        done += table.bytes
    return compared
