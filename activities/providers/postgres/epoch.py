"""The epoch that stands in the data itself: table `seawall.epoch`, one row for each promotion, only ever rising."""

from datetime import datetime
from typing import NamedTuple

import psycopg

from workflows.model.failure import Code, PermanentError

from . import sql

_SCHEMA = "create schema if not exists seawall"
_TABLE = "create table if not exists seawall.epoch (epoch bigint, run text, at timestamptz)"
_INSERT = (
    "insert into seawall.epoch (epoch, run, at) select %s, %s, clock_timestamp()"
    " where not exists (select from seawall.epoch where epoch >= %s)"
)


class Standing(NamedTuple):
    """The highest epoch, whose promotion it was, and when."""

    epoch: int
    run: str
    at: datetime | None


async def read(connection: sql.Connection) -> Standing | None:
    """What stands; None when no epoch was ever written."""
    try:
        found = await sql.rows(
            connection, "select epoch, run, at from seawall.epoch order by epoch desc nulls last limit 1"
        )
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    if not found or found[0]["epoch"] is None:
        return None
    return Standing(found[0]["epoch"], found[0]["run"] or "", found[0]["at"])


async def write(connection: sql.Connection, epoch: int, key: str) -> Standing | None:
    """Write the epoch unless one as high stands, and answer what stands then.

    The commit is local: right after a promotion the standby that it would wait for is gone.
    """
    await sql.within(connection, 10.0, _write(connection, epoch, key))
    return await read(connection)


async def _write(connection: sql.Connection, epoch: int, key: str) -> None:
    async with connection.transaction():
        await sql.rows(connection, "set local synchronous_commit = local")
        if (await sql.row(connection, "select to_regclass('seawall.epoch') is null as absent"))["absent"]:
            await sql.rows(connection, _SCHEMA)
            await sql.rows(connection, _TABLE)
        await sql.rows(connection, "lock table seawall.epoch in share row exclusive mode")
        await sql.rows(connection, _INSERT, (epoch, key, epoch))


def stale(site: str, stands: int, ours: int) -> PermanentError:
    """The refusal of a change that carries a lower epoch than stands."""
    return PermanentError(
        Code.STALE_EPOCH,
        f"Epoch {stands} stands at {site}, above epoch {ours} of this run: a later run has taken over.",
        "Look at the later run; this one must not go on.",
    )
