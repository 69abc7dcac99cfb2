"""Catch up, and the pivot: the replication ends, and the copy can be written to."""

from typing import TYPE_CHECKING

from activities.providers.aws.landed import landed
from activities.providers.aws.waiting import until
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.plan import Mode

from . import fence
from .look import Look, as_planned

if TYPE_CHECKING:
    from .provider import EfsProvider


async def catch_up(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """Planned: wait until all that was written before the proof of the fence is in the copy, as EFS tells it. Unplanned
    there is nobody to receive from."""
    site, source = request.target.site, request.target.source
    fenced = next((one for one in request.proofs if one.proven and one.site == source), None)
    if request.mode is not Mode.PLANNED or fenced is None:
        return StepResult(detail="There is nobody to receive from; what has arrived is here.", changed=False)
    _follows(provider, request, await provider.look(site, request))
    found = await until(
        lambda: provider.look(site, request),
        lambda one: bool(one.replication and one.replication.last and one.replication.last > fenced.at),
        lambda one: f"the copy is as of {one.facts()['last_replicated']}, the fence of {fenced.at:%H:%M:%S} UTC",
        provider.context,
        provider.settings.follows_within.total_seconds(),
    )
    last = found.facts()["last_replicated"]
    return StepResult(
        detail=f"{found.it.id} holds all that was written before {last}, which is behind the fence.",
        changed=False,
        after={"last_replicated": last},
    )


def _follows(provider: "EfsProvider", request: StepRequest, stands: Look) -> None:
    source = provider.site(request.target.source).file_system
    if not stands.follows or stands.replication is None or stands.replication.source != source:
        raise PermanentError(
            Code.PROMOTE_REFUSED,
            f"{stands.it.id} is no copy of {source}: {fence.reach_of(stands)[1]}",
            "Look at the replication of both file systems in EFS.",
        )


async def promote(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """End the replication, let clients in, and read both back.

    It is asked for in the region of the copy, where it works without the other one.
    """
    site = request.target.site
    aws, stands = provider.aws(site, request), await provider.look(site, request)
    if await provider.register(site, request).noted() is None:
        as_planned(request, stands)
        _follows(provider, request, stands)
        _whole(stands)
    before = await provider.claim(request, stands)
    ends = stands.replication if stands.follows else None
    changed = ends is not None and ends.status != "DELETING"
    if ends and changed:
        local = request.mode is not Mode.PLANNED and provider.settings.deletion == "local"
        mode = "LOCAL_CONFIGURATION_ONLY" if local else "ALL_CONFIGURATIONS"
        provider.context.still_mine()
        await aws.change("efs", "delete_replication_configuration", SourceFileSystemId=ends.source, DeletionMode=mode)
    with landed("The replication was deleted"):
        found = await until(
            lambda: provider.look(site, request),
            lambda one: one.role != "standby" and one.it.state == "available",
            lambda one: fence.reach_of(one)[1],
            provider.context,
            provider.patience,
        )
        if await fence.open_up(provider, request, found, found.policy.fences):
            found, changed = await provider.look(site, request), True
    return StepResult(
        detail=f"{found.it.id} in {aws.region} is {found.it.state}, and can be written to.",
        changed=changed,
        before=before,
        after=found.facts(),
    )


def _whole(stands: Look) -> None:
    """A first copy that is not whole holds a part of the files, and nobody could tell which."""
    if stands.replication is None or stands.replication.last is None:
        raise PermanentError(
            Code.PROMOTE_REFUSED,
            f"The first copy to {stands.it.id} was never whole, so that files would be missing.",
            "Wait until EFS tells a time of the last sync, or restore a backup by hand.",
        )
