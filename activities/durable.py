"""Names that survive a power cut."""

import os
from pathlib import Path


def sync(folder: Path) -> None:
    """Make the names in a folder durable: a rename is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
