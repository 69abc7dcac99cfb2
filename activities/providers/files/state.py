"""What stands beside a tree: who may change it, what it was last brought to, and the exchange that is under way.

    PATH.seawall/epoch.json      the role of the tree and the epoch under which it has it
    PATH.seawall/fence.json      the fence that stands
    PATH.seawall/sync.json       the last whole copy that was laid down here
    PATH.seawall/manifest        every entry of that copy; base-manifest: the same as it was when the tree was promoted
    PATH.seawall/swap.json       an exchange of trees that has begun
    PATH.seawall/points/NAME/    recovery points

Invariant: a tree is never changed file by file. A new one is made beside it and exchanged with it by renaming, and the
exchange is noted before it begins, so that whoever comes next can finish it.
"""

import asyncio
import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from activities.durable import sync
from workflows.model.base import Message
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import Ref

from .disk import remove, write
from .settings import FENCED, STATE

LOCK_SECONDS = 60.0
M = TypeVar("M", bound=Message)


class Standing(Message):
    """The role of a tree."""

    epoch: int
    key: str
    role: Literal["primary", "standby"]


class Fence(Message):
    """Whose fence it is."""

    epoch: int
    key: str
    workflow_id: str
    position: str = ""
    """What the fenced tree holds; empty until it is proved that nobody writes."""

    def belongs_to(self, ref: Ref) -> bool:
        """Whether the run of `ref` made it."""
        return (self.workflow_id, self.epoch) == (ref.workflow_id, ref.epoch)


class Synced(Message):
    """A whole copy of the tree of `source`."""

    epoch: int
    key: str
    source: str
    began: datetime
    """All that was written at the source before this moment is in it."""
    ended: datetime
    seconds: float
    entries: int
    bytes: int
    position: str
    period: float = 86400.0
    """Seconds within which the next one was due."""
    sent: int = 0
    moving: int = 0
    """Entries that changed at the source while they were copied."""
    verified: datetime | None = None
    proof: str = ""
    marker: int | None = None
    marker_at: datetime | None = None


class Swap(Message):
    """An exchange: `old` goes to `into`, `new` takes the place of the tree; then the records are written."""

    old: str
    into: str
    new: str
    """Empty when nothing takes the place."""
    manifest: str = ""
    synced: Synced | None = None
    standing: Standing | None = None
    forget: tuple[str, ...] = ()
    """Records that do not hold any more."""


class Restored(Message):
    """Whose restore stands, and what was there before."""

    workflow_id: str
    epoch: int
    point: str
    had_tree: bool
    standing: Standing | None = None
    synced: Synced | None = None

    def belongs_to(self, ref: Ref) -> bool:
        """Whether the run of `ref` made it."""
        return (self.workflow_id, self.epoch) == (ref.workflow_id, ref.epoch)


