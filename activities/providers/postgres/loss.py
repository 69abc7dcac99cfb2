"""What was lost, counted in the data of the new primary.

Transactions: each writer numbers its writes and goes on only after an acknowledgement, so a hole in its numbers is an
acknowledged write that is gone. Holes of earlier recoveries stay in the table for ever; `seawall.counted` remembers
how far each writer's holes were counted, under which epoch, so that none is counted twice and a repeated measurement
gives the same answer. It lives in the database because it must survive the site that wrote it.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql as compose

from workflows.model.base import in_words
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Loss
from workflows.model.runbook import SequenceMarker

from . import kept, ledger, sql
from .marker import SCHEMA, TABLE

if TYPE_CHECKING:
    from .provider import PostgresProvider

WAIT_SECONDS = 3.0
QUERY_SECONDS = 60.0
RECENT = "10 seconds"
"""A writer that was silent for longer than this before the outage is not waited for."""

_COUNTED = (
    "create table if not exists seawall.counted (writer text, epoch bigint, upto bigint, primary key (writer, epoch))"
)
_REMEMBER = """
insert into seawall.counted (writer, epoch, upto) select * from unnest(%s::text[], %s::bigint[], %s::bigint[])
on conflict (writer, epoch) do update set upto = excluded.upto
"""
# Ages of row versions tell before from after the promotion without trusting any clock: the epoch row is its first
# transaction. `horizon` is the marker written RECENT before the last kept one.
_HOLES = compose.SQL("""
with since as (select writer, max(upto) as upto from seawall.counted where epoch < {epoch} group by writer),
     promotion as (select min(age(xmin)) as age from seawall.epoch where epoch = {epoch}),
     horizon as (select min(age(xmin)) as age from seawall.marker
                  where number > 0 and at <= {kept_at}::timestamptz - {recent}::interval),
     held as (select t.{writer}::text as writer, t.{number} as number, age(t.xmin) as age, coalesce(s.upto, 0) as upto
                from {table} as t left join since as s on s.writer = t.{writer}::text
               where t.{number} > coalesce(s.upto, 0)),
     writers as (select writer, max(number) - max(upto) - count(distinct number) as missing, max(number) as upto,
                        bool_or(age < (select age from promotion)) as back,
                        min(age) filter (where age >= coalesce((select age from promotion), 0)) as newest_before
                   from held group by writer)
select writer, missing, upto, coalesce(back, false) as back,
       newest_before is not null and newest_before <= coalesce((select age from horizon), 2147483647) as awaited
  from writers
""")


async def measure(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Seconds and bytes from the marker ledger, transactions from the writers' numbers; null where not measurable."""
    entries = ledger.read(provider.ledger(request.target.name, request.target.source))
    with sql.looking("the loss was measured"):
        async with sql.session(provider.address(request.target.site)) as connection:
            found = await kept.compare(connection, entries)
            marker = request.target.component.marker
            sequence = marker.sequence if marker else None
            writers = await _writers(provider, request, connection, sequence, found) if sequence else None
    loss = _loss(request, found, writers)
    return StepResult(detail=_words(loss), changed=False, loss=loss)


def _loss(request: StepRequest, found: kept.Kept, writers: list[sql.Row] | None) -> Loss:
    methods = []
    if found.last_acknowledged:
        methods.append(f"markers acknowledged until {found.last_acknowledged.at.isoformat(timespec='milliseconds')}")
    if writers is not None:
        methods.append(f"holes in the numbers of {len(writers)} writers")
    return Loss(
        seconds=found.seconds,
        bytes=found.bytes_after(request.point.position if request.point else None),
        transactions=sum(row["missing"] for row in writers) if writers is not None else None,
        last_kept_marker=found.last_kept.number if found.last_kept else None,
        first_lost_marker=found.first_lost.number if found.first_lost else None,
        method="; ".join(methods) or "nothing to measure by",
        complete=all(row["back"] for row in writers if row["awaited"]) if writers is not None else True,
    )


def _words(loss: Loss) -> str:
    count = "transactions not measured" if loss.transactions is None else f"{loss.transactions} transactions"
    return f"Lost: {in_words(loss.seconds)}, {count}{'' if loss.complete else ' (some writers are not back)'}."


async def _writers(
    provider: "PostgresProvider",
    request: StepRequest,
    connection: sql.Connection,
    sequence: SequenceMarker,
    found: kept.Kept,
) -> list[sql.Row] | None:
    """Each writer with what is missing of it, after waiting for those that wrote until the end to come back."""
    await _prepare(connection)
    query = _query(request, sequence, found)
    end = time.monotonic() + WAIT_SECONDS
    while True:
        asked = time.monotonic()
        try:
            writers = await provider.beating("counting holes in the writers' numbers", _ask(connection, query))
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName):
            return None
        behind = sum(1 for row in writers if row["awaited"] and not row["back"])
        if not behind or time.monotonic() >= end:
            break
        provider.context.heartbeat(f"waiting for {behind} writers to come back")
        await asyncio.sleep(max(0.05, 2 * (time.monotonic() - asked)))
    await _remember(connection, request, writers)
    return writers


def _query(request: StepRequest, sequence: SequenceMarker, found: kept.Kept) -> compose.Composed:
    return _HOLES.format(
        epoch=compose.Literal(request.ref.epoch),
        kept_at=compose.Literal(found.last_kept.at.isoformat() if found.last_kept else None),
        recent=compose.Literal(RECENT),
        table=compose.Identifier(*sequence.table.split(".")),
        writer=compose.Identifier(sequence.writer),
        number=compose.Identifier(sequence.number),
    )


async def _ask(connection: sql.Connection, query: compose.Composed) -> list[dict[str, Any]]:
    async def ask() -> list[sql.Row]:
        return await (await connection.execute(query)).fetchall()

    return await sql.within(connection, QUERY_SECONDS, ask())


async def _prepare(connection: sql.Connection) -> None:
    await sql.rows(connection, "set synchronous_commit = local")
    if (await sql.row(connection, "select to_regclass('seawall.counted') is null as absent"))["absent"]:
        await sql.rows(connection, SCHEMA)
        await sql.rows(connection, TABLE)
        await sql.rows(connection, _COUNTED)


async def _remember(connection: sql.Connection, request: StepRequest, writers: list[sql.Row]) -> None:
    columns = ([row["writer"] for row in writers], [request.ref.epoch] * len(writers), [row["upto"] for row in writers])
    await sql.rows(connection, _REMEMBER, columns)
