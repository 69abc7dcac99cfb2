"""The two files that hold a stopped server off: `standby.signal` for PostgreSQL, `seawall.fence` for us.

`seawall.fence` is written first, before the server is stopped, so that an undo after a crash in between knows that
the stop was ours. It says nothing to PostgreSQL. `standby.signal` follows once the server is down: from then on a
reboot of the site brings it back as a standby, never as a second writer.
"""

import json
import os
from pathlib import Path

from activities.durable import sync
from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref

FENCE = "seawall.fence"
SIGNAL = "standby.signal"


class FenceFile(Message):
    """Whose fence it is."""

    epoch: int
    key: str
    workflow_id: str
    made_signal: bool = False
    """Whether `standby.signal` is ours to take away."""

    @classmethod
    def of(cls, ref: Ref) -> "FenceFile":
        """The fence of this step."""
        return cls(epoch=ref.epoch, key=ref.key, workflow_id=ref.workflow_id)

    def belongs_to(self, ref: Ref) -> bool:
        """Whether the run of `ref` made it: the step that undoes it has another id than the one that did it."""
        return self.workflow_id == ref.workflow_id and self.epoch == ref.epoch


def read(data_dir: str) -> FenceFile | None:
    """The fence that stands; None when there is none.

    Raises:
        PermanentError: CONFIGURATION when it is there and cannot be understood.
    """
    path = Path(data_dir) / FENCE
    try:
        return FenceFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PermanentError(
            Code.CONFIGURATION,
            f"The fence file {path} cannot be read.",
            "Look at it by hand: it says which run holds this server off.",
        ) from error


def write(data_dir: str, fence: FenceFile) -> None:
    """Put the fence file there, durably. PermanentError(CONFIGURATION) when the folder cannot be written."""
    put(data_dir, FENCE, json.dumps(fence.model_dump()).encode())


def signal_stands(data_dir: str) -> bool:
    """Whether the server would come back as a standby."""
    return (Path(data_dir) / SIGNAL).exists()


def write_signal(data_dir: str) -> None:
    """Make the server come back as a standby, durably."""
    put(data_dir, SIGNAL, b"")


def drop_signal(data_dir: str) -> None:
    """Let the server start as a primary again, durably."""
    (Path(data_dir) / SIGNAL).unlink(missing_ok=True)
    sync(Path(data_dir))


def clear(data_dir: str, fence: FenceFile) -> None:
    """Take away what the fence put there; `seawall.fence` last, so that a crash in between can be repeated."""
    if fence.made_signal:
        (Path(data_dir) / SIGNAL).unlink(missing_ok=True)
    (Path(data_dir) / FENCE).unlink(missing_ok=True)
    sync(Path(data_dir))


def put(data_dir: str, name: str, content: bytes) -> None:
    """Write a file whole, durably, as the folder's owner. PermanentError(CONFIGURATION) when it cannot be."""
    folder = Path(data_dir)
    part = folder / f"{name}.part"
    try:
        owner = folder.stat()
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, content)
            if os.geteuid() == 0:
                os.fchown(handle, owner.st_uid, owner.st_gid)
            os.fsync(handle)
        finally:
            os.close(handle)
        part.replace(folder / name)
        sync(Path(data_dir))
    except OSError as error:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{folder / name} cannot be written ({error.strerror}).",
            "Let the worker of this site write in the data directory, then retry.",
        ) from error
