"""PostgreSQL's client programs: they get the password by the environment, tell progress, and die with us."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from workflows.model.base import in_words

from . import server
from .settings import PostgresSite
from .sql import Address

if TYPE_CHECKING:
    from .provider import PostgresProvider

T = TypeVar("T")
_SHARE = re.compile(r"(\d+)/(\d+) kB")
_ERROR = re.compile(r"error: (.{1,300})")
_TAIL = 16_384


async def run(provider: "PostgresProvider", site: PostgresSite, address: Address, words: str, *argv: str) -> str | None:
    """Run one of them against a server; None, or what it says of its failure. Cancelled, it is killed."""
    program, *args = argv
    line = [str(Path(site.bin_dir) / program), *args, "-h", address.host, "-p", str(address.port)]
    line += ["-U", provider.settings.user, "--no-password"]
    # An argument could be read by every user of the machine.
    env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"} | address.secret_environment()
    process = await asyncio.create_subprocess_exec(
        *server.command_as(site.run_as, line),
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        last = await provider.beating(words, _read(provider, words, process))
        status = await process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            # With the helper that pg_basebackup starts: left alone, it would go on streaming into the folder.
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return None if status == 0 else last or f"it ended with status {status}"


async def _read(provider: "PostgresProvider", words: str, process: asyncio.subprocess.Process) -> str:
    """Tell its progress; the first error that it reported."""
    assert process.stderr is not None
    began, tail = time.monotonic(), ""
    while read := await process.stderr.read(4096):
        said = read.decode(errors="replace")
        tail = (tail + said)[-_TAIL:]
        shares = _SHARE.findall(said)
        if shares:
            done, total = int(shares[-1][0]) * 1024, int(shares[-1][1]) * 1024
            provider.context.heartbeat(progress(words, done, total, time.monotonic() - began))
    error = _ERROR.search(tail)
    return error[1] if error else ""


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Run it in a thread. Cancelled, we still wait for its end: a thread cannot be stopped, and the next attempt must
    not meet it at work in the same folder."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def progress(words: str, done: int, total: int, seconds: float) -> str:
    """How far it is, and how long it will take at this speed."""
    if done <= 0 or total <= 0:
        return words
    left = max(0, total - done) * seconds / done
    return f"{words}: {min(100, 100 * done // total)} % of {total} bytes, about {in_words(left)} left"
