"""A recovery point as a data directory: the copy, the log within reach, and how far to replay it.

The settings of the replay stand in `postgresql.auto.conf` until the server is promoted, and PostgreSQL itself takes
them out then (`recovery_end_command`): a target of today, left behind, would freeze the same directory when it is a
standby again.
"""

import asyncio
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workflows.model.base import Message
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest
from workflows.model.observed import RecoveryPoint

from . import catalogue, fence_file, lsn, programs, wal_archive
from .catalogue import Store, StoredPoint
from .settings import PostgresSite
from .wal_archive import Chapter

if TYPE_CHECKING:
    from .provider import PostgresProvider

LAID = "seawall.restored"
AUTO = "postgresql.auto.conf"
AFTERWARDS = "seawall.auto.conf"
# A path becomes part of a command line that PostgreSQL gives to a shell.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@:,=-]+")
_OURS = re.compile(
    r"(primary_conninfo|primary_slot_name|restore_command|archive_cleanup_command|recovery_\w+|hot_standby"
    r"|wal_retrieve_retry_interval)\b"
)
_NOT_OURS_TO_KEEP = ("standby.signal", "recovery.signal", fence_file.FENCE, LAID, AFTERWARDS)


class Laid(Message):
    """Of what a data directory was made, and for whom; `whole` once nothing of it is missing."""

    workflow_id: str
    epoch: int
    point: str
    until: str | None = None
    whole: bool = False

    @classmethod
    def of(cls, request: StepRequest, point: RecoveryPoint) -> "Laid":
        """What this step makes."""
        until = point.until.isoformat() if point.until else None
        return cls(workflow_id=request.ref.workflow_id, epoch=request.ref.epoch, point=point.name, until=until)


def laid(folder: Path) -> Laid | None:
    """The mark in a data directory; None when it was not made here."""
    try:
        return Laid.model_validate_json((folder / LAID).read_bytes())
    except (OSError, ValueError):
        return None


async def lay_down(
    provider: "PostgresProvider", request: StepRequest, point: RecoveryPoint, folder: Path
) -> StoredPoint:
    """Make `folder` a standby of `point`, ready to be started. Asked again, it goes on or finds it done.

    Raises:
        PermanentError: NOT_FOUND without such a point, TARGET_UNFIT when its log does not reach `point.until`,
            PRECONDITION_CHANGED when something else is in `folder`, CONFIGURATION for a path that no shell should see.
    """
    site = provider.local(request.target.site)
    store = Store(site, request.target.site, request.target.name)
    stored = find(store, point)
    found = wal_archive.best(store, stored)
    _reaches(point, stored, found and found[1].at)
    mark = Laid.of(request, point)
    stands = laid(folder)
    if stands == mark.model_copy(update={"whole": True}):
        return stored
    if stands is None and _holds_something(folder):
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{folder} is not empty, and what is in it was not restored by a run.",
            "Look at it and move it away, then retry.",
        )
    archive = found[0] if found else None
    lines = settings(point.until, archive)
    provider.context.still_mine()
    await programs.in_thread(_begin, folder, mark)
    await _copy(provider, store.points / stored.name / catalogue.BASE, folder, stored.size)
    await programs.in_thread(_ready, folder, site, stored, archive, lines)
    catalogue.write(folder / LAID, mark.model_copy(update={"whole": True}))
    catalogue.own(folder / LAID, site)
    return stored


