"""One table on two sides: counted and hashed in chunks, and narrowed to keys where the chunks differ.

A row belongs to a chunk by the hash of its key, so that no order of storage and no index plays a part. Two hashes
with different seeds are summed for each chunk: a sum does not depend on the order either, and both would have to
collide at once.
"""

import asyncio
from typing import Any

from psycopg import sql as compose

from workflows.model.observed import TableComparison

from . import sql, tables
from .tables import Table

CHUNK_ROWS = 50_000
KEYS = 20
_CHUNKS_SHOWN = 20
_CHUNKS = compose.SQL("""
select chunk, count(*) as rows, sum(one)::text as one, sum(two)::text as two
  from (select mod(hashtextextended({key}, 0) & 9223372036854775807, {chunks}) as chunk,
               hashtextextended(t::text, 1) as one, hashtextextended(t::text, 2) as two from only {table} as t) as h
 group by chunk
""")
_ROWS = compose.SQL("""
select {key} as key, sum(hashtextextended(t::text, 1))::text as hash, count(*) as rows from only {table} as t
 where mod(hashtextextended({key}, 0) & 9223372036854775807, {chunks}) = {chunk} group by 1
""")

Chunk = tuple[int, str, str]


async def compare(primary: sql.Connection, standby: sql.Connection, table: Table) -> TableComparison:
    """Both sides at once, each in the snapshot that its session holds."""
    chunks = max(1, -(-table.estimate // CHUNK_ROWS))
    query = _CHUNKS.format(key=_key(table), chunks=compose.Literal(chunks), table=table.identifier)
    ours, theirs = await asyncio.gather(_chunks(primary, query), _chunks(standby, query))
    different = sorted(number for number in {*ours, *theirs} if ours.get(number) != theirs.get(number))
    return TableComparison(
        table=table.words,
        rows_source=sum(rows for rows, _, _ in ours.values()),
        rows_target=sum(rows for rows, _, _ in theirs.values()),
        equal=not different,
        differing=await _narrow(primary, standby, table, chunks, different),
    )


def _key(table: Table) -> compose.Composable:
    """The key as text; the whole row where there is none."""
    if not table.key:
        return compose.SQL("t::text")
    parts = [
        compose.SQL("{} || {}::text").format(compose.Literal(f"{name}="), compose.Identifier("t", name))
        for name in table.key
    ]
    return compose.SQL("(") + compose.SQL(" || ', ' || ").join(parts) + compose.SQL(")")


async def _chunks(connection: sql.Connection, query: compose.Composed) -> dict[int, Chunk]:
    return {row["chunk"]: (row["rows"], row["one"], row["two"]) for row in await tables.ask(connection, query)}


async def _narrow(
    primary: sql.Connection, standby: sql.Connection, table: Table, chunks: int, different: list[int]
) -> tuple[str, ...]:
    """The first keys that differ; without a key, the chunks, since a row's content is nothing for a message."""
    if not table.key:
        return tuple(f"chunk {number} of {chunks}" for number in different[:_CHUNKS_SHOWN])
    keys: list[str] = []
    for number in different:
        query = _ROWS.format(
            key=_key(table),
            chunks=compose.Literal(chunks),
            chunk=compose.Literal(number),
            table=table.identifier,
        )
        ours, theirs = await asyncio.gather(_rows(primary, query), _rows(standby, query))
        keys += sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        if len(keys) >= KEYS:
            break
    return tuple(keys[:KEYS])


async def _rows(connection: sql.Connection, query: compose.Composed) -> dict[str, Any]:
    return {row["key"]: (row["hash"], row["rows"]) for row in await tables.ask(connection, query)}
