"""The program rsync: how it is called, what its end means, and what it says while it works."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from activities.providers.base import secret
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError, SeawallError, TemporaryError

if TYPE_CHECKING:
    from .provider import FilesProvider

SHELL = "ssh -o BatchMode=yes -o ConnectTimeout=5"
MISSING = 23
"""rsync's word for `some entries could not be transferred`; of a listing it means that nothing is there."""
VANISHED = 24
LOOK_SECONDS = 3.0
_USAGE = frozenset({1, 2, 3, 4, 6})
_ESCAPE = re.compile(rb"\\#([0-7]{3})")
_PROGRESS = re.compile(r"^\s*(\d+)\s+\d+%")
_STATS = re.compile(r"^(Number of regular files transferred|Total bytes received|Total bytes sent): ([\d,]+)", re.M)


class Item(NamedTuple):
    """One difference between two trees, as rsync tells it: eleven letters, a size, and the entry's path."""

    flags: str
    size: int
    path: str

    @property
    def extra(self) -> bool:
        """Only the receiving side has it."""
        return self.flags.startswith("*deleting")

    @property
    def new(self) -> bool:
        """Only the sending side has it."""
        return self.flags[2:3] == "+"

    @property
    def file(self) -> bool:
        """Whether it is a file's content that would be sent."""
        return self.flags[:2] in (">f", "<f", "cf")

    @property
    def silent(self) -> bool:
        """The contents differ although size and time do not: nothing but reading them tells."""
        return self.flags[1:3] == "fc" and self.flags[3:5] == ".."


class Sent(NamedTuple):
    """What a transfer came to."""

    files: int
    bytes: int


def program() -> str:
    """PermanentError(CONFIGURATION) when rsync is not installed."""
    found = shutil.which("rsync")
    if found is None:
        raise PermanentError(
            Code.CONFIGURATION,
            "The program rsync is not installed on this machine.",
            "Install it at both sites: apt-get install -y rsync",
        )
    return found


def keeping(provider: "FilesProvider") -> list[str]:
    """The options by which a copy is like its original. `-@-1` compares times to the nanosecond: by default a file
    that was rewritten within the same second with the same size counts as unchanged."""
    letters = "-aHAX" if provider.settings.attributes else "-aH"
    return [letters, "--numeric-ids", "--no-devices", "--specials", "-@-1"]


async def copy(provider: "FilesProvider", source: str, into: Path, *options: str, expected: int | None = None) -> Sent:
    """Bring the tree at `source` into the folder `into`. Entries that vanish meanwhile are no failure: whoever calls
    compares afterwards.

    Raises:
        TemporaryError: the other side was lost, or something could not be read or written.
    """
    argv = [*keeping(provider), "--fsync", "--sparse", "--info=progress2", "--stats", "--no-human-readable", *options]
    call = _Call(provider, [*argv, "--", f"{source}/", f"{into}/"], _teller(provider, expected))
    status = await call.run(provider.settings.copy_timeout.total_seconds())
    if status not in (0, VANISHED):
        raise failed(status)
    stats = {name: int(value.replace(",", "")) for name, value in _STATS.findall(call.output.decode(errors="replace"))}
    return Sent(
        stats.get("Number of regular files transferred", 0),
        stats.get("Total bytes received", 0) + stats.get("Total bytes sent", 0),
    )


async def compare(provider: "FilesProvider", source: str, tree: Path, *, contents: bool) -> list[Item]:
    """What would have to be done to make `tree` like `source`; nothing is changed."""
    options = ["--dry-run", "--delete", "--out-format=%i %l %n", *(["--checksum"] if contents else [])]
    call = _Call(provider, [*keeping(provider), *options, "--", f"{source}/", f"{tree}/"], lambda _: None)
    call.words = "comparing both trees" if contents else "looking for what has changed"
    status = await call.run(provider.settings.copy_timeout.total_seconds())
    if status not in (0, VANISHED):
        raise failed(status)
    found = [_item(line) for line in call.output.splitlines()]
    return [item for item in found if item and item.path not in ("./", ".")]


