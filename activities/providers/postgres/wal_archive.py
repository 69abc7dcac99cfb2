"""The log that follows the copies, brought to the recovery site in pulls.

A replication slot of the serving server holds its log between two pulls. The archive is in chapters: a chapter has no
hole, and a new one begins where the server no longer has what would come next.

Each pull notes how far it came, and the serving server's clock as it was read *before* that position: what was
committed by then lies in front of it. That is how far a copy can be brought, and to which moments.
"""

import asyncio
import contextlib
import fcntl
import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.model.base import Message, in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.runbook import ReplicationMode

from . import catalogue, epoch, lsn, observe, programs, sql
from .catalogue import Store, StoredPoint

if TYPE_CHECKING:
    from .provider import PostgresProvider

SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?")
_BEFORE = """
select clock_timestamp() as at, pg_is_in_recovery() as standby,
       case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn() end::text as lsn,
       case when pg_is_in_recovery() then null
            else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline,
       (select system_identifier::text from pg_control_system()) as system,
       (select setting::bigint from pg_settings where name = 'wal_segment_size') as segment_size
"""
_SLOT = "select wal_status, active from pg_replication_slots where slot_name = %s"
_HELD = "select count(*) > 0 as held from pg_ls_waldir() where name like %s"


class Note(Message):
    """How far the log reached at one pull."""

    lsn: str
    at: datetime
    timeline: int
    epoch: int
    system: str
    segment_size: int
    marker: int | None = None
    marker_at: datetime | None = None


