"""Which processes belong to a bubble, and their end.

Invariant: a process is killed only while the network that it lives in bears the bubble's mark, or while it is a
program that was told, on its command line, to hold this bubble or to fill a folder of it. Process ids and namespace
numbers alone prove nothing: both are used again.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path


def inside(mark: str) -> list[int]:
    """All living processes in the network that bears the mark."""
    ours = _network("self")
    judged: dict[str | None, bool] = {ours: False, None: False}
    found = []
    for pid in _pids():
        network = _network(pid)
        if network not in judged:
            judged[network] = _bears(pid, mark)
        if judged[network]:
            found.append(int(pid))
    return found


def filling(folder: Path) -> list[int]:
    """All programs of the form `... -D FOLDER/...`: what copies data into the bubble runs outside of it."""
    return [int(pid) for pid in _pids() if _fills(int(pid), folder)]


def holding(mark: str) -> list[int]:
    """Programs that hold the bubble's network, or will once they have set it up."""
    return [int(pid) for pid in _pids() if _holds(int(pid), mark)]


def of(mark: str, folder: Path) -> set[int]:
    """All of them."""
    return {*inside(mark), *filling(folder), *holding(mark)} - {os.getpid()}


def kill(mark: str, folder: Path, seconds: float, beat: Callable[[str], None]) -> int:
    """Kill until none is left, or the time is over; how many were killed."""
    killed: set[int] = set()
    end = time.monotonic() + seconds
    while found := of(mark, folder):
        beat(f"ending {len(found)} processes of the bubble")
        for pid in found:
            with contextlib.suppress(OSError):
                # The handle names one process for ever; that it is the right one is looked at with it in hand, so that
                # a number that was used again in between is not hit.
                handle = os.pidfd_open(pid)
                try:
                    if _bears(str(pid), mark) or _fills(pid, folder) or _holds(pid, mark):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                        killed.add(pid)
                finally:
                    os.close(handle)
        if time.monotonic() >= end:
            break
        time.sleep(0.005)
    return len(killed)


def _fills(pid: int, folder: Path) -> bool:
    begin = f"{folder}/"
    return any(word == "-D" and after.startswith(begin) for word, after in pairwise(_words(pid)))


def _holds(pid: int, mark: str) -> bool:
    return any(word.endswith("/holder.py") and after == mark for word, after in pairwise(_words(pid)))


def _words(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _network(pid: str) -> str | None:
    """None for one that has ended (a zombie has no network any more) or is not ours to look at."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")
    return None


def _bears(pid: str, mark: str) -> bool:
    with contextlib.suppress(OSError):
        return f"|-- {mark}\n" in Path(f"/proc/{pid}/net/fib_trie").read_text(encoding="ascii")
    return False
