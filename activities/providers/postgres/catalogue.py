"""The store of recovery points of one component at one site, and who may change it.

    <snapshot_dir>/<component>/store.json            the highest epoch that has written here
    <snapshot_dir>/<component>/points/<name>/base    a base backup
    <snapshot_dir>/<component>/points/<name>/point.json
    <snapshot_dir>/<component>/wal/<chapter>/        log without a hole; <chapter>.jsonl notes when it reached where

Invariants: a point without its `point.json`, which is written last, is no point. A writer claims its epoch before it
writes and again, under the same lock, at the instant at which its work becomes part of the store: what a lower epoch
made never lands behind a higher one.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from activities.durable import sync
from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref

from . import epoch
from .settings import PostgresSite

POINT = "point.json"
BASE = "base"
PART = ".part"
GONE = ".gone"


class StoredPoint(Message):
    """What is kept about a base backup, beside it."""

    name: str
    component: str
    site: str
    source: str
    epoch: int
    key: str
    begun: datetime
    """By the clock of the copied server, just before the backup: all that was committed by then is in it."""
    taken: datetime
    """By the same clock, just after: from here on the copy is whole."""
    start: str
    end: str
    timeline: int
    segment_size: int
    system: str
    size: int
    verified: datetime | None = None
    proof: str = ""
    marker: int | None = None
    marker_at: datetime | None = None


class Claim(Message):
    """Who wrote last, by the highest epoch."""

    epoch: int
    key: str


class Store:
    """The folders of one component's store, and the lock of its epoch."""

    def __init__(self, site: PostgresSite, name: str, component: str) -> None:
        """PermanentError(CONFIGURATION) when the site keeps none."""
        if site.snapshot_dir is None:
            raise PermanentError(
                Code.CONFIGURATION,
                f"No `snapshot_dir` is set for {name}, so there is no place for recovery points.",
                "Set it in the runbook.",
            )
        self._site = site
        self._name = name
        self.root = Path(site.snapshot_dir) / component
        self.points = self.root / "points"
        self.wal = self.root / "wal"

    def claim(self, ref: Ref) -> None:
        """Write our epoch down. PermanentError(STALE_EPOCH) when a higher one has written here."""
        with self.ours(ref):
            pass

    @contextlib.contextmanager
    def ours(self, ref: Ref) -> Iterator[None]:
        """While it lasts, no other epoch can claim the store."""
        for folder in (self.root, self.points, self.wal):
            folder.mkdir(parents=True, exist_ok=True)
            own(folder, self._site)
        with (self.root / "store.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stands = self.standing()
            if stands and stands.epoch > ref.epoch:
                raise epoch.stale(f"the recovery points of {self._name}", stands.epoch, ref.epoch)
            if stands is None or stands.epoch < ref.epoch:
                write(self.root / "store.json", Claim(epoch=ref.epoch, key=ref.key))
            yield

    def standing(self) -> Claim | None:
        """The highest epoch that has written here; None when nobody has.

        Raises:
            PermanentError: CONFIGURATION when it cannot be understood: without it nobody may write.
        """
        try:
            return Claim.model_validate_json((self.root / "store.json").read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise PermanentError(
                Code.CONFIGURATION,
                f"{self.root / 'store.json'} cannot be read, so it is not known who may write the recovery points.",
                "Look at it by hand; with no other writer about it may be removed.",
            ) from error

    def folder(self, ref: Ref, component: str) -> Path:
        """Where the point of this step stands: another step's never does."""
        digest = hashlib.sha256(ref.key.encode()).hexdigest()[:16]
        return self.points / f"{component}-{ref.epoch}-{digest}"

    def find(self, name: str) -> StoredPoint | None:
        """The point of that name, if it is whole."""
        if Path(name).name != name:
            return None
        return read(self.points / name)

    def all(self) -> list[StoredPoint]:
        """Every whole point, the one taken last first. What cannot be understood is no point."""
        found = [read(folder) for folder in self.points.iterdir()] if self.points.is_dir() else []
        return sorted((point for point in found if point), key=lambda point: point.taken, reverse=True)


def read(folder: Path) -> StoredPoint | None:
    """The point in a folder; None when it is torn, or on its way in or out."""
    if folder.name.endswith((PART, GONE)) or not (folder / BASE / "PG_VERSION").is_file():
        return None
    try:
        return StoredPoint.model_validate_json((folder / POINT).read_bytes())
    except (OSError, ValueError):
        return None


def write(path: Path, content: Message) -> None:
    """Put it there whole, durably, or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    with part.open("wb") as file:
        file.write(content.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(path.parent)


def own(path: Path, site: PostgresSite) -> None:
    """Give it to the server's identity, where that is another one than ours."""
    user = server_user(site)
    if user is not None:
        os.chown(path, *user)


def server_user(site: PostgresSite) -> tuple[int, int] | None:
    """The server's user and group when files must be given to them; None when what we write is its own already.

    Raises:
        PermanentError: CONFIGURATION when there is no such user.
    """
    if os.geteuid() != 0 or site.run_as in ("", "userns"):
        return None
    try:
        found = pwd.getpwnam(site.run_as)
    except KeyError:
        raise PermanentError(
            Code.CONFIGURATION, f"There is no user {site.run_as!r} on this machine.", "Check `run_as` in the runbook."
        ) from None
    return found.pw_uid, found.pw_gid


def bytes_in(folder: Path, beat: Callable[[], None] = lambda: None) -> int:
    """Size of all files below."""
    total = 0
    for path, _, names in os.walk(folder):
        beat()
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total
