"""What a killed PostgreSQL leaves in the kernel is given back, and nothing else."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from infra.lab import memory

_MAKE = "import ctypes; print(ctypes.CDLL(None).shmget(0, {size}, 0o1600))"
_PRIVATE, _CREATE = 0, 0o1600


def _segments() -> set[int]:
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    return {int(line.split()[1]) for line in lines}


@pytest.mark.parametrize(("size", "stays"), [(56, False), (4096, True)], ids=["PostgreSQL's", "another's"])
def test_only_the_segment_of_a_dead_server_is_removed(size: int, *, stays: bool) -> None:
    made = subprocess.run([sys.executable, "-c", _MAKE.format(size=size)], capture_output=True, text=True, check=True)
    dead = int(made.stdout)
    mine = ctypes.CDLL(None).shmget(_PRIVATE, 56, _CREATE)
    try:
        assert {dead, mine} <= _segments()
        memory.free_abandoned()
        assert (dead in _segments()) is stays
        assert mine in _segments(), "its server lives"
    finally:
        for segment in (dead, mine):
            ctypes.CDLL(None).shmctl(segment, 0, None)
