"""Let a copy be written to, under the run's epoch."""

import asyncio
import os
from typing import TYPE_CHECKING

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import marker, observe
from .disk import write
from .fence import acting
from .state import Standing, Synced, Tree

if TYPE_CHECKING:
    from .provider import FilesProvider


async def promote(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Write the role, and read back that a file can be made. What the tree held until now is kept as the base by which
    the old site can tell what it alone has."""
    name = request.target.site
    tree = provider.local(name)
    async with tree.lock(provider.context.heartbeat):
        tree.insist_on_epoch(name, request.ref)
        before = tree.standing
        wanted = Standing(epoch=request.ref.epoch, key=request.ref.key, role="primary")
        changed = before != wanted
        synced = tree.synced
        if changed:
            synced = _may(tree, request)
            provider.context.still_mine()
            with acting("the promotion"):
                await asyncio.to_thread(_settle, tree)
                tree.write("epoch.json", wanted)
        with acting("the end of the promotion"):
            # By every attempt: one may have died between the role and these.
            tree.forget("fence.json")
            tree.forget("restore.json")
        if not await asyncio.to_thread(observe.writable, tree):
            raise OutcomeUnknownError(
                f"The tree at {name} has its new role, and no file can be made in it.",
                "Check that its file system is writable and not full, then retry.",
            )
    position = synced.position if synced else None
    return StepResult(
        detail=f"Written to here from now on, under epoch {request.ref.epoch}.",
        changed=changed,
        before={"role": "standby", "epoch": before.epoch if before and changed else None, "position": position},
        after={"role": "primary", "epoch": request.ref.epoch},
    )


def _may(tree: Tree, request: StepRequest) -> Synced:
    name = request.target.site
    was = request.before.facts.get("role") if request.before else None
    standing = tree.standing
    taken_over = request.adopts is not None and standing is not None and standing.epoch <= request.adopts
    if tree.primary and taken_over and tree.synced is not None:
        return tree.synced  # Promoted by the run that this one takes over; only the epoch rises.
    if tree.primary or tree.fence or was == "primary":
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The tree at {name} is not the standby copy that this run saw when it planned.",
            "Look at both sites and plan again.",
        )
    synced = tree.synced
    if synced is None or not tree.present:
        raise PermanentError(
            Code.TARGET_UNFIT, f"No whole copy stands at {name}.", "Synchronise it or restore a recovery point first."
        )
    if request.position and synced.position != request.position:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"The copy at {name} is not the tree that was fenced.",
            "Synchronise first; promoting now would lose what lies between.",
        )
    return synced


def _settle(tree: Tree) -> None:
    if tree.manifest.exists():
        part = tree.state / "base.part"
        part.unlink(missing_ok=True)
        os.link(tree.manifest, part)
        part.replace(tree.base)
        # A link that is renamed onto itself stays behind.
        part.unlink(missing_ok=True)
    mark = marker.read(tree.path)
    if mark:
        write(tree.state / marker.PROMOTED, mark.model_dump_json().encode())
    else:
        (tree.state / marker.PROMOTED).unlink(missing_ok=True)