async def look(provider: "FilesProvider", *args: str) -> int:
    """A short question to the other side; its status. TemporaryError(UNREACHABLE) when it is not answered."""
    patience = ["--contimeout=2"] if any(arg.startswith("rsync://") for arg in args) else []
    status = await _Call(provider, [*patience, *args], lambda _: None).run(LOOK_SECONDS)
    if status not in (0, MISSING):
        raise failed(status)
    return status


async def fetch(provider: "FilesProvider", source: str, into: Path) -> int:
    """Bring one file, however large; the status as in `look`."""
    status = await _Call(provider, ["-t", "--", source, str(into)], lambda _: None).run(
        provider.settings.copy_timeout.total_seconds()
    )
    if status not in (0, MISSING):
        raise failed(status)
    return status


def failed(status: int) -> SeawallError:
    """What an unhappy end of rsync means."""
    if status in _USAGE:
        return PermanentError(
            Code.CONFIGURATION,
            f"rsync refused its arguments or the other side's version (status {status}).",
            "Install rsync 3.2.4 or later at both sites; set `attributes: false` where one has no access lists.",
        )
    if status in (MISSING, 11):
        return TemporaryError(
            Code.CHECK_FAILED,
            f"rsync could not read or write some entries (status {status}); what it copied is thrown away.",
            "Check the room on the disk and that rsync may read all of the tree at both sites, then retry.",
        )
    return TemporaryError(
        Code.UNREACHABLE,
        f"rsync lost the other side, or did not reach it (status {status}).",
        "Check the network, the daemon or ssh, and the password, then retry.",
    )


def decoded(name: bytes) -> str:
    """A path as rsync prints it, back to what it is."""
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), name))


def _item(line: bytes) -> Item | None:
    flags, _, rest = line.partition(b" ")
    length, _, name = rest.lstrip().partition(b" ")
    if len(flags) < 9 or not length.isdigit():
        return None
    return Item(flags.decode("ascii", "replace"), int(length), decoded(name).rstrip("/"))


def _teller(provider: "FilesProvider", expected: int | None) -> Callable[[str], None]:
    began = asyncio.get_running_loop().time()

    def tell(line: str) -> None:
        found = _PROGRESS.match(line)
        if not found:
            return
        done, seconds = int(found[1]), asyncio.get_running_loop().time() - began
        words = f"{done} bytes copied"
        if expected and done and seconds > 0:
            left = max(0, expected - done) * seconds / done
            words = f"{done} of {expected} bytes copied, about {in_words(left)} left"
        provider.context.heartbeat(words)

    return tell


class _Call:
    """One run of rsync in the C locale, its password in the environment and never among its arguments."""

    def __init__(self, provider: "FilesProvider", args: list[str], tell: Callable[[str], None]) -> None:
        self._provider = provider
        self._tell = tell
        self.words = "copying"
        self.output = b""
        shell = [] if any(arg.startswith("rsync://") for arg in args) else ["-e", SHELL]
        patience = f"--timeout={max(1, round(provider.settings.io_timeout.total_seconds()))}"
        # A copy that outlived its worker would go on beside the next attempt's.
        mortal = [found, "--pdeathsig", "KILL", "--"] if (found := shutil.which("setpriv")) else []
        self._argv = [*mortal, program(), *shell, patience, *args]

    async def run(self, seconds: float) -> int:
        """Its status; 30, rsync's own word for a time-out, when the time is over."""
        env = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/")}
        if self._provider.settings.password:
            env["RSYNC_PASSWORD"] = secret(self._provider.settings.password)
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                await self._follow(process)
                return await process.wait()
        except TimeoutError:
            return 30
        finally:
            await _end(process)

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        reading = asyncio.ensure_future(self._read(process.stdout))
        try:
            while not (await asyncio.wait({reading}, timeout=0.5))[0]:
                if not self.output:
                    self._provider.context.heartbeat(self.words)
            reading.result()
        finally:
            reading.cancel()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        pieces = []
        while piece := await stream.read(1 << 16):
            pieces.append(piece)
            self._tell(piece.decode("ascii", "replace").rstrip("\r\n").rpartition("\r")[2])
        self.output = b"".join(pieces)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of it is left: rsync is two processes, of one group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
