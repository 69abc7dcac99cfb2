"""What one look at a tree tells, and whether it would take a write now."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activities.providers.base import now
from workflows.model.failure import Code, SeawallError
from workflows.model.observed import Observation, Reach

from . import marker, source
from .source import Seen
from .state import Tree

if TYPE_CHECKING:
    from .provider import FilesProvider


async def observe(provider: "FilesProvider", component: str, site: str, observer: str) -> Observation:
    """One observation. Never raises for a tree that cannot be seen from here."""
    facts: dict[str, Any] = {}
    try:
        seen = await look(provider, site)
        reach, detail = seen.reach, seen.detail
        if reach is not Reach.SILENT:
            facts = _facts(seen)
            facts["receiving"] = await _receiving(provider, site, seen)
        if provider.here(site):
            mark = await asyncio.to_thread(marker.read, provider.tree(site).path)
            facts |= {"marker": mark.number, "marker_at": mark.at.isoformat()} if mark else {}
    except SeawallError as error:
        reach = Reach.UNKNOWN if error.code is Code.CONFIGURATION else Reach.SILENT
        detail = str(error)
    return Observation(
        component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
    )


async def look(provider: "FilesProvider", site: str) -> Seen:
    """What can be seen of the tree at a site, from the worker here."""
    if not provider.here(site):
        return await source.look(provider, site)
    tree = provider.tree(site)
    return await asyncio.to_thread(source.judge, tree, here=True)


def _facts(seen: Seen) -> dict[str, Any]:
    if seen.fence and not seen.present:
        role = "fenced"
    else:
        role = "primary" if seen.reach in (Reach.SERVING, Reach.REFUSED) else "standby"
    synced = seen.synced
    return {
        "role": role,
        "epoch": seen.epoch if seen.epoch >= 0 else None,
        "epoch_run": seen.standing.key if seen.standing else None,
        "files": synced.entries if synced else None,
        "bytes": synced.bytes if synced else None,
        "synced_at": synced.began.isoformat() if synced else None,
        "position": synced.position if synced else None,
        "lag_seconds": (now() - synced.began).total_seconds() if synced and role == "standby" else None,
        "marker": synced.marker if synced else None,
        "marker_at": synced.marker_at.isoformat() if synced and synced.marker_at else None,
    }


async def _receiving(provider: "FilesProvider", site: str, seen: Seen) -> bool:
    """Whether the copy is as young as it should be *and* its original is seen to serve at this moment: an old success
    must not make a dead source look alive."""
    synced = seen.synced
    if seen.reach is not Reach.STANDBY or synced is None or not provider.here(site):
        return False
    if (now() - synced.began).total_seconds() > 2 * synced.period + synced.seconds:
        return False
    if synced.source not in provider.settings.sites or synced.source == site:
        return False
    with contextlib.suppress(SeawallError):
        return (await source.look(provider, synced.source)).reach is Reach.SERVING
    return False


async def probe_write(provider: "FilesProvider", site: str) -> Reach:
    """Would the tree take a write now? On its own machine by trying; the trial file never has a name."""
    try:
        seen = await look(provider, site)
    except SeawallError as error:
        return Reach.UNKNOWN if error.code is Code.CONFIGURATION else Reach.SILENT
    if seen.reach is Reach.SERVING and provider.here(site):
        return Reach.SERVING if await asyncio.to_thread(writable, provider.tree(site)) else Reach.STANDBY
    return seen.reach


def writable(tree: Tree) -> bool:
    """Whether a file can be made in it."""
    with contextlib.suppress(OSError):
        with _nameless(tree.path) as handle:
            os.write(handle, b"seawall")
        return True
    return False


@contextlib.contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError:
        # A file system without nameless files: with a name for an instant, and the folder's time put back.
        before = folder.stat()
        handle, path = tempfile.mkstemp(prefix=".seawall-probe-", dir=folder)
        os.unlink(path)
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    try:
        yield handle
    finally:
        os.close(handle)
