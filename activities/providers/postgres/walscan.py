"""What stands in the log of a stopped server after a position, as pg_waldump reads it."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import lsn, server
from .settings import PostgresSite

_RECORD = re.compile(r"rmgr: (\S+)\s+len .*?tx:\s*(\d+), lsn: ([0-9A-F]+/[0-9A-F]+).*?desc: (\S+)(.*)")
_END = re.compile(r"at ([0-9A-F]+/[0-9A-F]+)")
_SUBTRANSACTIONS = re.compile(r"subxacts: ([\d ]+)")
_BEAT_RECORDS = 5000
_COMMITS = frozenset({"COMMIT", "COMMIT_PREPARED"})
_DELETIONS = frozenset({("Heap", "DELETE"), ("Heap", "TRUNCATE"), ("Storage", "TRUNCATE")})


@dataclass
class Beyond:
    """The log after a position."""

    start: int
    end: int
    last: int | None = None
    """Where the last record begins; None when there is none."""
    records: int = 0
    commits: int = 0
    transactions: set[int] = field(default_factory=set)
    """Those that committed there, with their subtransactions: whatever they wrote, before or after the position."""
    deletions: set[int] = field(default_factory=set)
    """Transactions that deleted or truncated, committed or not."""
    readable: bool = True
    """False when the log from the position on is not there any more."""

    @property
    def bytes(self) -> int:
        """Its size."""
        return max(0, self.end - self.start)

    def take(self, line: str) -> None:
        """Count one line of pg_waldump."""
        found = _RECORD.match(line)
        if not found:
            return
        manager, transaction, position, word, rest = found.groups()
        self.records += 1
        self.last = lsn.parse(position)
        if manager == "Transaction" and word in _COMMITS:
            self._commit(int(transaction), word, rest)
        elif (manager, word) in _DELETIONS:
            self.deletions.add(int(transaction))

    def _commit(self, transaction: int, word: str, rest: str) -> None:
        self.commits += 1
        prepared = re.match(r"\s*(\d+)", rest) if word == "COMMIT_PREPARED" else None
        self.transactions.add(int(prepared[1]) if prepared else transaction)
        if subs := _SUBTRANSACTIONS.search(rest):
            self.transactions.update(int(number) for number in subs[1].split())


async def beyond(site: PostgresSite, timeline: int, start: int, beat: Callable[[str], None]) -> Beyond:
    """Read the log of `timeline` from `start` to its real end, which after a crash no control file knows."""
    found = Beyond(start, start)
    argv = [str(Path(site.bin_dir) / "pg_waldump"), "-p", str(Path(site.data_dir) / "pg_wal")]
    argv += ["-t", str(timeline), "-s", lsn.text(start)]
    process = await asyncio.create_subprocess_exec(
        *server.command_as(site.run_as, argv),
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    try:
        while line := await process.stdout.readline():
            found.take(line.decode(errors="replace"))
            if found.records % _BEAT_RECORDS == 0:
                beat(f"reading the old log: {found.records} records")
        await process.wait()
        words = (await errors).decode(errors="replace")
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        errors.cancel()
        raise
    _conclude(found, words)
    return found


def _conclude(found: Beyond, words: str) -> None:
    end = _END.findall(words)
    if found.last is not None:
        found.end = max(found.last + 1, lsn.parse(end[-1]) if end else 0)
    elif "could not find a valid record" not in words:
        # No such segment: it was removed, or the log ends where the one before it ends.
        found.readable = False


def segments(data_dir: str, timeline: int, start: int, end: int, segment_bytes: int) -> list[Path]:
    """The files that hold the log from `start` to `end`, and every history file, oldest first."""
    folder = Path(data_dir) / "pg_wal"
    per_log = (1 << 32) // segment_bytes
    found = []
    for number in range(start // segment_bytes, end // segment_bytes + 1):
        path = folder / f"{timeline:08X}{number // per_log:08X}{number % per_log:08X}"
        if path.exists():
            found.append(path)
    return found + sorted(folder.glob("*.history"))


def keep(files: list[Path], folder: Path) -> int:
    """Copy the files durably into the folder; how many bytes they are."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for path in files:
        with path.open("rb") as source, (folder / path.name).open("wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        size += path.stat().st_size
    return size
