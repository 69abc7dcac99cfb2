"""The System V memory that a killed PostgreSQL leaves behind.

Each server holds one small segment, only to be noticed by a second server on the same files. One that is killed leaves
it until the machine restarts or a server starts on the same files. A lab kills servers and removes their files, and a
machine has 4,096 segments: without this, no PostgreSQL starts on it any more after some thousand labs.
"""

import contextlib
import ctypes
import os
from pathlib import Path

_LIST = Path("/proc/sysvipc/shm")
_HEADER_BYTES = 56
"""The size of PostgreSQL's segment, `sizeof(PGShmemHeader)`; all else is mapped memory, which ends with its process."""
_REMOVE = 0
"""IPC_RMID."""


def free_of(data_dir: Path) -> None:
    """Remove the segment of the killed server of this data directory."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        ctypes.CDLL(None).shmctl(int(lines[6].split()[1]), _REMOVE, None)


def free_abandoned() -> int:
    """Remove the segments of servers that are dead, and which nobody uses; how many there were.

    One is PostgreSQL's by its size. Without its creator and without users it protects nothing any more, whoever's it
    was; those of other users the kernel does not let us remove.
    """
    try:
        names, *lines = _LIST.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    rows = [dict(zip(names.split(), map(int, line.split()), strict=False)) for line in lines]
    libc = ctypes.CDLL(None)
    return sum(
        libc.shmctl(row["shmid"], _REMOVE, None) == 0
        for row in rows
        if row["size"] == _HEADER_BYTES and row["nattch"] == 0 and not _alive(row["cpid"])
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
