"""The volume under a path: what every kind that keeps its copy in files can say of its capacity."""

import shutil
from pathlib import Path

from workflows.model.base import bytes_in_words
from workflows.model.messages import StepResult


def capacity(path: Path, received: int | None = None) -> StepResult:
    """Room on the volume that holds `path`, or will hold it. `received` counts the bytes that have come in so far.

    Raises:
        OSError: when the volume cannot be asked.
    """
    standing = next(found for found in (path, *path.parents) if found.exists())
    usage = shutil.disk_usage(standing)
    return StepResult(
        changed=False,
        detail=f"{bytes_in_words(usage.free)} of {bytes_in_words(usage.total)} are free.",
        after={"free_bytes": usage.free, "volume_bytes": usage.total, "received_bytes": received},
    )
