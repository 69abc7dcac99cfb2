"""Starts and ends what every lab stands on, its chassis, and waits for what that starts."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from workers.settings import READY_FILE

from . import layout, memory, proctree
from .client import NotRunning, ask
from .info import Grounds, lab_file, load_grounds
from .postgres import LabError

START_SECONDS = 30.0


def launch(info: Grounds) -> None:
    """Start the chassis with the plan that was saved; it returns at once."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(layout.ROOT), os.environ.get("PYTHONPATH", "")])}
    with (info.logs / "chassis.log").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "infra.lab.chassis", str(info.folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=env,
            cwd="/",
            check=True,
        )


def wait_for_chassis(info: Grounds) -> None:
    """Until it answers.

    Raises:
        LabError: it does not.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            ask(info, "GET", "/status")
            return
        except NotRunning:
            time.sleep(0.02)
    raise LabError(f"The lab's chassis did not start. Read {info.logs / 'chassis.log'}.")


def wait_for_workers(info: Grounds, folders: Iterable[Path]) -> None:
    """A lab is up when a failover would find every worker ready: the first minute counts too.

    Raises:
        LabError: a worker does not come.
    """
    folders = list(folders)
    deadline = time.monotonic() + START_SECONDS
    while missing := [folder for folder in folders if not (folder / READY_FILE).exists()]:
        if time.monotonic() > deadline:
            raise LabError(f"The worker of {missing[0]} takes no work. Read its log in {info.logs}.")
        time.sleep(0.02)


def wait_for_port(address: str, what: str, log: Path) -> None:
    """Until something listens there.

    Raises:
        LabError: nothing does.
    """
    deadline = time.monotonic() + START_SECONDS
    parts = urlsplit(f"//{address}")
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((str(parts.hostname), parts.port or 0), 1):
                return
        except OSError:
            time.sleep(0.02)
    raise LabError(f"{what} does not answer at {address}. Read {log}.")


def end(folder: Path) -> None:
    """Every process, with the chassis's help or without it."""
    info = None
    if lab_file(folder).exists():
        info = load_grounds(folder)
        try:
            ask(info, "POST", "/down", {})
        except (LabError, OSError):
            info = load_grounds(folder)
    deadline = time.monotonic() + 3
    while info and proctree.survivors(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    proctree.kill_survivors(folder)
    memory.free_abandoned()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No second `up` or `down` beside this one. The lock is on the parent folder: ours may be removed meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
