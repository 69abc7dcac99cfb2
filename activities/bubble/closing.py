"""Closes a bubble, whatever state it is in, and counts what is left. Also: those whose time is over.

The lease goes last: as long as anything of the bubble stands, the next attempt or the next sweep finds it.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Container
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from workflows.model.failure import OutcomeUnknownError, SeawallError

from . import members
from .place import FOLDER, LEASE, Place

KILL_SECONDS = 20.0


class Closed(NamedTuple):
    """What was removed."""

    processes: int
    folders: int


def close(place: Place, beat: Callable[[str], None] = lambda _words: None) -> Closed:
    """Kill what runs in it and remove its folders; zeros when there is nothing.

    Raises:
        OutcomeUnknownError: something is left, told in words. Trying again is safe.
    """
    with place.lock():
        lease = place.lease()
        if lease and not lease.closing:
            place.write(lease.model_copy(update={"closing": True}))
        processes = members.kill(place.mark, place.folder, KILL_SECONDS, beat)
        if members.of(place.mark, place.folder):
            raise _left(leftovers(place), place)
        folders = 0
        for folder in (place.sockets, place.folder):
            folders += _remove(folder, beat)
        if left := leftovers(place):
            raise _left(left, place)
        return Closed(processes=processes, folders=folders)


def leftovers(place: Place) -> list[str]:
    """Everything of the bubble that still stands, in words: processes, folders, sockets, mounts."""
    found = [f"process {pid}" for pid in sorted(members.of(place.mark, place.folder))]
    found += [f"folder {folder}" for folder in (place.sockets, place.folder) if os.path.lexists(folder)]
    begins = (f"{place.folder}/", f"{place.sockets}/")
    with contextlib.suppress(OSError):
        mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines())
        found += [f"mount {mount[4]}" for mount in mounts if f"{mount[4]}/".startswith(begins)]
    with contextlib.suppress(OSError):
        lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()
        found += [f"socket {line.split()[-1]}" for line in lines if line.split()[-1].startswith(begins)]
    return found


def sweep_bubbles(state_dir: Path, ended: Container[str] = ()) -> list[str]:
    """Close every bubble of this worker whose time is over, whose lease cannot be read, or whose drill is one of those
    that have `ended`; their names.

    Called when the worker starts and then again and again. One that cannot be closed is left for the next sweep.
    """
    swept = []
    for place in _places(state_dir):
        with contextlib.suppress(SeawallError, OSError):
            if _over(place, ended):
                close(place)
                swept.append(place.folder.name)
    return swept


def owners(state_dir: Path) -> set[str]:
    """The workflow ids of the drills whose bubbles stand at this worker."""
    leases = (place.lease() for place in _places(state_dir))
    return {lease.workflow_id for lease in leases if lease is not None}


def _places(state_dir: Path) -> list[Place]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [Place(folder) for folder in sorted((state_dir.resolve() / FOLDER).iterdir()) if folder.is_dir()]
    return []


def _over(place: Place, ended: Container[str]) -> bool:
    # Under the lock, an opening that lives is over: a folder without its lease belongs to one that died.
    with place.lock():
        if not place.folder.exists():
            return False
        lease = place.lease()
        return lease is None or lease.closing or lease.expires <= datetime.now(UTC) or lease.workflow_id in ended


def _remove(folder: Path, beat: Callable[[str], None]) -> int:
    if not os.path.lexists(folder):
        return 0
    beat(f"removing {folder.name}")
    if folder.is_symlink():
        folder.unlink()
        return 1
    for entry in folder.iterdir():
        if entry.name == LEASE:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if {entry.name for entry in folder.iterdir()} <= {LEASE}:
            (folder / LEASE).unlink(missing_ok=True)
            folder.rmdir()
    return 1


def _left(found: list[str], place: Place) -> OutcomeUnknownError:
    shown = ", ".join(found[:5])
    return OutcomeUnknownError(
        f"{len(found)} things of the bubble {place.folder.name} are left: {shown}.", "Remove what is named, then retry."
    )
