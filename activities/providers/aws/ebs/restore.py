"""Volumes from a set, in the zone of the site. What hangs there already is left alone: `promote` exchanges it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws, token
from activities.providers.aws.tags import filters, pairs, table, tags
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import look
from .look import ABANDONED, MEMBER, SET
from .sets import whole
from .settings import EbsSite

if TYPE_CHECKING:
    from .provider import EbsProvider

Volumes = dict[str, dict[str, Any]]


async def restore(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """One volume of each snapshot of `request.point`."""
    if request.point is None:
        raise PermanentError(Code.INVALID_INPUT, "No recovery point was given.", "Choose one first.")
    name = request.target.site
    place, aws = provider.site(name), provider.aws(name, request)
    found = await whole(aws, request, place, request.point.name)
    provider.within("GiB", sum(found.members[one].size for one in place.volumes), place.size_cap)
    marks = tags(request, name)
    there = await made(aws, marks)
    await _as_planned(request, place, aws)
    provider.context.still_mine()
    await provider.register(name, request).claim({"set": found.name})
    lacking = [one for one in place.volumes if one not in there]
    for one in lacking:
        provider.context.still_mine()
        await aws.change(
            "ec2",
            "create_volume",
            AvailabilityZone=place.zone,
            SnapshotId=found.members[one].id,
            VolumeType=place.volume_type,
            ClientToken=token(request.ref, one),
            TagSpecifications=[
                {"ResourceType": "volume", "Tags": pairs(marks | {MEMBER: one, SET: found.name})},
            ],
            **({"Encrypted": True, "KmsKeyId": place.kms_key} if place.kms_key else {}),
        )
    stand = await until(
        lambda: made(aws, marks),
        lambda volumes: all(one in volumes and volumes[one]["State"] == "available" for one in place.volumes),
        lambda volumes: f"{len(volumes)} of {len(place.volumes)} volumes are made",
        provider.context,
        provider.patience,
    )
    return StepResult(
        detail=f"{len(stand)} volumes of {found.name} are in {place.zone}, ready to be attached.",
        changed=bool(lacking),
        after={"volumes": {one: stand[one]["VolumeId"] for one in place.volumes}, "images": found.images},
        point=request.point,
    )


async def _as_planned(request: StepRequest, place: EbsSite, aws: Aws) -> None:
    planned = request.before.facts.get("volumes") if request.before else None
    if planned is None:
        return
    hangs = (await look.standing(aws, place)).volumes
    if hangs != planned:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"Other volumes hang at {request.target.site} than when the run was planned.",
            "Look who exchanged them, and plan again.",
        )


async def made(aws: Aws, marks: Mapping[str, str], *names: str) -> Volumes:
    """What a step (by default this very one) has restored and not abandoned, by the names of the volumes."""
    wanted = filters(marks, *(names or ("application", "component", "site", "run", "step", "epoch")))
    found: Volumes = {}
    for volume in await aws.pages("ec2", "describe_volumes", "Volumes", Filters=wanted):
        marked = table(volume.get("Tags"))
        if MEMBER in marked and ABANDONED not in marked and volume["State"] in ("creating", "available", "in-use"):
            found[marked[MEMBER]] = volume
    return found


async def discard(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """Mark what this run's restore has made as abandoned; `prune` removes it."""
    name = request.target.site
    aws = provider.aws(name, request)
    if await provider.register(name, request).noted() is None:
        return StepResult(detail="This run restored nothing here.", changed=False)
    there = await made(aws, tags(request, name))
    if not there:
        return StepResult(detail="What was restored here is marked already.", changed=False)
    if attached := [one for one, volume in there.items() if volume["Attachments"]]:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"What was restored hangs at an instance already ({', '.join(attached)}), so it is not thrown away.",
            "Go forward at this site.",
        )
    provider.context.still_mine()
    await aws.repeatable(
        "ec2",
        "create_tags",
        Resources=[volume["VolumeId"] for volume in there.values()],
        Tags=pairs({ABANDONED: now().isoformat()}),
    )
    return StepResult(detail=f"{len(there)} restored volumes are marked as abandoned.")
