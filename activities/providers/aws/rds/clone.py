"""The clone of a drill: the newest snapshot, restored beside production, in a network of its own.

The bubble of a drill fences processes; what fences an RDS clone are the subnet group and the security groups that the
runbook names for drills. It carries the drill's end in its tags, and a prune removes it after that.
"""

from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.landed import landed
from activities.providers.aws.tags import PREFIX, pairs, tags
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Bubble, StepRequest, StepResult

from . import database, names, points
from .snapshot import VERIFIED, Snapshot

if TYPE_CHECKING:
    from .provider import RdsProvider


async def clone(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Restore a snapshot as the bubble's instance, and note on the snapshot that it can be restored."""
    site = request.target.site
    place, aws, bubble = provider.site(site), provider.aws(site, request), _bubble(request)
    if place.drill_subnet_group is None:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{place.instance} has no network for drills at {site}.",
            "Set `drill_subnet_group` and `drill_security_groups`, or `drill: {simulate: true}`.",
        )
    name = database.name_of(place.instance, bubble.name)
    stands = await database.look(aws, name)
    if stands is not None and stands.tags.get(f"{PREFIX}bubble") != bubble.name:
        raise names.taken(name)
    chosen = await _chosen(provider, request)
    before = await provider.claim(request, stands)
    if stands is None:
        await _make(provider, request, aws, chosen.name, name)
    with landed(f"{name} was restored"):
        found = await names.available(provider, aws, name)
        verified = {VERIFIED: now().isoformat(timespec="seconds")}
        await aws.repeatable("rds", "add_tags_to_resource", ResourceName=chosen.arn, Tags=pairs(verified))
    return StepResult(
        detail=f"{found.name} in {place.region} is {chosen.name}, and lives until {bubble.expires:%H:%M} UTC.",
        changed=stands is None,
        before=before,
        after={"instance": found.name, "snapshot": chosen.name},
    )


async def ready(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """A restored instance accepts writes: there is nothing to promote."""
    site = request.target.site
    aws = provider.aws(site, request)
    name = database.name_of(provider.site(site).instance, _bubble(request).name)
    await database.insist(aws, name)
    found = await names.available(provider, aws, name)
    return StepResult(detail=f"The clone {name} is {found.status}.", changed=False, after=found.facts())


def _bubble(request: StepRequest) -> Bubble:
    if request.target.bubble is None:
        raise PermanentError(Code.INVALID_INPUT, "A clone is made in the bubble of a drill only.", "Start a drill.")
    return request.target.bubble


async def _chosen(provider: "RdsProvider", request: StepRequest) -> Snapshot:
    """The snapshot that was chosen; for the end of a stream the newest one, since RDS clones no replica."""
    kept = await points.kept(provider, request, request.target.site)
    wanted = request.point.name if request.point and request.point.kind == "snapshot" else ""
    found = next((one for one in kept if wanted in ("", one.name)), None)
    if found is None:
        raise PermanentError(
            Code.NOT_FOUND,
            f"There is no snapshot {wanted or 'at all'} of {request.target.name} at {request.target.site}.",
            "Give the runbook `replication.snapshots`, and wait for the first copy.",
        )
    return found


async def _make(provider: "RdsProvider", request: StepRequest, aws: Aws, snapshot: str, name: str) -> None:
    site = request.target.site
    place = provider.site(site)
    provider.context.still_mine()
    await aws.change(
        "rds",
        "restore_db_instance_from_db_snapshot",
        DBInstanceIdentifier=name,
        DBSnapshotIdentifier=snapshot,
        DBInstanceClass=place.instance_class,
        DBSubnetGroupName=place.drill_subnet_group,
        VpcSecurityGroupIds=list(place.drill_security_groups or ()),
        PubliclyAccessible=False,
        Tags=pairs(tags(request, site)),
        **({"DBParameterGroupName": place.parameter_group} if place.parameter_group else {}),
    )
