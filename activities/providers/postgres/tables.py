"""The tables that hold people's data, their keys, and content hashes that are equal exactly when the content is."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import sql as compose

from . import sql

SECONDS = 6 * 3600.0
_SAME_TEXT = """
set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'iso_8601'; set extra_float_digits = 3;
set bytea_output = 'hex'; set xmloption = 'content'; set lc_monetary = 'C'; set search_path = pg_catalog, public;
set statement_timeout = 0; set idle_in_transaction_session_timeout = 0
"""
# Ours are left out by name and not by schema: what a user called seawall creates lands in the schema of that name.
# Unlogged and temporary tables have no content at a standby.
_TABLES = """
select n.nspname as schema, c.relname as name, pg_table_size(c.oid)::bigint as bytes,
       greatest(c.reltuples, 0)::bigint as estimate,
       coalesce((select array_agg(a.attname::text order by k.place)
                   from pg_index as i cross join unnest(i.indkey) with ordinality as k (number, place)
                   join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number
                  where i.indrelid = c.oid and i.indisprimary), '{}') as key,
       coalesce((select array_agg(format_type(a.atttypid, a.atttypmod) order by k.place)
                   from pg_index as i cross join unnest(i.indkey) with ordinality as k (number, place)
                   join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number
                  where i.indrelid = c.oid and i.indisprimary), '{}') as types
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
 where c.relkind = 'r' and c.relpersistence = 'p'
   and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
   and (n.nspname <> 'seawall' or c.relname not in ('epoch', 'marker', 'counted'))
 order by 1, 2
"""


class Table(NamedTuple):
    """One table with content of its own (of a partitioned one, each partition)."""

    schema: str
    relation: str
    bytes: int
    estimate: int
    key: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def name(self) -> tuple[str, str]:
        return self.schema, self.relation

    @property
    def words(self) -> str:
        """As people name it."""
        return self.relation if self.schema == "public" else f"{self.schema}.{self.relation}"

    @property
    def file_name(self) -> str:
        """Its name, safe in a path."""
        return "".join(
            letter if letter.isalnum() or letter in "._-" else f"%{ord(letter):02x}" for letter in self.words
        )

    @property
    def identifier(self) -> compose.Identifier:
        return compose.Identifier(self.schema, self.relation)

    def key_object(self, alias: str) -> compose.Composable:
        """The key as a JSON object."""
        pairs = [part for name in self.key for part in (compose.Literal(name), compose.Identifier(alias, name))]
        return compose.SQL("jsonb_build_object({})").format(compose.SQL(", ").join(pairs))

    def key_columns(self) -> compose.Composable:
        """The columns of the key with their types, as a column definition list."""
        # The types come from format_type, which quotes what needs it.
        parts = [
            compose.SQL("{} {}").format(compose.Identifier(name), compose.SQL(kind))
            for name, kind in zip(self.key, self.types, strict=True)
        ]
        return compose.SQL(", ").join(parts)

    def same_key(self, left: str, right: str) -> compose.Composable:
        """The condition that two rows have one key."""
        parts = [
            compose.SQL("{} = {}").format(compose.Identifier(left, name), compose.Identifier(right, name))
            for name in self.key
        ]
        return compose.SQL(" and ").join(parts)


async def same_text(connection: sql.Connection) -> None:
    """Let the session write every value in one and the same way, whatever its server or user is set to."""
    for statement in _SAME_TEXT.split(";"):
        await sql.rows(connection, statement.strip())


async def listed(connection: sql.Connection) -> list[Table]:
    """All of them but our own."""
    found = await sql.rows(connection, _TABLES, seconds=60.0)
    return [
        Table(row["schema"], row["name"], row["bytes"], row["estimate"], tuple(row["key"]), tuple(row["types"]))
        for row in found
    ]


async def ask(
    connection: sql.Connection, query: compose.Composed, args: Sequence[Any] = (), seconds: float = SECONDS
) -> list[sql.Row]:
    """All rows of a composed statement."""

    async def run() -> list[sql.Row]:
        cursor = await connection.execute(query, args or None)
        return await cursor.fetchall() if cursor.description else []

    return await sql.within(connection, seconds, run())
