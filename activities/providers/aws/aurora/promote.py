"""The pivot: the writer moves, by a switchover when the old region takes part, by a failover when it is lost."""

from typing import TYPE_CHECKING

from activities.providers.aws.errors import Refused
from activities.providers.aws.landed import landed
from activities.providers.aws.waiting import until
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.plan import Mode

from . import fence, topology
from .topology import Look

if TYPE_CHECKING:
    from .provider import AuroraProvider


async def promote(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """Make the cluster of `target.site` the writer, let the application in, and read both back."""
    site = request.target.site
    place, stands = provider.site(site), await provider.look(site, request)
    _fits(stands)
    again = await provider.register(site, request).noted() is not None
    if not again:
        topology.as_planned(request, stands)
    before = await provider.claim(request, stands)
    changed = not stands.writes and stands.topology.moving_to != stands.cluster.arn
    if changed:
        changed = await _move(provider, request, stands, again)
    with landed("The writer was moved"):
        found = await _writing(provider, request)
        if found.cluster.isolated_by(place.isolation_group):
            await fence.set_groups(provider, request, found, place.security_groups)
            found, changed = await _writing(provider, request), True
    return StepResult(
        detail=f"{found.cluster.name} in {place.region} is the writer, {found.cluster.status}, and can be reached.",
        changed=changed,
        before=before,
        after=found.facts(),
    )


def _fits(stands: Look) -> None:
    if stands.member is None:
        raise PermanentError(
            Code.PROMOTE_REFUSED,
            f"{stands.cluster.name} is no part of the global database.",
            "Look who detached it; a cluster of its own accepts writes already.",
        )
    if not stands.cluster.instances:
        raise PermanentError(
            Code.PROMOTE_REFUSED,
            f"{stands.cluster.name} has no instance, so nobody would be served.",
            "Add an instance to it, then retry.",
        )


async def _move(provider: "AuroraProvider", request: StepRequest, stands: Look, again: bool) -> bool:
    """Whether it was this attempt that asked for it. A switchover is asked for where the writer is; a failover where it
    is to be ("Using switchover or failover in Amazon Aurora Global Database", Aurora user guide)."""
    named = {
        "GlobalClusterIdentifier": provider.settings.global_cluster,
        "TargetDbClusterIdentifier": stands.cluster.arn,
    }
    try:
        if request.mode is Mode.PLANNED:
            there = provider.aws(request.target.source, request)
            provider.context.still_mine()
            await there.change("rds", "switchover_global_cluster", **named)
        else:
            here = provider.aws(request.target.site, request)
            provider.context.still_mine()
            await here.change("rds", "failover_global_cluster", **named, AllowDataLoss=True)
    except Refused as error:
        if not (again and error.reason in ("InvalidGlobalClusterStateFault", "InvalidDBClusterStateFault")):
            raise
        return False  # An earlier attempt's move is under way, and did not show yet.
    return True


async def _writing(provider: "AuroraProvider", request: StepRequest) -> Look:
    site = request.target.site

    async def seen() -> Look:
        return await provider.look(site, request)

    return await until(
        seen,
        lambda one: one.writes and one.topology.moving_to is None and one.cluster.status == "available",
        lambda one: f"{one.cluster.name} is {one.cluster.status}" + ("" if one.writes else ", not yet the writer"),
        provider.context,
        provider.patience,
    )
