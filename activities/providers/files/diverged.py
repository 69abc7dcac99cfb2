"""Keep, and name, what only the old site has, before anything there is overwritten.

What the new site held when it was promoted is its base manifest. Whatever at the old site is not as the base says was
written there and never received. Without a base everything that differs from the serving tree is kept.
"""

import asyncio
import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from activities.durable import sync
from workflows.model.base import Message
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import DivergedTable, Divergence

from . import copying, guard, manifest, marker, rsync, source
from .disk import remove, write
from .manifest import Entry
from .source import Origin
from .state import Tree

if TYPE_CHECKING:
    from .provider import FilesProvider

MANIFEST = "divergence.json"
FOLDERS = 100
KEYS = 50


class Archived(Message):
    """What was looked through, and what was found."""

    position: str
    """Of the old tree: a tree that was changed since is not archived."""
    divergence: Divergence


async def archive(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Copy the old site's own files to `points/diverged-EPOCH-KEY/tree`, and name them."""
    name = request.target.source
    tree = provider.local(name)
    async with tree.lock(provider.context.heartbeat, "copy"):
        origin = await guard.serving(provider, request)
        folder = tree.points / f"diverged-{request.ref.epoch}-{_digest(request)}"
        old = guard.old_tree(tree, name)
        if old is None:
            return _answer(_none(request, "There is no tree here.", ""), changed=False)
        await guard.insist_on_unused(provider, name, old)
        now = await copying.threaded(provider, "reading the old tree", lambda beat: manifest.take(old, beat=beat))
        found = read(folder)
        if found and found.position == manifest.position(now):
            return _answer(found.divergence, changed=False)
        only, gone, complete = await _own(provider, origin, tree, old, now)
        divergence = await _keep(provider, request, tree, old, folder, now, (only, gone, complete))
    return _answer(divergence, changed=True)


def _digest(request: StepRequest) -> str:
    return hashlib.sha256(request.ref.key.encode()).hexdigest()[:16]


def read(folder: Path) -> Archived | None:
    """An archive; None when there is none that is whole."""
    try:
        return Archived.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None


def covers(tree: Tree, position: str) -> bool:
    """Whether a finished archive was made of the old tree as it is now."""
    return any(
        found is not None and found.position == position
        for found in (read(folder) for folder in tree.points.glob("diverged-*"))
    )


async def _own(
    provider: "FilesProvider", origin: Origin, tree: Tree, old: Path, now: dict[str, Entry]
) -> tuple[list[str], list[str], bool]:
    """Paths that only the old tree has in this form; those that are gone from it; whether that is certain."""
    base = await _base(provider, origin, tree)
    if base is None:
        items = await rsync.compare(provider, origin.address, old, contents=True)
        only = [item.path for item in items if item.path in now and not item.new]
        return sorted(path for path in only if path != marker.NAME), [], False
    differing = [path for path in copying.unlike(base, now) if path != marker.NAME]
    only = [path for path in differing if path in now and not _only_touched(now[path], base.get(path))]
    return only, [path for path in differing if path not in now], True


async def _base(provider: "FilesProvider", origin: Origin, tree: Tree) -> dict[str, Entry] | None:
    standing = tree.standing
    if standing and standing.role == "standby":
        return manifest.load(tree.manifest)
    room = tree.room("stage")
    try:
        found = await source.manifest(provider, origin.site, "base-manifest", room)
        return manifest.load(found) if found else None
    finally:
        await asyncio.to_thread(remove, room)


def _only_touched(now: Entry, base: Entry | None) -> bool:
    """A folder's time changes with every entry in it, and says nothing by itself."""
    return base is not None and now.kind == base.kind == "d" and now.mode == base.mode


async def _keep(
    provider: "FilesProvider",
    request: StepRequest,
    tree: Tree,
    old: Path,
    folder: Path,
    now: dict[str, Entry],
    own: tuple[list[str], list[str], bool],
) -> Divergence:
    only, gone, complete = own
    stage = tree.room("stage")
    try:
        if only:
            await _copy(provider, old, stage, only)
        divergence = _none(request, _words(gone, complete), manifest.position(now)).model_copy(
            update={
                "diverged": bool(only or gone),
                "bytes": sum(now[path].size for path in only),
                "tables": _tables(only),
                "folder": str(folder) if only or gone else "",
                "complete": complete,
            }
        )
        if gone:
            write(stage / "deleted", b"".join(os.fsencode(path) + b"\0" for path in gone))
        archived = Archived(position=manifest.position(now), divergence=divergence)
        write(stage / MANIFEST, archived.model_dump_json(indent=2).encode())
        tree.points.mkdir(exist_ok=True)
        provider.context.still_mine()
        await asyncio.to_thread(_name, stage, folder)
    except BaseException:
        await asyncio.to_thread(remove, stage)
        raise
    return divergence


def _name(stage: Path, folder: Path) -> None:
    if os.path.lexists(folder):
        # The old tree has changed since: both archives are kept.
        folder.rename(folder.with_name(f"{folder.name}-before-{stage.name[-12:]}"))
    stage.rename(folder)
    sync(folder.parent)


async def _copy(provider: "FilesProvider", old: Path, stage: Path, only: Sequence[str]) -> None:
    wanted = stage / "files"
    wanted.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in only))
    # Without `--no-recursive` a named folder would come with all that is in it.
    await rsync.copy(provider, str(old), stage / "tree", "--from0", f"--files-from={wanted}", "--no-recursive")
    copied = await copying.threaded(
        provider, "reading the archive", lambda beat: manifest.take(stage / "tree", contents=False, beat=beat)
    )
    missing = [path for path in only if path not in copied]
    if missing:
        raise rsync.failed(rsync.MISSING)


def _words(gone: Sequence[str], complete: bool) -> str:
    words = []
    if gone:
        words.append(f"{len(gone)} entries were deleted here after the last copy: {', '.join(copying.names(gone, 5))}.")
    if not complete:
        words.append("What the new site had received is not known, so all that differs from it is kept.")
    return " ".join(words)


def _tables(only: Sequence[str]) -> tuple[DivergedTable, ...]:
    folders: dict[str, list[str]] = defaultdict(list)
    for path in only:
        folder, _, name = path.rpartition("/")
        folders[folder or "."].append(name)
    found = sorted(folders.items())
    tables = [
        DivergedTable(table=manifest.printable(folder), rows=len(files), keys=copying.names(files, KEYS))
        for folder, files in found[:FOLDERS]
    ]
    rest = sum(len(files) for _, files in found[FOLDERS:])
    return (*tables, DivergedTable(table="(other folders)", rows=rest)) if rest else tuple(tables)


def _none(request: StepRequest, words: str, until: str) -> Divergence:
    return Divergence(
        component=request.target.name, site=request.target.source, diverged=False, until=until, detail=words
    )


def _answer(found: Divergence, changed: bool) -> StepResult:
    files = sum(table.rows for table in found.tables)
    words = f"{files} entries are only here; kept in {found.folder}." if found.diverged else "Nothing is only here."
    return StepResult(
        detail=f"{words} {found.detail}".strip(),
        changed=changed,
        after={"diverged": found.diverged, "rows": files, "folder": found.folder, "complete": found.complete},
        divergence=found,
    )