class Chapter:
    """A folder of log without a hole, with its notes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._notes = folder.with_name(f"{folder.name}.jsonl")

    def notes(self) -> list[Note]:
        """Oldest first. A torn last line is not there yet."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for line in self._notes.read_bytes().splitlines():
                with contextlib.suppress(ValueError):
                    found.append(Note.model_validate_json(line))
        return found

    def note(self, note: Note) -> None:
        """Add one."""
        with self._notes.open("ab", buffering=0) as file:
            file.write(note.model_dump_json().encode() + b"\n")

    def rewrite(self, notes: Sequence[Note]) -> None:
        """Replace them all, whole or not at all."""
        part = self._notes.with_name(f".{self._notes.name}{catalogue.PART}")
        part.write_bytes(b"".join(note.model_dump_json().encode() + b"\n" for note in notes))
        part.replace(self._notes)

    def remove(self) -> None:
        """Drop an empty chapter."""
        self._notes.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.folder.rmdir()

    def segments(self, size: int) -> dict[int, list[Path]]:
        """The files of each segment number, the unfinished ones included."""
        found: dict[int, list[Path]] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if match := SEGMENT.fullmatch(path.name):
                number = int(match[2], 16) * (0x1_0000_0000 // size) + int(match[3], 16)
                found.setdefault(number, []).append(path)
        return found

    def reach(self, point: StoredPoint) -> Note | None:
        """The last note up to which nothing is missing behind the end of a copy; None when none is of use to it."""
        notes = [note for note in self.notes() if note.system == point.system and note.timeline >= point.timeline]
        if not notes:
            return None
        size, end = point.segment_size, lsn.parse(point.end)
        there = self.segments(size)
        # The copy itself holds the segment in which it ends.
        last = end // size
        while last + 1 in there:
            last += 1
        usable = [note for note in notes if end <= lsn.parse(note.lsn) <= (last + 1) * size]
        return usable[-1] if usable else None


def chapters(store: Store) -> list[Chapter]:
    """All of them, oldest first."""
    folders = sorted(path for path in store.wal.iterdir() if path.is_dir()) if store.wal.is_dir() else []
    return [Chapter(folder) for folder in folders]


def best(store: Store, point: StoredPoint) -> tuple[Chapter, Note] | None:
    """The chapter that brings a copy furthest, and how far; None when no log follows it."""
    found = [(chapter, note) for chapter in chapters(store) if (note := chapter.reach(point))]
    return max(found, key=lambda pair: pair[1].at, default=None)


def wanted(provider: "PostgresProvider", request: StepRequest) -> bool:
    """Whether the log is brought over at all: a standby that streams has it already."""
    replication = request.target.component.replication
    streams = replication is not None and replication.mode is ReplicationMode.CONTINUOUS
    return not streams or provider.settings.archive_wal


def slot_name(request: StepRequest) -> str:
    """The slot that holds the serving server's log for the copies at `target.site`."""
    return f"seawall_{request.target.name}_{request.target.site}".replace("-", "_")[:63]


async def reserve(provider: "PostgresProvider", request: StepRequest) -> None:
    """Let the serving server keep its log from here on."""
    with sql.acting("the replication slot"):
        async with sql.session(provider.address(request.target.source)) as connection:
            await _slot(connection, slot_name(request))


async def _slot(connection: sql.Connection, name: str) -> None:
    found = await sql.rows(connection, _SLOT, (name,))
    if found and found[0]["wal_status"] == "lost":
        # It holds nothing any more, and nobody can stream from it.
        await sql.rows(connection, "select pg_drop_replication_slot(%s)", (name,))
        found = []
    if not found:
        await sql.rows(connection, "select pg_create_physical_replication_slot(%s, true)", (name,))


async def pull(provider: "PostgresProvider", request: StepRequest) -> StepResult:
    """Bring all log that the serving server has written until now."""
    site = provider.local(request.target.site)
    store = Store(site, request.target.site, request.target.name)
    provider.context.still_mine()
    store.claim(request.ref)
    started = time.monotonic()
    # A copy and a pull may be asked for at once, and one folder takes one writer.
    async with _alone(provider, store):
        found = chapters(store)
        chapter = found[-1] if found else _next(store)
        last = next(reversed(chapter.notes()), None)
        goal = await _goal(provider, request, last)
        if last and last.system != goal.system:
            chapter, last = _next(store), None
        moved = last is None or last.lsn != goal.lsn
        if moved:
            provider.context.still_mine()
            chapter = await _receive(provider, request, store, chapter, goal)
        with store.ours(request.ref):
            chapter.note(goal)
    seconds = time.monotonic() - started
    brought = lsn.parse(goal.lsn) - lsn.parse(last.lsn) if last and last.timeline == goal.timeline else None
    words = "the first" if brought is None else f"{brought} bytes"
    return StepResult(
        detail=f"Log up to {goal.lsn} is here: {words}, in {in_words(seconds)}.",
        changed=moved,
        before={"lsn": last.lsn if last else None, "at": last.at.isoformat() if last else None},
        after={
            "lsn": goal.lsn,
            "position": goal.lsn,
            "timeline": goal.timeline,
            "covers_until": goal.at.isoformat(),
            "bytes": brought,
            "seconds": round(seconds, 3),
            "bytes_per_second": round(brought / seconds) if brought is not None and seconds > 0 else None,
            "slot": slot_name(request),
            "chapter": chapter.folder.name,
        },
    )


@contextlib.asynccontextmanager
async def _alone(provider: "PostgresProvider", store: Store) -> AsyncIterator[None]:
    with (store.wal / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                provider.context.heartbeat("waiting for another pull")
                await asyncio.sleep(0.05)
        yield


async def _goal(provider: "PostgresProvider", request: StepRequest, last: Note | None) -> Note:
    """Where the log stands, after a commit that is on the server's disk: an asynchronous one before it is, too. A
    server that has written nothing since the last pull is left alone."""
    name = request.target.source
    with sql.looking("the end of its log was read"):
        async with sql.session(provider.address(name)) as connection:
            seen = await sql.row(connection, _BEFORE)
            stands = await epoch.read(connection)
            if stands and stands.epoch > request.ref.epoch:
                raise epoch.stale(name, stands.epoch, request.ref.epoch)
            if seen["standby"]:
                raise PermanentError(
                    Code.ROLE_MISMATCH,
                    f"The server at {name} is a standby, and the log is brought from the one that serves.",
                    "Look at both sites and plan again.",
                )
            await _slot(connection, slot_name(request))
            marker = await observe.newest_marker(connection)
            end = seen["lsn"]
            if last is None or (last.lsn, last.system) != (end, seen["system"]):
                end = await _commit(connection)
    return Note(
        lsn=end,
        at=seen["at"],
        timeline=seen["timeline"],
        epoch=request.ref.epoch,
        system=seen["system"],
        segment_size=seen["segment_size"],
        marker=marker["number"] if marker else None,
        marker_at=marker["at"] if marker else None,
    )


async def _commit(connection: sql.Connection) -> str:
    async with connection.transaction():
        await sql.rows(connection, "set local synchronous_commit = local")
        await sql.rows(connection, "select pg_logical_emit_message(true, 'seawall', 'pull')")
    return str((await sql.row(connection, "select pg_current_wal_flush_lsn()::text as lsn"))["lsn"])


def _next(store: Store) -> Chapter:
    numbers = [int(chapter.folder.name) for chapter in chapters(store) if chapter.folder.name.isdigit()]
    return Chapter(store.wal / f"{max(numbers, default=0) + 1:06d}")


async def _receive(
    provider: "PostgresProvider", request: StepRequest, store: Store, chapter: Chapter, goal: Note
) -> Chapter:
    error = await _stream(provider, request, chapter, goal)
    if not error:
        return chapter
    if await _held(provider, request, chapter, goal):
        raise _failed(request, error)
    await _slot_anew(provider, request)
    fresh = _next(store)
    error = await _stream(provider, request, fresh, goal)
    if not error:
        return fresh
    if not any(fresh.folder.iterdir()):
        fresh.remove()
    raise _failed(request, error)


async def _slot_anew(provider: "PostgresProvider", request: StepRequest) -> None:
    """Asking for log that is gone can set the slot back to there, and nobody could stream from it any more."""
    name = slot_name(request)
    with sql.looking("its slot was made anew"):
        async with sql.session(provider.address(request.target.source)) as connection:
            # The server takes a moment to notice that the stream which just failed is over.
            deadline = time.monotonic() + 5
            while (found := await sql.rows(connection, _SLOT, (name,))) and found[0]["active"]:
                if time.monotonic() > deadline:
                    return
                await asyncio.sleep(0.05)
            if found:
                await sql.rows(connection, "select pg_drop_replication_slot(%s)", (name,))
            await _slot(connection, name)


async def _stream(provider: "PostgresProvider", request: StepRequest, chapter: Chapter, goal: Note) -> str | None:
    site = provider.local(request.target.site)
    chapter.folder.mkdir(exist_ok=True)
    catalogue.own(chapter.folder, site)
    # It stops *behind* its end position: given the end itself, it would wait until somebody writes.
    end = lsn.text(lsn.parse(goal.lsn) - 1)
    return await programs.run(
        *(provider, site, provider.address(request.target.source), f"bringing the log up to {goal.lsn}"),
        *("pg_receivewal", "-D", str(chapter.folder), "--slot", slot_name(request), "--endpos", end),
        *("--no-loop", "--synchronous"),
    )


async def _held(provider: "PostgresProvider", request: StepRequest, chapter: Chapter, goal: Note) -> bool:
    """Whether the server still has what comes next in the chapter: then the failure is of another kind."""
    there = chapter.segments(goal.segment_size)
    if not there:
        return True
    newest = there[max(there)][-1].name.removesuffix(".partial")
    with sql.looking("its log was listed"):
        async with sql.session(provider.address(request.target.source)) as connection:
            return bool((await sql.row(connection, _HELD, (newest,)))["held"])


def _failed(request: StepRequest, error: str) -> TemporaryError:
    return TemporaryError(
        Code.UNREACHABLE,
        f"The log of the server at {request.target.source} could not be brought over: {error}.",
        "Check disk space, the REPLICATION right of the user, max_wal_senders and pg_hba.conf, then retry.",
    )
