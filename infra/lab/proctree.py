"""Process trees: who descends from whom, and how a whole site dies at once.

A tree is killed while its root is stopped but alive. The root is a subreaper, so whatever is orphaned by the killing
stays below it and is found by the next look; a tree that forks while it dies cannot leave anybody behind.
"""

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
MARK = "SEAWALL_LAB_FOLDER"
"""The environment variable by which every process of a lab can be recognised."""
SITE_MARK = "SEAWALL_LAB_SITE_FOLDER"
"""The same for the processes of one site."""


def become_subreaper() -> None:
    """Adopt orphaned descendants. Left to process 1, a killed postmaster may stay a zombie for seconds, and
    PostgreSQL's tools then take its lock file for a live one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def _stat(pid: str) -> tuple[int, str] | None:
    """Parent and state of a process; None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), fields[0]


def state_of(pid: int) -> str:
    """The kernel's letter for a process (`R`, `S`, `T` stopped, `Z` zombie ...); empty when it is gone."""
    found = _stat(str(pid))
    return found[1] if found else ""


def descendants(root: int) -> list[int]:
    """Every live process below `root`, parents before their children; zombies are left out."""
    children: dict[int, list[tuple[int, str]]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _stat(name)):
            children.setdefault(found[0], []).append((int(name), found[1]))
    order: list[int] = []
    level = [root]
    while level:
        below = [child for parent in level for child in children.get(parent, [])]
        order += [pid for pid, state in below if state not in "ZX"]
        level = [pid for pid, _ in below]
    return order


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_tree(root: int, *, within: float = 5.0) -> None:
    """SIGKILL `root` and everything below it; returns when nothing of it can run any more.

    Raises:
        TimeoutError: something did not die in time, which only an uninterruptible wait in the kernel explains.
    """
    send(root, signal.SIGSTOP)
    kill_below(root, within=within)
    send(root, signal.SIGKILL)


def kill_below(root: int, *, within: float = 5.0) -> None:
    """SIGKILL everything below `root`, which must not fork meanwhile.

    Raises:
        TimeoutError: see `kill_tree`.
    """
    deadline = time.monotonic() + within
    while alive := descendants(root):
        for pid in alive:
            send(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise TimeoutError(f"Processes below {root} do not die: {alive}.")
        time.sleep(0.001)


def stop_tree(root: int) -> None:
    """SIGSTOP a whole tree, root first so that it starts nothing new."""
    for _ in range(2):
        for pid in [root, *descendants(root)]:
            send(pid, signal.SIGSTOP)


def continue_tree(root: int) -> None:
    """SIGCONT a whole tree, root last so that it finds its services awake."""
    for pid in [*reversed(descendants(root)), root]:
        send(pid, signal.SIGCONT)


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode(errors="replace") for part in raw.split(b"\0") if part]


def survivors(folder: Path, variable: str = MARK) -> list[int]:
    """Processes of the lab (or, with SITE_MARK, of the site) in `folder`, found without its help.

    They are known by the variable that they inherited. PostgreSQL overwrites its environment with its title, so its
    processes are known by their working folder. A shell that merely stands in the folder is not one of them.
    """
    mark = f"{variable}={folder}".encode()
    return [pid for name in os.listdir("/proc") if name.isdigit() and _belongs(pid := int(name), folder, mark)]


def _belongs(pid: int, folder: Path, mark: bytes) -> bool:
    if pid == os.getpid() or state_of(pid) in ("", "Z", "X"):
        return False
    try:
        process = Path(f"/proc/{pid}")
        if mark in (process / "environ").read_bytes().split(b"\0"):
            return True
        is_server = (process / "comm").read_text().strip() == "postgres"
        return is_server and Path(os.readlink(process / "cwd")).is_relative_to(folder)
    except OSError:
        return False


def kill_survivors(folder: Path, variable: str = MARK, *, within: float = 5.0) -> int:
    """SIGKILL what is left of a lab or a site; how many there were.

    Raises:
        TimeoutError: some do not die.
    """
    seen: set[int] = set()
    deadline = time.monotonic() + within
    while alive := survivors(folder, variable):
        for pid in alive:
            with contextlib.suppress(PermissionError):
                send(pid, signal.SIGKILL)
        seen |= set(alive)
        if time.monotonic() > deadline:
            raise TimeoutError(f"Processes of the lab do not die: {alive}.")
        time.sleep(0.01)
    return len(seen)
