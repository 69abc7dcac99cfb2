"""The server programs of PostgreSQL, run on the machine that holds the data directory."""

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from workflows.model.failure import Code, PermanentError

from . import lsn
from .settings import PostgresSite

USER_NAMESPACE = "userns"

# States of the control file.
SHUT_DOWN = "shut down"
IN_PRODUCTION = "in production"
OF_A_PRIMARY = (SHUT_DOWN, IN_PRODUCTION, "shutting down", "in crash recovery")
"""A standby's states are others: "shut down in recovery", "in archive recovery"."""


def command_as(run_as: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` as the identity named by `run_as`.

    PostgreSQL refuses to run as root. "" changes nothing, "userns" maps root to an unprivileged
    identity inside a new user namespace, and any other value is the name of a user.
    """
    if not run_as:
        return list(argv)
    if run_as == USER_NAMESPACE:
        return ["unshare", "--user", "--map-user=1", "--map-group=1", *argv]
    return ["setpriv", "--reuid", run_as, "--regid", run_as, "--clear-groups", *argv]


async def run(site: PostgresSite, program: str, *args: str, seconds: float = 20.0) -> tuple[int, str]:
    """Run one short program of the server's bin directory: its exit status and all that it printed.

    Raises:
        PermanentError: CONFIGURATION when it cannot be started.
        TimeoutError: it was killed after `seconds`.
    """
    argv = [*site.entrance(), *command_as(site.run_as, [str(Path(site.bin_dir) / program), *args])]
    # Not the worker's environment: it holds secrets of other components.
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ} | {"LC_ALL": "C"}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd="/"
        )
    except OSError as error:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{argv[0]} cannot be run here ({error.strerror}).",
            "Check `bin_dir` and `run_as` in the runbook.",
        ) from error
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode(errors="replace")


def postmaster(site: PostgresSite) -> psutil.Process | None:
    """The server process that runs on the data directory; None when there is none.

    The pid alone proves nothing (it may have been used again): a postmaster's working directory is its data directory.
    """
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        pid = int((Path(site.data_dir) / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if os.path.realpath(process.cwd()) == os.path.realpath(site.data_dir):
            return process
    return None


def alive(process: psutil.Process) -> bool:
    """Whether it still runs. A zombie does not: whoever should have reaped it may be slow."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def stop_fast(process: psutil.Process, seconds: float, beat: Callable[[str], None]) -> bool:
    """Disconnect everybody, write the shutdown checkpoint, end. False when it still runs after `seconds`.

    The pid is polled here because `pg_ctl stop` looks only ten times a second.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT)
    end = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() >= end:
            return False
        beat("waiting for the old server to stop")
        await asyncio.sleep(0.002)
    return True


async def start(site: PostgresSite, seconds: float) -> None:
    """Launch the server and return without waiting for it to accept connections.

    Raises:
        PermanentError: CONFIGURATION when `pg_ctl` refuses.
        TimeoutError: pg_ctl itself hangs.
    """
    await _reaped(site, 5.0)
    options = shlex.join(word for option in site.options() for word in ("-c", option))
    status, _ = await run(
        site, "pg_ctl", "start", "-W", "-D", site.data_dir, "-l", site.log_file, "-o", options, seconds=seconds
    )
    if status != 0:
        raise PermanentError(
            Code.CONFIGURATION, "pg_ctl could not start the server.", f"Read {site.log_file}, mend the cause and retry."
        )


async def _reaped(site: PostgresSite, seconds: float) -> None:
    """Wait until a killed server's zombie is gone: to PostgreSQL its lock file looks alive until then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            pid = int((Path(site.data_dir) / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return
        except (OSError, ValueError, psutil.Error):
            return
        await asyncio.sleep(0.01)


async def control(site: PostgresSite) -> dict[str, str]:
    """The control file, as `pg_controldata` prints it: label -> value.

    Raises:
        PermanentError: NOT_FOUND when there is no readable cluster in the data directory.
    """
    status, output = await run(site, "pg_controldata", "-D", site.data_dir)
    if status != 0:
        raise PermanentError(
            Code.NOT_FOUND,
            f"No PostgreSQL cluster can be read in {site.data_dir}.",
            "Check `data_dir`, `bin_dir` and `run_as` of this site in the runbook.",
        )
    pairs = (line.partition(":") for line in output.splitlines())
    return {label.strip(): value.strip() for label, _, value in pairs}


def shutdown_position(facts: dict[str, str]) -> str | None:
    """Where the data of a cleanly stopped primary ends; None when it was not stopped cleanly.

    The control file names the start of the shutdown record. One byte past it is what a standby must have reached to
    hold the whole record, since replay moves by whole records.
    """
    if facts.get("Database cluster state") != SHUT_DOWN:
        return None
    return lsn.text(lsn.parse(facts["Latest checkpoint location"]) + 1)
