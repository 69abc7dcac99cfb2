"""Whether both trees hold the same, every content read at both sites.

The serving tree may be written to meanwhile. What changed there since the copy was made is not a difference between
two copies but something that was not brought yet; which of the two it is, the manifest of the copy tells, without any
clock: where the copy is still as it was made, the original has moved on.
"""

import asyncio
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Consistency, Reach, TableComparison

from . import copying, manifest, rsync, source
from .disk import remove
from .manifest import Entry
from .rsync import Item
from .state import Tree, mismatch

if TYPE_CHECKING:
    from .provider import FilesProvider

_KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFSOCK: "s"}
METHOD = "every name, attribute and content of both trees compared by rsync"


async def verify(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Compare the tree at `target.site`, which is here, with the other site's; one of them is the copy.

    Raises:
        PermanentError: INCONSISTENT, naming the entries that differ.
    """
    name = request.target.site
    other = request.target.source if name == request.target.target else request.target.target
    tree = provider.local(name)
    serves = tree.primary
    if not tree.present or tree.fence:
        raise mismatch(f"There is no tree at {name} that could be compared.")
    address = await _other(provider, request, other, serves)
    base = await _base(provider, tree, other, serves)
    items = await rsync.compare(provider, address, tree.path, contents=True)
    wrong, moved = await asyncio.to_thread(_judge, tree.path, items, base, serves)
    found = _consistency(request, tree, base, wrong, moved)
    if wrong:
        raise PermanentError(
            Code.INCONSISTENT,
            f"{len(wrong)} entries differ between {name} and {other}: "
            f"{', '.join(copying.names([item.path for item in wrong], 10))}.",
            "Find out who writes to the copy, or check the disks; then synchronise again.",
        )
    return StepResult(
        detail=f"{len(base)} entries are the same at both sites; {found.detail}",
        changed=False,
        after={"entries": len(base), "moved": len(moved)},
        consistency=found,
    )


async def _other(provider: "FilesProvider", request: StepRequest, other: str, serves: bool) -> str:
    if not serves:
        return (await source.origin(provider, other, request.ref)).address
    seen = await source.look(provider, other)
    if seen.reach is not Reach.STANDBY or seen.synced is None:
        raise mismatch(f"The tree at {other} is no copy. {seen.detail}")
    return provider.address(other)


async def _base(provider: "FilesProvider", tree: Tree, other: str, serves: bool) -> dict[str, Entry]:
    if not serves:
        return manifest.load(tree.manifest) or {}
    room = tree.room("look")
    try:
        found = await source.manifest(provider, other, "manifest", room)
        return (manifest.load(found) if found else None) or {}
    finally:
        await asyncio.to_thread(remove, room)


def _judge(tree: Path, items: list[Item], base: dict[str, Entry], serves: bool) -> tuple[list[Item], list[Item]]:
    """What is wrong, and what has only moved on at the serving side."""
    wrong: list[Item] = []
    moved: list[Item] = []
    for item in items:
        (moved if _moved(tree, item, base, serves) else wrong).append(item)
    return wrong, moved


def _moved(tree: Path, item: Item, base: dict[str, Entry], serves: bool) -> bool:
    if item.silent:
        return False
    only_copy, only_serving = (item.new, item.extra) if serves else (item.extra, item.new)
    if only_copy:
        return item.path in base
    if only_serving:
        return item.path not in base
    as_made = _entry(tree, item.path).looks_like(base.get(item.path))
    return not as_made if serves else as_made


def _entry(tree: Path, path: str) -> Entry:
    try:
        seen = os.lstat(tree / path)
    except FileNotFoundError:
        return Entry("", 0, 0, 0, "", 0)
    kind = _KINDS.get(stat.S_IFMT(seen.st_mode), "")
    content = os.readlink(tree / path) if kind == "l" else ""
    return Entry(kind, stat.S_IMODE(seen.st_mode), seen.st_size if kind == "f" else 0, seen.st_mtime_ns, content, 0)


def _consistency(
    request: StepRequest, tree: Tree, base: dict[str, Entry], wrong: list[Item], moved: list[Item]
) -> Consistency:
    position = manifest.position(base)
    table = TableComparison(
        table=str(tree.path),
        rows_source=len(base),
        rows_target=len(base),
        equal=not wrong,
        differing=copying.names([item.path for item in wrong]),
    )
    return Consistency(
        component=request.target.name,
        equal=not wrong,
        position_source=position,
        position_target=position,
        tables=(table,),
        delta_bytes=sum(item.size for item in moved if item.file),
        method=METHOD,
        at=now(),
        detail=f"{len(moved)} have changed since the copy was made and are not brought yet.",
    )
