"""A whole copy of another site's tree, made beside the one that stands here and compared before it takes any place.

Unchanged files are hard links to the copy before, which nobody writes to: a file that differs is written anew. When a
second pass is needed it is a folder of its own, since a change of mode in place would reach through the links.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest
from workflows.model.runbook import Component

from . import manifest, marker, rsync
from .disk import remove
from .manifest import Entry, printable
from .rsync import Item
from .source import Origin
from .state import Swap, Synced, Tree

if TYPE_CHECKING:
    from .provider import FilesProvider

T = TypeVar("T")
NAMED = 20
ROOM = 64 << 20


class Copied(NamedTuple):
    """A copy that stands in `stage/tree`, with its manifest in `stage/manifest`."""

    stage: Path
    synced: Synced
    changed: int
    delta: int
    """Bytes of the files that differed when it began."""


def names(found: Sequence[str], most: int = NAMED) -> tuple[str, ...]:
    """The first of them, for people."""
    return tuple(printable(path) for path in found[:most])


async def pull(
    provider: "FilesProvider",
    request: StepRequest,
    origin: Origin,
    tree: Tree,
    bases: Sequence[Path],
    contents: bool,
    known: Path | None = None,
    prefix: str = "stage",
) -> Copied:
    """Copy `origin` into a new folder beside `tree`. What the manifest `known` holds of `bases` is not read again.

    Raises:
        PermanentError: INCONSISTENT when the copy is not like its original, TARGET_UNFIT when there is no room.
        TemporaryError: UNREACHABLE.
    """
    began, started = now(), time.monotonic()
    bases = [base for base in bases if base.is_dir()]
    stage = tree.room(prefix)
    try:
        delta, changed = await _delta(provider, origin, stage, bases)
        sent, left = await _passes(provider, origin, stage, bases, delta, contents)
        before = manifest.load(known or tree.manifest)
        found = await threaded(
            provider, "reading the copy", lambda beat: manifest.take(stage / "tree", before, beat=beat)
        )
        manifest.save(stage / "manifest", found)
    except BaseException:
        await asyncio.to_thread(remove, stage)
        raise
    synced = _synced(request, origin, stage, found, left, contents).model_copy(
        update={"began": began, "seconds": time.monotonic() - started, "sent": sent.bytes}
    )
    return Copied(stage, synced, changed, delta)


def _synced(
    request: StepRequest, origin: Origin, stage: Path, found: manifest.Manifest, left: Sequence[Item], contents: bool
) -> Synced:
    proof = "all contents compared" if contents else "names, sizes and times compared"
    mark = marker.read(stage / "tree")
    return Synced(
        epoch=request.ref.epoch,
        key=request.ref.key,
        source=origin.site,
        began=now(),
        ended=now(),
        seconds=0.0,
        period=period(request.target.component),
        entries=len(found),
        bytes=manifest.size(found),
        position=manifest.position(found),
        moving=len(left),
        verified=now() if contents and not left else None,
        proof=proof + (f"; {len(left)} entries changed meanwhile" if left else ""),
        marker=mark.number if mark else None,
        marker_at=mark.at if mark else None,
    )


def period(component: Component) -> float:
    """Seconds within which the next copy is due."""
    rule = component.replication
    every = (rule.period or (rule.snapshots.every if rule.snapshots else None)) if rule else None
    return every.total_seconds() if every else 86400.0


async def _delta(provider: "FilesProvider", origin: Origin, stage: Path, bases: Sequence[Path]) -> tuple[int, int]:
    """Bytes and number of what differs now; and whether there is room for it."""
    items = await rsync.compare(provider, origin.address, bases[0] if bases else stage, contents=False)
    delta = sum(item.size for item in items if item.file)
    seen = os.statvfs(stage)
    free = seen.f_bavail * seen.f_frsize
    if free < delta + ROOM:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"{delta} bytes are to be copied and {free} are free in {stage.parent}.",
            "Make room, then retry.",
        )
    return delta, len(items)


async def _passes(
    provider: "FilesProvider", origin: Origin, stage: Path, bases: Sequence[Path], delta: int, contents: bool
) -> tuple[rsync.Sent, list[Item]]:
    """Copy, compare, and once more where something differs: a live tree moves, and a link may lead to a spoilt file."""
    goal = stage / "tree"
    sent = await rsync.copy(provider, origin.address, goal, *_links(bases), expected=delta)
    left = await rsync.compare(provider, origin.address, goal, contents=contents)
    if left:
        first = stage / "first"
        goal.rename(first)
        options = ["--checksum"] if contents else []
        again = await rsync.copy(provider, origin.address, goal, *options, *_links([first, *bases]))
        sent = rsync.Sent(sent.files + again.files, sent.bytes + again.bytes)
        await asyncio.to_thread(remove, first)
        left = await rsync.compare(provider, origin.address, goal, contents=contents)
    wrong = left if origin.fenced else [item for item in left if item.silent]
    if wrong:
        raise PermanentError(
            Code.INCONSISTENT,
            f"{len(wrong)} entries of the copy differ from {origin.address}: "
            f"{', '.join(names([item.path for item in wrong], 5))}.",
            "Check the disks of both sites and who writes there; the copy was thrown away.",
        )
    return sent, left


def _links(bases: Sequence[Path]) -> list[str]:
    return [f"--link-dest={base}" for base in bases]


async def lay(provider: "FilesProvider", tree: Tree, stage: Path, swap: Swap) -> None:
    """Exchange the trees. What was replaced goes to `stage/old` and is removed, unless `swap.into` keeps it."""
    provider.context.still_mine()
    await asyncio.to_thread(tree.exchange, swap)
    await asyncio.to_thread(remove, stage)


async def threaded(provider: "FilesProvider", words: str, call: Callable[[Callable[[str], None]], T]) -> T:
    """Run what reads a whole tree beside the loop, beating; a cancelled attempt does not leave it running."""
    stop, said = threading.Event(), [words]

    def beat(progress: str) -> None:
        if stop.is_set():
            raise InterruptedError
        said[0] = progress

    task = asyncio.ensure_future(asyncio.to_thread(call, beat))
    try:
        while not (await asyncio.wait({task}, timeout=0.5))[0]:
            provider.context.heartbeat(f"{words}: {said[0]}" if said[0] != words else words)
    except BaseException:
        stop.set()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
    return task.result()


def told(copied: Copied) -> str:
    """One sentence."""
    synced = copied.synced
    rate = synced.sent / synced.seconds if synced.seconds else 0.0
    return (
        f"{copied.changed} entries differed ({copied.delta} bytes); {synced.sent} bytes were sent in "
        f"{in_words(synced.seconds)} ({rate / 1e6:.1f} MB/s); {synced.proof}."
    )


def facts(copied: Copied) -> dict[str, object]:
    """JSON values for a result."""
    synced = copied.synced
    return {
        "position": synced.position,
        "entries": synced.entries,
        "bytes": synced.bytes,
        "bytes_sent": synced.sent,
        "files_changed": copied.changed,
        "delta_bytes": copied.delta,
        "bytes_per_second": round(synced.sent / synced.seconds) if synced.seconds else None,
        "seconds": synced.seconds,
        "moving": synced.moving,
    }


def unlike(one: dict[str, Entry], other: dict[str, Entry]) -> list[str]:
    """The paths at which two trees differ, contents included."""
    every = sorted(one.keys() | other.keys())
    return [path for path in every if not _same(one.get(path), other.get(path))]


def _same(one: Entry | None, other: Entry | None) -> bool:
    return one is not None and one.looks_like(other) and other is not None and one.content == other.content
