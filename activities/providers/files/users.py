"""Which programs of this machine could still write below a folder, whatever it is called now.

A renamed folder stops nobody who has a file, a folder, a mapping or its working directory in it. Users of a shared
file system on other machines are not seen here.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

_WRITING = os.O_WRONLY | os.O_RDWR


class User(NamedTuple):
    """A program and why it counts."""

    pid: int
    name: str
    why: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name}: {self.why})"


def find(tree: Path, trusted: Collection[str] = ()) -> list[User]:
    """Every one; a program into which this worker may not look counts, unless its name is `trusted`."""
    top = os.path.realpath(tree)
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            why = next(_reasons(pid, top), None)
        except PermissionError:
            why = "this worker may not see what it has open" if _is_program(pid) and _name(pid) not in trusted else None
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
            continue
        if why:
            found.append(User(pid, _name(pid), why))
    return found


def _reasons(pid: int, top: str) -> Iterator[str]:
    base = f"/proc/{pid}"
    for link, why in (("cwd", "its working directory is there"), ("root", "its root is there")):
        if _below(os.readlink(f"{base}/{link}"), top):
            yield why
    for number in os.listdir(f"{base}/fd"):
        try:
            path = os.readlink(f"{base}/fd/{number}")
        except FileNotFoundError:
            continue
        if _below(path, top) and (why := _open(base, number)):
            yield why
    with open(f"{base}/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(maxsplit=5)
            if len(fields) == 6 and fields[1][1] == "w" and fields[1][3] == "s" and _below(fields[5], top):
                yield "it has a file there mapped for writing"


def _open(base: str, number: str) -> str:
    """Why an open descriptor counts; empty when it only reads a file."""
    try:
        with open(f"{base}/fdinfo/{number}", encoding="ascii") as info:
            flags = next(int(line.split()[1], 8) for line in info if line.startswith("flags:"))
    except (FileNotFoundError, StopIteration):
        return ""
    if flags & _WRITING:
        return "it has a file there open for writing"
    return "it has a folder there open" if flags & os.O_DIRECTORY else ""


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "unknown"


def _is_program(pid: int) -> bool:
    """A kernel thread has no command line, and a program that has ended is no danger."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
