"""Connections that never outlive their time, and what a failed one tells.

psycopg answers a cancelled query by asking the server to cancel it, and waits for that: ten seconds over a dead
link. So a call that is out of time has its socket shut down instead; whoever needs a polite cancel does it first.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from activities.providers.base import secret
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.observed import Reach

from .settings import PostgresSettings, PostgresSite

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """Where a server is asked, and as whom."""

    host: str
    port: int
    settings: PostgresSettings

    @classmethod
    def of(cls, settings: PostgresSettings, site: PostgresSite, local: bool) -> "Address":
        """The site's own address for a worker that runs on it, the outer one for everybody else."""
        if local:
            return cls(site.local_host or site.host, site.local_port or site.port, settings)
        return cls(site.host, site.port, settings)

    @property
    def timeout(self) -> float:
        """Seconds within which a connection must stand."""
        return self.settings.connect_timeout.total_seconds()

    def conninfo(self) -> str:
        """For libpq; holds the password."""
        return make_conninfo(
            host=self.host,
            port=self.port,
            dbname=self.settings.database,
            user=self.settings.user,
            password=secret(self.settings.password),
            sslmode=self.settings.sslmode,
            gssencmode="disable",
            application_name="seawall",
            connect_timeout=max(2, round(self.timeout)),
        )

    def secret_environment(self) -> dict[str, str]:
        """What a program of PostgreSQL needs besides host, port and user."""
        return {"PGPASSWORD": secret(self.settings.password), "PGSSLMODE": self.settings.sslmode}

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Unreachable(Exception):
    """No session could be had. `reach` says why; the text holds no secret."""

    def __init__(self, reach: Reach, sentence: str, refused_us: bool = False) -> None:
        super().__init__(sentence)
        self.reach = reach
        self.sentence = sentence
        self.refused_us = refused_us
        """The server is up and does not let us in: a matter of configuration."""

    def error(self) -> PermanentError | TemporaryError:
        """As a failure of a step that has changed nothing yet."""
        if self.refused_us:
            return PermanentError(Code.CONFIGURATION, self.sentence, "Check user, password, database and pg_hba.conf.")
        return TemporaryError(Code.UNREACHABLE, self.sentence, "Check the server and the network, then retry.")


@contextlib.contextmanager
def looking(what: str) -> Iterator[None]:
    """Around what changes nothing: its failures are temporary, or a matter of configuration."""
    try:
        yield
    except Unreachable as error:
        raise error.error() from None
    except (TimeoutError, psycopg.OperationalError) as error:
        raise TemporaryError(
            Code.UNREACHABLE, f"The server did not answer while {what}.", "Check it and the network, then retry."
        ) from error
    except psycopg.Error as error:
        raise PermanentError(
            Code.CONFIGURATION,
            f"The server refused a statement while {what} (SQLSTATE {error.sqlstate}).",
            "Check the rights of the runbook's database user.",
        ) from error


@contextlib.contextmanager
def acting(what: str) -> Iterator[None]:
    """Around what changes the world: an error leaves open whether it did."""
    try:
        yield
    except (Unreachable, TimeoutError, psycopg.Error, OSError) as error:
        raise OutcomeUnknownError(
            f"It is not known whether {what} took effect.", "The next attempt looks before it acts."
        ) from (None if isinstance(error, Unreachable) else error)


def _cut(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as twin:
        twin.shutdown(socket.SHUT_RDWR)


async def within(connection: Connection, seconds: float, call: Awaitable[T]) -> T:
    """The call's result, or TimeoutError, after which the connection is dead and its statement may yet take effect."""
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _cut(connection)
        await asyncio.wait({task}, timeout=1)
        raise
    if done:
        return task.result()
    _cut(connection)
    await asyncio.wait({task}, timeout=1)
    if task.done() and not task.cancelled():
        task.exception()
    raise TimeoutError(f"no answer in {seconds:g} s")


async def rows(connection: Connection, query: str, args: Sequence[Any] = (), seconds: float | None = None) -> list[Row]:
    """All rows of a statement; `[]` where it gives none. The statement is ours, never a person's."""

    async def ask() -> list[Row]:
        cursor = await connection.execute(query.encode(), args or None)
        return await cursor.fetchall() if cursor.description else []

    return await within(connection, 5.0 if seconds is None else seconds, ask())


async def row(connection: Connection, query: str, args: Sequence[Any] = (), seconds: float | None = None) -> Row:
    """The one row of a statement."""
    return (await rows(connection, query, args, seconds))[0]


async def connect(address: Address) -> Connection:
    """An autocommit session.

    Raises:
        Unreachable: with what could be told.
        PermanentError: CONFIGURATION, when the password cannot be read.
    """
    conninfo = address.conninfo()
    if made := await _attempt(address, conninfo):
        return made
    reason = await _why(address, conninfo)
    # A server that has just come up was refused first and answers now: only a second refusal is a matter of rights.
    if reason.refused_us and (made := await _attempt(address, conninfo)):
        return made
    raise reason


async def _attempt(address: Address, conninfo: str) -> Connection | None:
    """A session; None where there is none. The driver's own words are dropped: they may quote the connection string."""
    try:
        async with asyncio.timeout(address.timeout):
            return await psycopg.AsyncConnection.connect(conninfo, autocommit=True, row_factory=dict_row)
    except (TimeoutError, psycopg.Error, OSError):
        return None


@contextlib.asynccontextmanager
async def session(address: Address) -> AsyncIterator[Connection]:
    """`connect`, closed at the end even when the other side is gone."""
    connection = await connect(address)
    try:
        yield connection
    finally:
        await connection.close()


async def port_reach(address: Address) -> Reach:
    """What the port itself says: SERVING when it accepts a connection, REFUSED or SILENT."""
    try:
        async with asyncio.timeout(address.timeout):
            if address.host.startswith("/"):
                _, writer = await asyncio.open_unix_connection(f"{address.host}/.s.PGSQL.{address.port}")
            else:
                _, writer = await asyncio.open_connection(address.host, address.port)
    except (ConnectionRefusedError, FileNotFoundError):
        return Reach.REFUSED
    except (TimeoutError, OSError):
        return Reach.SILENT
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Reach.SERVING


async def _why(address: Address, conninfo: str) -> Unreachable:
    reach = await port_reach(address)
    if reach is Reach.REFUSED:
        return Unreachable(reach, f"Nothing listens at {address}.")
    if reach is Reach.SERVING:
        try:
            async with asyncio.timeout(address.timeout + 2):
                ping = await asyncio.to_thread(pq.PGconn.ping, conninfo.encode())
        except TimeoutError:
            ping = pq.Ping.NO_RESPONSE
        if ping == pq.Ping.REJECT:
            return Unreachable(Reach.STANDBY, f"The server at {address} is starting or stopping and lets nobody in.")
        if ping == pq.Ping.OK:
            return Unreachable(Reach.UNKNOWN, f"The server at {address} answers but did not let us in.", True)
    # Accepted and then closed without a word is no proof of death: a proxy in between does that too.
    return Unreachable(Reach.SILENT, f"No answer from {address} within {address.timeout:g} s.")