def _holds_something(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _begin(folder: Path, mark: Laid) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    # First of all, so that an attempt that died is known for what it left.
    catalogue.write(folder / LAID, mark)


def find(store: Store, point: RecoveryPoint) -> StoredPoint:
    """The copy behind a point. PermanentError(NOT_FOUND) when it is gone."""
    stored = store.find(point.name) if point.name else None
    if stored is None:
        raise PermanentError(
            Code.NOT_FOUND,
            f"The recovery point {point.name!r} is not in {store.points}, or is not whole.",
            "List the recovery points and choose another one.",
        )
    return stored


def _reaches(point: RecoveryPoint, stored: StoredPoint, end: datetime | None) -> None:
    until = point.until
    if until is None or (end is not None and stored.taken <= until <= end):
        return
    raise PermanentError(
        Code.TARGET_UNFIT,
        f"{stored.name} was whole at {stored.taken:%Y-%m-%dT%H:%M:%SZ}; its log does not lead to {until.isoformat()}.",
        "Choose a moment that a recovery point covers.",
    )


def settings(until: datetime | None, archive: Chapter | None) -> list[str]:
    """What tells PostgreSQL how far to replay; nothing in it comes from a person but a time."""
    lines = [
        "primary_conninfo = ''",
        "primary_slot_name = ''",
        "hot_standby = on",
        "wal_retrieve_retry_interval = '100ms'",
        "recovery_target_timeline = 'latest'",
        f"recovery_end_command = 'mv -f {AFTERWARDS} {AUTO}'",
    ]
    if archive is not None:
        path = str(archive.folder)
        if not _PLAIN_PATH.fullmatch(path):
            raise PermanentError(
                Code.CONFIGURATION,
                f"`snapshot_dir` leads to {path!r}, which holds characters that a shell may understand.",
                "Use letters, digits and / . _ + @ : , = - only.",
            )
        lines.append(f"""restore_command = 'cp "{path}/%f" "%p"'""")
    if until is not None:
        lines += [
            f"recovery_target_time = '{until.isoformat(sep=' ')}'",
            "recovery_target_inclusive = off",
            "recovery_target_action = 'pause'",
        ]
    return lines


async def _copy(provider: "PostgresProvider", base: Path, folder: Path, size: int) -> None:
    began, done, stopped = time.monotonic(), 0, False
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OutcomeUnknownError(
            f"The copy is {size} bytes and only {free} are free in {folder.parent}.", "Make room, then retry."
        )

    def tell(copied: int) -> None:
        nonlocal done
        done += copied
        if stopped:
            raise InterruptedError
        # Between any two files, and not only at the next effect: a frozen attempt must not go on writing.
        provider.context.still_mine()

    work = asyncio.ensure_future(programs.in_thread(_copy_tree, base, folder, tell))
    try:
        while not (await asyncio.wait({work}, timeout=0.5))[0]:
            provider.context.heartbeat(programs.progress("laying the copy down", done, size, time.monotonic() - began))
    except BaseException:
        stopped = True
        await asyncio.wait({work})
        raise
    work.result()


def _copy_tree(base: Path, folder: Path, tell: Callable[[int], None]) -> None:
    for path, folders, names in os.walk(base):
        here = folder / Path(path).relative_to(base)
        for name in folders:
            (here / name).mkdir(mode=0o700, exist_ok=True)
        for name in names:
            source, copy = Path(path) / name, here / name
            shutil.copyfile(source, copy)
            copy.chmod(0o600)
            tell(copy.stat().st_size)


def _ready(folder: Path, site: PostgresSite, stored: StoredPoint, archive: Chapter | None, lines: list[str]) -> None:
    for name in _NOT_OURS_TO_KEEP:
        if name != LAID:
            (folder / name).unlink(missing_ok=True)
    if archive is not None:
        _unfinished(folder, stored, archive)
    write_settings(folder, lines)
    (folder / "standby.signal").touch(mode=0o600)
    user = catalogue.server_user(site)
    for path in _below(folder):
        if user is not None:
            os.chown(path, *user)
        # PostgreSQL counts on what it finds in a copy to be on the disk.
        _flush(path)


def write_settings(folder: Path, lines: list[str]) -> None:
    """Put the settings of the replay into effect, and keep beside them what is to stand after a promotion."""
    kept = folder / AFTERWARDS
    if not kept.exists():
        stands = (folder / AUTO).read_text(encoding="utf-8") if (folder / AUTO).exists() else ""
        text = "".join(line for line in stands.splitlines(keepends=True) if not _OURS.match(line.strip()))
        kept.write_text(text, encoding="utf-8")
        kept.chmod(0o600)
    owner = folder.stat()
    text = kept.read_text(encoding="utf-8").rstrip("\n")
    part = folder / f"{AUTO}{catalogue.PART}"
    part.write_text("\n".join([text, *lines]).lstrip("\n") + "\n", encoding="utf-8")
    part.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(part, owner.st_uid, owner.st_gid)
    part.replace(folder / AUTO)


def has_target(folder: Path) -> bool:
    """Whether the replay is told to end at a moment."""
    path = folder / AUTO
    return path.exists() and "\nrecovery_target_time" in path.read_text(encoding="utf-8")


def _unfinished(folder: Path, stored: StoredPoint, archive: Chapter) -> None:
    """The last, unfinished segment goes under its real name where PostgreSQL looks after the archive. From the end of
    the copy on it replaces the copy's own: that one holds only what came by while the copy was taken."""
    end = lsn.parse(stored.end) // stored.segment_size
    for number, paths in archive.segments(stored.segment_size).items():
        for path in paths:
            real = folder / "pg_wal" / path.name.removesuffix(".partial")
            finished = path.name == real.name or path.with_name(real.name).exists()
            if not finished and (number >= end or not real.exists()):
                shutil.copyfile(path, real)
                real.chmod(0o600)


def _below(folder: Path) -> Iterator[Path]:
    for path, _, names in os.walk(folder):
        yield Path(path)
        yield from (Path(path) / name for name in names)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