class Tree:
    """Paths of one tree and its records."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.state = Path(f"{path}{STATE}")
        self.points = self.state / "points"
        self.manifest = self.state / "manifest"
        self.base = self.state / "base-manifest"

    def fenced(self, epoch: int) -> Path:
        """Where a fence puts the tree."""
        return Path(f"{self.path}{FENCED}{epoch}")

    def read(self, kind: type[M], name: str) -> M | None:
        """A record; None when there is none. PermanentError(CONFIGURATION) when it cannot be understood."""
        path = self.state / name
        try:
            return kind.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise PermanentError(
                Code.CONFIGURATION,
                f"{path} cannot be read, so it is not known what may be done with the tree.",
                "Look at it by hand, then retry.",
            ) from error

    @property
    def standing(self) -> Standing | None:
        """The role."""
        return self.read(Standing, "epoch.json")

    @property
    def fence(self) -> Fence | None:
        """The fence."""
        return self.read(Fence, "fence.json")

    @property
    def synced(self) -> Synced | None:
        """The last whole copy."""
        return self.read(Synced, "sync.json")

    @property
    def restored(self) -> Restored | None:
        """The restore."""
        return self.read(Restored, "restore.json")

    @property
    def present(self) -> bool:
        """Whether anything stands at the path."""
        return os.path.lexists(self.path)

    @property
    def blank(self) -> bool:
        """Whether nothing was ever kept here: no tree or an empty folder, and no record."""
        if self.standing or self.fence:
            return False
        return not self.present or (self.path.is_dir() and not any(self.path.iterdir()))

    @property
    def primary(self) -> bool:
        """Whether it is the tree that is written to: by its record, or for want of one because there are files."""
        standing = self.standing
        return standing.role == "primary" if standing else not self.blank

    def write(self, name: str, record: Message) -> None:
        """Put a record there whole, durably, or not at all."""
        self.state.mkdir(parents=True, exist_ok=True)
        write(self.state / name, record.model_dump_json().encode())

    def forget(self, name: str) -> None:
        """Take a record away."""
        (self.state / name).unlink(missing_ok=True)
        if self.state.is_dir():
            sync(self.state)

    def insist_on_epoch(self, site: str, ref: Ref) -> None:
        """PermanentError(STALE_EPOCH) when a higher one than `ref`'s has acted here."""
        stands = max((record.epoch for record in (self.standing, self.fence, self.restored) if record), default=-1)
        if stands > ref.epoch:
            raise stale(site, stands, ref.epoch)

    def insist_on_folder(self) -> None:
        """PermanentError(CONFIGURATION) when something else than a real folder stands at the path, or it is a mount
        point: neither can be exchanged by renaming."""
        if self.present and (self.path.is_symlink() or not self.path.is_dir() or os.path.ismount(self.path)):
            raise PermanentError(
                Code.CONFIGURATION,
                f"{self.path} is a link, a file or a mount point, and cannot be exchanged by renaming.",
                "Name a plain folder below it in the runbook.",
            )

    def room(self, prefix: str) -> Path:
        """A new folder beside the records, of this attempt alone."""
        path = self.state / f"{prefix}-{uuid.uuid4().hex[:12]}"
        path.mkdir(parents=True)
        return path

    def complete(self) -> bool:
        """Finish an exchange that has begun; whether there was one. Call it under the lock only."""
        swap = self.read(Swap, "swap.json")
        if swap is None:
            return False
        old, into, new = Path(swap.old), Path(swap.into), Path(swap.new)
        arriving = bool(swap.new) and os.path.lexists(new)
        if os.path.lexists(old) and not os.path.lexists(into) and (arriving or not swap.new):
            old.rename(into)
        if arriving:
            if self.present:
                raise OutcomeUnknownError(
                    f"Something else has appeared at {self.path} during an exchange of trees.",
                    "Look at it and move it away, then retry.",
                )
            new.rename(self.path)
        sync(self.path.parent)
        if swap.manifest and Path(swap.manifest).exists():
            Path(swap.manifest).replace(self.manifest)
        if swap.synced:
            self.write("sync.json", swap.synced)
        if swap.standing:
            self.write("epoch.json", swap.standing)
        for name in swap.forget:
            (self.state / name).unlink(missing_ok=True)
        self.forget("swap.json")
        return True

    def exchange(self, swap: Swap) -> None:
        """Note it, and do it."""
        self.write("swap.json", swap)
        try:
            self.complete()
        except OSError as error:
            raise OutcomeUnknownError(
                f"The exchange of trees at {self.path} has stopped half-way ({error.strerror}).",
                "Mend that; the next attempt finishes it.",
            ) from error

    def sweep(self, prefix: str = "stage") -> None:
        """Remove what attempts that died have left. Call it under the lock of that kind of folders only."""
        if not (self.state / "swap.json").exists():
            for path in self.state.glob(f"{prefix}-*"):
                remove(path)

    @contextlib.asynccontextmanager
    async def lock(self, heartbeat: Callable[[str], None], name: str = "role") -> AsyncIterator[None]:
        """One attempt at a time looks and acts; what an earlier one left half-exchanged is finished first.

        Long copies are made under locks of their own (`copy`, `points`), so that none keeps a promotion waiting.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.state / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = time.monotonic() + LOCK_SECONDS
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() >= end:
                    raise TemporaryError(
                        Code.UNREACHABLE, "Another attempt is at work on this tree.", "Wait, then retry.", delay=5.0
                    )
                heartbeat("waiting for another attempt to end")
                await asyncio.sleep(0.02)
            if name == "role":
                self.complete()
            yield
        finally:
            os.close(handle)


def stale(site: str, stands: int, ours: int) -> PermanentError:
    """The refusal of a change that carries a lower epoch than stands."""
    return PermanentError(
        Code.STALE_EPOCH,
        f"Epoch {stands} stands at {site}, above epoch {ours} of this run: a later run has taken over.",
        "Look at the later run; this one must not go on.",
    )


def mismatch(sentence: str) -> PermanentError:
    """The refusal to touch what serves."""
    return PermanentError(
        Code.ROLE_MISMATCH, sentence, "Nothing was changed. Look at both sites, and ask again with the right ones."
    )
