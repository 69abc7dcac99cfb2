"""Take the tree away from those who write to it, prove that nobody holds on to it, and the undo of that.

The tree is renamed: whoever opens it by its path finds nothing. Who has it open already is looked for.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from activities.durable import sync
from activities.providers.base import now
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import FenceProof, Reach

from . import copying, manifest, source, users
from .state import Fence, Tree, stale

if TYPE_CHECKING:
    from .provider import FilesProvider


async def fence(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Rename, and prove.

    Raises:
        PermanentError: FENCE_UNPROVEN, naming the programs that could still write.
    """
    name = request.target.site
    tree = provider.local(name)
    async with tree.lock(provider.context.heartbeat):
        tree.insist_on_epoch(name, request.ref)
        stands = tree.fence
        changed = stands is None or not stands.position
        mine = _may(tree, request, stands)
        _rename(provider, tree, mine)
        fenced = tree.fenced(mine.epoch)
        await _insist_on_quiet(provider, tree, mine)
        found = await copying.threaded(
            provider, "reading what stands", lambda beat: manifest.take(fenced, contents=False, beat=beat)
        )
        position = manifest.position(found)
        tree.write("fence.json", mine.model_copy(update={"position": position}))
    proof = FenceProof(
        component=request.target.name,
        site=name,
        epoch=request.ref.epoch,
        method="the tree was renamed, and no program of its machine has anything in it open for writing",
        proven=True,
        write_probe=Reach.REFUSED,
        position=position,
        at=now(),
        detail=f"{len(found)} entries stand in {fenced}.",
    )
    return StepResult(
        detail=proof.method,
        changed=changed,
        before={"role": "primary"},
        after={"role": "fenced", "folder": str(fenced), "position": position},
        proof=proof,
    )


def _may(tree: Tree, request: StepRequest, stands: Fence | None) -> Fence:
    taken_over = stands and request.adopts is not None and stands.epoch <= request.adopts
    if stands and (stands.belongs_to(request.ref) or taken_over):
        return stands
    if stands or not tree.present or not tree.primary:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The tree at {request.target.site} does not serve{', and another run has fenced it' if stands else ''}.",
            "Look at both sites and plan again.",
        )
    tree.insist_on_folder()
    return Fence(epoch=request.ref.epoch, key=request.ref.key, workflow_id=request.ref.workflow_id)


def _rename(provider: "FilesProvider", tree: Tree, fence: Fence) -> None:
    fenced = tree.fenced(fence.epoch)
    if os.path.lexists(fenced):
        return
    provider.context.still_mine()
    with acting("the fence"):
        # First, so that an undo after a crash in between knows that the renaming was ours.
        tree.write("fence.json", fence)
        tree.path.rename(fenced)
        sync(fenced.parent)


async def _insist_on_quiet(provider: "FilesProvider", tree: Tree, fence: Fence) -> None:
    end = time.monotonic() + provider.settings.quiet_timeout.total_seconds()
    while found := await asyncio.to_thread(users.find, tree.fenced(fence.epoch), provider.settings.trusted_programs):
        if time.monotonic() >= end:
            raise PermanentError(
                Code.FENCE_UNPROVEN,
                f"The tree was renamed, but {'; '.join(map(str, found[:5]))} could still write to it.",
                "Stop them, then retry. What this worker may not see, one that runs as root may; or name in "
                "`trusted_programs` what never writes to the tree.",
            )
        provider.context.heartbeat(f"waiting for {found[0]}")
        await asyncio.sleep(0.1)
    if tree.present:
        raise PermanentError(
            Code.FENCE_UNPROVEN,
            f"Something has appeared at {tree.path} in place of the fenced tree.",
            "Stop what makes it, move it away, then retry.",
        )


async def unfence(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Rename back. Legal only while nobody else serves, so the other sites are asked first."""
    name = request.target.site
    tree = provider.local(name)
    async with tree.lock(provider.context.heartbeat):
        stands = tree.fence
        if stands and stands.epoch > request.ref.epoch:
            raise stale(name, stands.epoch, request.ref.epoch)
        if stands is None or not stands.belongs_to(request.ref):
            return StepResult(detail="No fence of this run stands here.", changed=False)
        await _nobody_else_serves(provider, request)
        fenced = tree.fenced(stands.epoch)
        provider.context.still_mine()
        with acting("the end of the fence"):
            if fenced.exists():
                if tree.present:
                    raise OutcomeUnknownError(
                        f"Something has appeared at {tree.path} in place of the fenced tree.",
                        "Move it away; the next attempt puts the tree back.",
                    )
                fenced.rename(tree.path)
                sync(tree.path.parent)
            # Last, so that an attempt that died before it knows what is left to do.
            tree.forget("fence.json")
    return StepResult(detail="The tree is back.", after={"role": "primary"})


async def _nobody_else_serves(provider: "FilesProvider", request: StepRequest) -> None:
    for other in provider.settings.sites:
        if other == request.target.site:
            continue
        with contextlib.suppress(SeawallError):
            if (await source.look(provider, other)).reach is Reach.SERVING:
                break
    else:
        return
    raise PermanentError(
        Code.PRECONDITION_CHANGED,
        f"The tree at {other} is written to now, so {request.target.site} must stay fenced.",
        "Go forward at the new site; going home is a failback of its own.",
    )


@contextlib.contextmanager
def acting(words: str) -> Iterator[None]:
    """An effect that an error of the machine leaves in doubt."""
    try:
        yield
    except OSError as error:
        raise OutcomeUnknownError(
            f"It is not known whether {words} stands ({error.strerror}).", "Mend that; the next attempt looks first."
        ) from error
