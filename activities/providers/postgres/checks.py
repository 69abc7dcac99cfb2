"""The `sql` check: one query whose first value, as PostgreSQL writes it, is the expected one."""

from typing import TYPE_CHECKING

import psycopg

from workflows.model.failure import Code, TemporaryError
from workflows.model.runbook import Check, SqlCheck
from workflows.model.verbs import Verb

from . import sql

if TYPE_CHECKING:
    from .provider import PostgresProvider


def _failed(sentence: str) -> TemporaryError:
    return TemporaryError(Code.CHECK_FAILED, sentence)


async def check(provider: "PostgresProvider", check: Check, site: str) -> str:
    """Try it once; see `Provider.check`."""
    if not isinstance(check, SqlCheck):
        raise provider.unsupported(Verb.HEALTH_CHECK)
    try:
        async with sql.session(provider.address(site)) as connection:
            seen = await sql.within(connection, check.timeout.total_seconds(), _first(connection, check.query))
    except sql.Unreachable as error:
        raise _failed(error.sentence) from None
    except TimeoutError:
        raise _failed("The query gave no answer in its time.") from None
    except psycopg.OperationalError:
        raise _failed("The session was lost during the query.") from None
    except psycopg.Error as error:
        raise _failed(f"The server refused the query (SQLSTATE {error.sqlstate}).") from None
    if seen != check.expect:
        shown = "no row" if seen is None else repr(seen[:200])
        raise _failed(f"Expected {check.expect!r} and got {shown}.")
    return f"Answered {seen[:200]!r}."


async def _first(connection: sql.Connection, query: str) -> str | None:
    cursor = await connection.execute(query.encode())
    result = cursor.pgresult
    if result is None or not result.ntuples or not result.nfields:
        return None
    value = result.get_value(0, 0)
    return None if value is None else bytes(value).decode(errors="replace")
