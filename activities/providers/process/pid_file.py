"""The note of what was started: pid, when (against a pid that was used again), by which step, under which epoch."""

import contextlib
import json
import os
from pathlib import Path

import psutil

from workflows.model.base import Message


class Note(Message):
    """What the pid file says."""

    pid: int
    create_time: float | None = None
    """Unix time of the process's start; null until the starter has read it back."""
    key: str = ""
    epoch: int = 0


def read(path: str) -> Note | None:
    """The note; None when there is none that can be understood. A bare number is read as a pid."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(Path(path).read_bytes())
        return Note(pid=content) if isinstance(content, int) else Note.model_validate(content)
    return None


def write(path: str, note: Note) -> None:
    """Put the note there in one move."""
    part = Path(f"{path}.{os.getpid()}.part")
    part.write_text(note.model_dump_json(), encoding="utf-8")
    part.replace(path)


def remove(path: str) -> None:
    """Forget the note."""
    Path(path).unlink(missing_ok=True)


def running(note: Note | None, argv: tuple[str, ...]) -> psutil.Process | None:
    """The noted process if it still runs. A zombie does not run, and a pid used again is somebody else's."""
    if note is None:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(note.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if note.create_time is not None:
            return process if abs(process.create_time() - note.create_time) < 0.05 else None
        if tuple(process.cmdline()[-len(argv) :]) == argv:
            return process
    return None
