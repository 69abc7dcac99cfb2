"""Would the server take a write now? Asked by writing, and rolling the write back."""

import random

import psycopg

from workflows.model.failure import SeawallError
from workflows.model.observed import Reach

from . import sql

_STATE = """
select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as refuses,
       to_regclass('seawall.marker') is not null as has_marker
"""
_WRITE = "insert into seawall.marker (number, at, origin) values (%s, clock_timestamp(), 'probe')"
_ANY_WRITE = "select pg_current_xact_id()"
_LIMITS = "set local synchronous_commit = local; set local lock_timeout = '1s'; set local statement_timeout = '2s'"

REFUSALS = (
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.DiskFull,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CannotConnectNow,
)


async def probe_write(address: sql.Address) -> Reach:
    """SERVING, STANDBY (answers and refuses), REFUSED, SILENT, or UNKNOWN when we are not let in. Leaves no trace."""
    try:
        async with sql.session(address) as connection:
            return await sql.within(connection, 5.0, _try(connection))
    except sql.Unreachable as error:
        return error.reach
    except REFUSALS:
        return Reach.STANDBY
    except (TimeoutError, psycopg.OperationalError):
        # The session was lost on the way: what the port says now is the answer, never "accepted".
        reach = await sql.port_reach(address)
        return Reach.SILENT if reach is Reach.SERVING else reach
    except (psycopg.Error, SeawallError):
        return Reach.UNKNOWN


async def _try(connection: sql.Connection) -> Reach:
    state = await sql.row(connection, _STATE)
    if state["refuses"]:
        return Reach.STANDBY
    async with connection.transaction(force_rollback=True):
        await sql.rows(connection, _LIMITS)
        if state["has_marker"]:
            # A random negative number: two probes at once must not wait for each other on the primary key.
            await sql.rows(connection, _WRITE, (-random.randint(1, 2**62),))  # noqa: S311
        else:
            await sql.rows(connection, _ANY_WRITE)
    return Reach.SERVING
