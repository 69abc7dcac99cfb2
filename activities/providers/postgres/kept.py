"""Which of the acknowledged markers are in the data: the ledger held against the table."""

from typing import NamedTuple

import psycopg

from . import lsn, sql
from .ledger import Entry

_FOUND = """
select n as number from unnest(%s::bigint[], %s::timestamptz[]) as noted (n, at)
  join seawall.marker as m on m.number = noted.n and m.at = noted.at
"""


class Kept(NamedTuple):
    """What became of the acknowledged markers."""

    last_acknowledged: Entry | None
    last_kept: Entry | None
    first_lost: Entry | None

    @property
    def seconds(self) -> float | None:
        """Between the last marker that is there and the last that was acknowledged; 0 when that one is there, and
        null when nothing was ever acknowledged or nothing of it is left."""
        if self.last_acknowledged is None or self.last_kept is None:
            return None
        return (self.last_acknowledged.at - self.last_kept.at).total_seconds()

    def bytes_after(self, position: str | None) -> int | None:
        """Log written between `position` (or the last kept marker) and the last acknowledged marker."""
        start = position or (self.last_kept.lsn if self.last_kept else None)
        if self.first_lost is None:
            return 0 if self.last_kept else None
        if start is None or self.last_acknowledged is None or self.last_acknowledged.lsn is None:
            return None
        return max(0, lsn.parse(self.last_acknowledged.lsn) - lsn.parse(start))


async def compare(connection: sql.Connection, entries: list[Entry]) -> Kept:
    """Look each entry up, by number and time."""
    if not entries:
        return Kept(None, None, None)
    try:
        found = await sql.rows(connection, _FOUND, ([e.number for e in entries], [e.at for e in entries]))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        found = []
    there = {row["number"] for row in found}
    kept = [index for index, entry in enumerate(entries) if entry.number in there]
    last_kept = entries[kept[-1]] if kept else None
    lost = entries[kept[-1] + 1 :] if kept else entries
    return Kept(entries[-1], last_kept, lost[0] if lost else None)
