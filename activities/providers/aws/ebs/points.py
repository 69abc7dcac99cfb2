"""What can be restored at a site, and what of it is kept."""

from datetime import datetime
from typing import TYPE_CHECKING

from activities.providers.aws import storage_points
from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.tags import filters, table, tags
from activities.providers.base import now
from workflows.model.failure import Code, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import RecoveryPoint
from workflows.model.runbook import Snapshots

from .look import ABANDONED, MEMBER, SET, Copy, copies
from .sets import StoredSet, grouped, stored
from .settings import EbsSite

if TYPE_CHECKING:
    from .provider import EbsProvider


def _judged(
    request: StepRequest, place: EbsSite, found: list[StoredSet]
) -> tuple[list[RecoveryPoint], dict[str, StoredSet]]:
    """Points of the whole sets, and the others with their names."""
    broken = {f"{one.name} ({flaw})": one for one in found if (flaw := one.flaw(place))}
    names = {one.name for one in broken.values()}
    return [one.point(request, place) for one in found if one.name not in names], broken


async def list_points(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """Every whole set; those that are not are named."""
    place = provider.site(request.target.site)
    points, broken = _judged(request, place, await stored(provider.aws(request.target.site, request), request))
    return storage_points.listed(points, tuple(broken))


async def choose(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """The newest whole set, or what `request.choice` says."""
    place = provider.site(request.target.site)
    points, broken = _judged(request, place, await stored(provider.aws(request.target.site, request), request))
    return storage_points.chosen(request, points, tuple(broken))


async def prune(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """Remove sets that the retention no longer wants with their images, the snapshots at the other site of which they
    were copied, and volumes that were abandoned as long ago."""
    replication = request.target.component.replication
    rule = replication.snapshots if replication else None
    if rule is None:
        return StepResult(detail="The runbook keeps no snapshots; nothing to remove.", changed=False)
    name = request.target.site
    aws, at = provider.aws(name, request), now()
    every = await copies(aws, tags(request, name), "application", "component")
    going, kept = _going(request, provider.site(name), every, rule, at)
    volumes = await _abandoned(aws, request, name, at, rule)
    other, left, told = await _originals(provider, request, kept, rule, at)
    provider.within("snapshots and volumes", len(going) + len(volumes) + len(left), provider.settings.prune_cap)
    provider.context.still_mine()
    await provider.register(name, request).claim({"snapshots": len(going), "volumes": len(volumes)})
    images = sorted({new for one in grouped(going) for new in one.images.values()})
    removed = [one.id for one in going] + [one.id for one in left]
    for region, snapshots in ((aws, going), (other, left)):
        for one in snapshots:
            provider.context.still_mine()
            provider.context.heartbeat(f"removing {one.id}")
            await _delete_snapshot(region, one.id)
    for volume in volumes:
        provider.context.still_mine()
        await _delete_volume(aws, volume)
    for image in images:
        provider.context.still_mine()
        await _deregister(aws, image)
    return StepResult(
        detail=f"{len(removed)} snapshots and {len(volumes)} volumes removed, {len(kept)} sets kept.{told}",
        changed=bool(removed or volumes),
        after={"removed": removed, "volumes": volumes, "images": images, "kept": sorted(kept)},
    )


def _going(
    request: StepRequest, place: EbsSite, every: list[Copy], rule: Snapshots, at: datetime
) -> tuple[list[Copy], set[str]]:
    """Snapshots to be removed at the site, and the names of the sets that stay. What is not whole is younger than
    `keep_for`, or is not gone on with any more."""
    found = grouped(every)
    points, broken = _judged(request, place, found)
    gone = {point.name for point in storage_points.unwanted(points, rule, at)}
    gone |= {one.name for one in broken.values() if at - one.taken > rule.keep_for}
    return (
        [one for one in every if MEMBER in one.tags and one.tags.get(SET) in gone],
        {one.name for one in found} - gone,
    )


async def _originals(
    provider: "EbsProvider", request: StepRequest, kept: set[str], rule: Snapshots, at: datetime
) -> tuple[Aws, list[Copy], str]:
    """At the other site: the snapshots of which no kept set was copied. The newest set stays, since the next copy sends
    only what changed since then. A region that does not answer is left for another time."""
    target = request.target
    other = target.source if target.site == target.target else target.target
    aws = provider.aws(other, request)
    if other == target.site:
        return aws, [], ""
    try:
        every = await copies(aws, tags(request, other), "application", "component")
    except TemporaryError as error:
        return aws, [], f" At {other} nothing was removed: {error.sentence}"
    every = [one for one in every if MEMBER not in one.tags and SET in one.tags]
    newest = max(every, key=lambda one: one.started, default=None)
    stays = kept | ({newest.tags[SET]} if newest else set())
    return aws, [one for one in every if one.tags[SET] not in stays and at - one.started > rule.keep_for], ""


async def _abandoned(aws: Aws, request: StepRequest, site: str, at: datetime, rule: Snapshots) -> list[str]:
    wanted = [
        *filters(tags(request, site), "application", "component", "site"),
        {"Name": "tag-key", "Values": [ABANDONED]},
        {"Name": "status", "Values": ["available"]},
    ]
    found = await aws.pages("ec2", "describe_volumes", "Volumes", Filters=wanted)
    since = {one["VolumeId"]: table(one.get("Tags"))[ABANDONED] for one in found}
    return [one for one, when in since.items() if at - datetime.fromisoformat(when) > rule.keep_for]


async def _delete_snapshot(aws: Aws, name: str) -> None:
    try:
        await aws.change("ec2", "delete_snapshot", SnapshotId=name)
    except Refused as error:
        # An image that was made of it holds it: it goes with the image.
        if error.code is not Code.NOT_FOUND and error.reason != "InvalidSnapshot.InUse":
            raise


async def _deregister(aws: Aws, name: str) -> None:
    try:
        await aws.change("ec2", "deregister_image", ImageId=name, DeleteAssociatedSnapshots=True)
    except Refused as error:
        # `InvalidAMIID.Unavailable` is said of one that is deregistered already.
        if error.code is not Code.NOT_FOUND and error.reason != "InvalidAMIID.Unavailable":
            raise


async def _delete_volume(aws: Aws, name: str) -> None:
    try:
        await aws.change("ec2", "delete_volume", VolumeId=name)
    except Refused as error:
        if error.code is not Code.NOT_FOUND:
            raise
