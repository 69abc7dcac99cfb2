"""The rows that only the old server has: what its lost transactions wrote, held against the server that serves.

A row is told by the transaction that wrote it (`xmin`), not by comparing whole tables: the serving side has gone on,
and its new rows are no loss. A transaction that began before the fork may have written to tables that the log after
the fork never names, so every table is looked through.
"""

import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql as compose

from workflows.model.base import in_words
from workflows.model.observed import DivergedTable

from . import sql, tables
from .tables import Table

if TYPE_CHECKING:
    from .provider import PostgresProvider

KEYS = 50
_BATCH = 500
_OLD = compose.SQL("select to_jsonb(t)::text as row, {key}::text as key from only {table} as t where {mine}")
_MINE = compose.SQL("t.xmin::text::bigint = any({xids}::bigint[])")
_SERVING = compose.SQL("""
select k.place, to_jsonb(t)::text as row from unnest(%s::jsonb[]) with ordinality as k (key, place)
 cross join lateral jsonb_to_record(k.key) as w ({columns}) join only {table} as t on {same}
""")
_COUNTS = compose.SQL("""
select to_jsonb(t)::text as row, count(*) as count from only {table} as t group by 1 having bool_or({mine})
""")
_COUNT = compose.SQL("""
select to_jsonb(t)::text as row, count(*) as count from only {table} as t where to_jsonb(t)::text = any(%s) group by 1
""")


async def rows(
    provider: "PostgresProvider", old: sql.Connection, serving: sql.Connection, xids: set[int], folder: Path
) -> list[DivergedTable]:
    """Every lost row as a line of JSON in `folder`, one file for each table; the tables with any."""
    for connection in (old, serving):
        await tables.same_text(connection)
    found = []
    listed = await tables.listed(old)
    there = {table.name for table in await tables.listed(serving)}
    began, done, total = time.monotonic(), 0, sum(table.bytes for table in listed) or 1
    mine = _MINE.format(xids=compose.Literal(sorted(xids)))
    for number, table in enumerate(listed, start=1):
        spent = time.monotonic() - began
        left = f", about {in_words(spent * (total - done) / done)} left" if done else ""
        words = f"looking for lost rows: table {number} of {len(listed)}{left}"
        lost = _Lost(table, folder)
        with contextlib.closing(lost):
            await provider.beating(words, _table(old, serving, table, mine, lost, table.name in there))
        if lost.rows:
            found.append(DivergedTable(table=table.words, rows=lost.rows, keys=tuple(lost.keys)))
        done += table.bytes
    return found


class _Lost:
    """The file of one table, opened when the first row comes."""

    def __init__(self, table: Table, folder: Path) -> None:
        self._table = table
        self._path = folder / f"{table.file_name}.jsonl"
        self._file: Any = None
        self.rows = 0
        self.keys: list[str] = []

    def add(self, row: str, key: str | None, now: str | None, times: int = 1) -> None:
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8")
        line = {"row": json.loads(row), "serving": json.loads(now) if now else None}
        self._file.write((json.dumps(line) + "\n") * times)
        self.rows += times
        if key is not None and len(self.keys) < KEYS:
            values = json.loads(key)
            self.keys.append(", ".join(f"{name}={values[name]}" for name in self._table.key))

    def close(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


async def _table(
    old: sql.Connection,
    serving: sql.Connection,
    table: Table,
    mine: compose.Composed,
    lost: _Lost,
    there: bool,
) -> None:
    if not table.key:
        await _without_key(old, serving, table, mine, lost, there)
        return
    query = _OLD.format(key=table.key_object("t"), table=table.identifier, mine=mine)
    ask = _SERVING.format(columns=table.key_columns(), table=table.identifier, same=table.same_key("t", "w"))
    async for batch in _batches(old, query):
        now: dict[int, str] = {}
        if there:
            # A table that was altered since has other columns there: then no row of it counts as kept.
            with contextlib.suppress(psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction):
                found = await tables.ask(serving, ask, ([row["key"] for row in batch],))
                now = {row["place"]: row["row"] for row in found}
        for place, row in enumerate(batch, start=1):
            if now.get(place) != row["row"]:
                lost.add(row["row"], row["key"], now.get(place))


async def _without_key(
    old: sql.Connection,
    serving: sql.Connection,
    table: Table,
    mine: compose.Composed,
    lost: _Lost,
    there: bool,
) -> None:
    """Without a key equal rows cannot be told apart: their numbers are compared."""
    async for batch in _batches(old, _COUNTS.format(table=table.identifier, mine=mine)):
        counts: dict[str, int] = {}
        if there:
            query = _COUNT.format(table=table.identifier)
            counts = {
                row["row"]: row["count"] for row in await tables.ask(serving, query, ([r["row"] for r in batch],))
            }
        for row in batch:
            missing = row["count"] - counts.get(row["row"], 0)
            if missing > 0:
                lost.add(row["row"], None, None, missing)


async def _batches(connection: sql.Connection, query: compose.Composed) -> AsyncIterator[Sequence[sql.Row]]:
    """By a cursor of the server: what was lost may be more than fits into memory."""
    async with connection.transaction(), connection.cursor("seawall_lost") as cursor:
        await cursor.execute(query)
        while batch := await cursor.fetchmany(_BATCH):
            yield batch
