"""A bubble as its worker sees it: the folder with its lease, the mark of its network, and the way in."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import Bubble

from . import members

FOLDER = "bubbles"
LEASE = "bubble.json"
LOCK_SECONDS = 30.0


class Lease(Message):
    """What the folder says of its bubble. Everything that is created for it stands here before it exists."""

    name: str
    site: str
    workflow_id: str
    epoch: int
    expires: datetime
    closing: bool = False
    """Once set, nothing is started in it any more."""
    outside: tuple[str, ...] = ()
    """Folders of the bubble that do not lie in its own."""


class Place:
    """Paths and names of one bubble. What it is made of is derived from the folder alone, so that a bubble whose
    lease cannot be read can still be closed without leaving anything behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, state_dir: Path, bubble: Bubble) -> "Place":
        """The place of a bubble at this worker."""
        return cls(state_dir.resolve() / FOLDER / bubble.name)

    @property
    def lease_path(self) -> Path:
        """Where the lease stands."""
        return self.folder / LEASE

    @property
    def holder_path(self) -> Path:
        """The note of the process that holds the network open."""
        return self.folder / "holder.json"

    @property
    def mark(self) -> str:
        """The loopback address that only this bubble's network has."""
        first, second, third = hashlib.sha256(str(self.folder).encode()).digest()[:3]
        return f"127.{128 + first % 127}.{second}.{1 + third % 254}"

    @property
    def sockets(self) -> Path:
        """A folder for the sockets of clones. Not in the bubble's own: a socket's path has room for 107 bytes."""
        return Path("/tmp") / f"seawall-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]}"  # noqa: S108

    def file(self, original: str) -> str:
        """Where the clone keeps what the component itself keeps at `original`."""
        path = Path(original)
        return str(self.folder / f"{path.stem}-{hashlib.sha256(original.encode()).hexdigest()[:8]}{path.suffix}")

    def lease(self) -> Lease | None:
        """The lease; None when there is none that can be read."""
        with contextlib.suppress(OSError, ValueError):
            return Lease.model_validate_json(self.lease_path.read_bytes())
        return None

    def write(self, lease: Lease) -> None:
        """Put the lease there, durably and in one move."""
        part = self.lease_path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.write(lease.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.lease_path)

    def insist_on_open(self) -> int:
        """The id of a process inside, for a verb that acts in the bubble.

        Raises:
            PermanentError: NOT_FOUND when the bubble is not open, EXPIRED when its time is over.
        """
        lease = self.lease()
        inside = members.inside(self.mark) if lease and not lease.closing else []
        if lease is None or not inside:
            raise PermanentError(
                Code.NOT_FOUND, f"The bubble {self.folder.name} is not open.", "Close what is left, and drill again."
            )
        if lease.expires <= datetime.now(UTC):
            raise expired(lease.name)
        return self.anchor(inside)

    def anchor(self, inside: Sequence[int]) -> int:
        """Of the processes inside, the one by which to enter: for an ordinary user only the holder's will do."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            holder = int(json.loads(self.holder_path.read_bytes())["pid"])
            if holder in inside:
                return holder
        return inside[0]

    def enter(self) -> tuple[str, ...]:
        """The beginning of a command line that runs inside the bubble, or not at all.

        Raises:
            PermanentError: see `insist_on_open`.
        """
        pid = self.insist_on_open()
        script = str(Path(__file__).with_name("enter.py"))
        check = (sys.executable, "-I", "-S", script, self.mark)
        if os.geteuid() == 0:
            return (tool("nsenter"), f"--net=/proc/{pid}/ns/net", "--", *check)
        # Inside, an ordinary user would look like root, which PostgreSQL refuses: give the identity back.
        ours = (tool("unshare"), "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}", "--")
        into = (tool("nsenter"), "-t", str(pid), "--user", "--net", "--preserve-credentials", "--")
        return (*into, *check, *ours)

    def make_sockets(self, owner: int) -> Path:
        """The folder for sockets, readable by its owner alone.

        Raises:
            PermanentError: CONFIGURATION, when somebody else has put something there.
        """
        with contextlib.suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
            os.chown(self.sockets, owner, -1)
        seen = self.sockets.lstat()
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid not in (owner, os.geteuid()) or seen.st_mode & 0o077:
            raise PermanentError(
                Code.CONFIGURATION, f"{self.sockets} is not ours, or open to others.", "Remove it, then retry."
            )
        os.chown(self.sockets, owner, -1)
        return self.sockets

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One at a time opens, closes or sweeps the bubbles of a worker. Freed by the kernel when we die."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder.parent / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        raise TemporaryError(
                            Code.UNREACHABLE, "Another attempt is at work on the bubbles of this site.", "Retry."
                        ) from None
                time.sleep(0.02)
            yield
        finally:
            os.close(handle)


def expired(name: str) -> PermanentError:
    """The refusal to act in a bubble whose time is over."""
    return PermanentError(Code.EXPIRED, f"The time of the bubble {name} is over.", "Close it, and drill again.")


def tool(name: str) -> str:
    """The full path of a program of the system.

    Raises:
        PermanentError: ISOLATION_UNPROVEN, when it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise PermanentError(
            Code.ISOLATION_UNPROVEN, f"The program {name} is not installed here.", "Install util-linux, then retry."
        )
    return found
