"""What restores and rebuilds have set aside, and for how long it is kept.

Invariant: nothing that was set aside goes before a later run has held the application *and* the retention has passed:
it may be the only copy of what a recovery point left out.
"""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from workflows.model.messages import StepRequest
from workflows.model.runbook import Snapshots

from . import catalogue, restore
from .settings import PostgresSite

_OURS = re.compile(r"\.(aside|new)-(\d+)")


def found(site: PostgresSite) -> list[tuple[Path, str, int]]:
    """The folders beside the data directory that our runs made: which, `aside` or `new`, and of which epoch."""
    data = Path(site.data_dir)
    beside = [(path, _OURS.fullmatch(path.name.removeprefix(data.name))) for path in data.parent.glob(f"{data.name}.*")]
    return [(path, match[1], int(match[2])) for path, match in beside if match and path.is_dir()]


def sweep(site: PostgresSite, request: StepRequest, mine: Callable[[], None]) -> int:
    """Remove what no run can want any more; the bytes that were freed."""
    replication = request.target.component.replication
    keep_for = ((replication and replication.snapshots) or Snapshots()).keep_for.total_seconds()
    freed = 0
    for folder, kind, epoch in found(site):
        # The rename that set it aside is the last change of the folder itself.
        young = kind == "aside" and time.time() - folder.stat().st_ctime < keep_for
        if epoch >= request.ref.epoch or young:
            continue
        mine()
        freed += catalogue.bytes_in(folder)
        shutil.rmtree(folder)
    forget(site, request, mine)
    return freed


def forget(site: PostgresSite, request: StepRequest, mine: Callable[[], None]) -> None:
    """Drop the note of a restore of an earlier run, once it can neither go on nor be discarded."""
    record = restore.standing(site)
    if record is not None and record.epoch < request.ref.epoch:
        mine()
        restore.Places(site, record.epoch).record.unlink(missing_ok=True)
