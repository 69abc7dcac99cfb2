"""What this worker has sent: one small file for each message, so that a retried attempt sends nothing twice.

`begun` is written before a message leaves, `done` after it was taken. Between the two nobody can know whether it
arrived: what is `begun` is sent again, marked.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Literal

from .durable import sync

State = Literal["new", "begun", "done"]

KEPT_SECONDS = 30 * 86_400.0
"""Longer than a run lives."""


class SentNotices:
    """A folder of such files. It is this worker's own: another worker does not see it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def state(self, key: str) -> State:
        """How far this message has come. A file that cannot be read was begun: the mark costs less than a loss."""
        try:
            found = json.loads(self._file(key).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return "new"
        except (OSError, ValueError):
            return "begun"
        return "done" if isinstance(found, dict) and found.get("state") == "done" else "begun"

    def note(self, key: str, state: State) -> None:
        """Write how far it has come; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(key)
        beside = file.with_suffix(f".{os.getpid()}.tmp")
        with beside.open("w", encoding="utf-8") as handle:
            json.dump({"key": key, "state": state}, handle)
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(file)
        sync(self._folder)

    def forget_old(self) -> None:
        """Remove what no run can ask for any more."""
        oldest = time.time() - KEPT_SECONDS
        for file in self._folder.glob("*.json"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.json"
