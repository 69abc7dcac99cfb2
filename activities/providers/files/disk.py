"""Files that are written whole, names that are durable, and trees that are removed."""

import contextlib
import os
import shutil
import uuid
from pathlib import Path

from activities.durable import sync


def write(path: Path, content: bytes) -> None:
    """Put a file there whole, durably, or not at all."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Remove a tree. Folders without a right to write, which an ordinary user could not empty, are opened first."""
    if os.geteuid() != 0:
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                os.chmod(folder, 0o700)
    shutil.rmtree(path, ignore_errors=True)
