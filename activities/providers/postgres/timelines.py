"""Where two histories of one cluster part: the timeline history files, held against each other."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from workflows.model.failure import Code, PermanentError

from . import lsn, sql

if TYPE_CHECKING:
    from .sql import Address

_FILE = "select pg_read_file(%s) as text"


class Stretch(NamedTuple):
    """A timeline and where it was left for the next one; `end` is None for the last."""

    timeline: int
    end: int | None


class Fork(NamedTuple):
    """The last position that both histories share, on which timeline, and whether one is a part of the other."""

    timeline: int
    position: int | None
    """None: the shared timeline was left by neither."""


History = tuple[Stretch, ...]


def parse(text: str, timeline: int) -> History:
    """A history file as stretches, the given timeline last. Raises ValueError."""
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words:
            found.append(Stretch(int(words[0]), lsn.parse(words[1])))
    return (*found, Stretch(timeline, None))


def fork(ours: History, theirs: History) -> Fork | None:
    """Where they part; None when they have nothing in common.

    The number of a timeline proves nothing: two servers that were promoted apart both take the next one.
    """
    last: Fork | None = None
    begin_ours = begin_theirs = 0
    for mine, other in zip(ours, theirs, strict=False):
        if mine.timeline != other.timeline or begin_ours != begin_theirs:
            break
        ends = [end for end in (mine.end, other.end) if end is not None]
        last = Fork(mine.timeline, min(ends) if ends else None)
        if mine.end is None or other.end is None or mine.end != other.end:
            break
        begin_ours, begin_theirs = mine.end, other.end
    return last


def local(data_dir: str, timeline: int) -> History:
    """The history of a stopped cluster.

    Raises:
        PermanentError: NOT_FOUND when its history file is missing or unreadable.
    """
    if timeline == 1:
        return (Stretch(1, None),)
    path = Path(data_dir) / "pg_wal" / f"{timeline:08X}.history"
    try:
        return parse(path.read_text(encoding="utf-8"), timeline)
    except (OSError, ValueError, IndexError) as error:
        raise PermanentError(
            Code.NOT_FOUND,
            f"The history of timeline {timeline} cannot be read from {path}.",
            "Look at pg_wal of the old server by hand before anything there is overwritten.",
        ) from error


async def of_server(connection: sql.Connection, address: "Address", timeline: int) -> History:
    """The history of a running server, read as a file or, without the right to, over a replication connection.

    Raises:
        PermanentError: CONFIGURATION when it tells neither way.
    """
    if timeline == 1:
        return (Stretch(1, None),)
    text: str | None = None
    try:
        text = (await sql.row(connection, _FILE, (f"pg_wal/{timeline:08X}.history",)))["text"]
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile):
        text = await asyncio.to_thread(_by_replication, address.conninfo(), timeline)
    if text is None:
        raise PermanentError(
            Code.CONFIGURATION,
            f"The server at {address} does not tell the history of its timeline {timeline}.",
            "Grant pg_read_server_files or REPLICATION to the runbook's database user, then retry.",
        )
    return parse(text, timeline)


def _by_replication(conninfo: str, timeline: int) -> str | None:
    try:
        # A replication session knows the simple protocol only, hence the bare exec_.
        with psycopg.connect(conninfo, autocommit=True, replication="true") as connection:
            result = connection.pgconn.exec_(f"TIMELINE_HISTORY {timeline}".encode())
            value = result.get_value(0, 1) if result.ntuples else None
    except psycopg.Error:
        return None
    return value.decode() if value is not None else None
