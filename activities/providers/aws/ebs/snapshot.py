"""Take the set, and copy it to the other region.

CreateSnapshots makes one crash-consistent set of one instance; CopySnapshot brings each to the other region, where only
blocks that changed since the last copy under the same key are sent. Neither takes a token. Both are made once by their
tags: an attempt that finds what an earlier one has left goes on with it. As EC2 is eventually consistent, a shot whose
answer was lost can be overlooked and taken again. Each shot therefore has a name of its own, and a set is never mixed
of two.
"""

import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from activities.providers.aws.calls import Aws, token
from activities.providers.aws.tags import pairs, tags
from activities.providers.aws.waiting import until
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Reach

from . import look
from .look import CALL, IMAGES, MEMBER, SET, SIZE, TAKEN, Copy, Standing
from .sets import StoredSet, grouped, set_name, stored
from .settings import EbsSite

if TYPE_CHECKING:
    from .provider import EbsProvider


async def take(provider: "EbsProvider", request: StepRequest, origin: str, into: str) -> StepResult:
    """A whole set of the volumes at `origin`, in the region of `into`."""
    name, started = set_name(request), time.monotonic()
    source, target = provider.site(origin), provider.site(into)
    here = provider.aws(into, request)
    found = next(iter(await stored(here, request, name)), None)
    if found and not found.flaw(target):
        await _claim(provider, request, into, name)
        return _told(request, target, found, changed=False, seconds=0.0)
    stands = await look.standing(provider.aws(origin, request), source)
    await _fits(provider, request, source, target, into, stands)
    await _claim(provider, request, into, name)
    shots = await _shoot(provider, request, origin, stands)
    images = await _copy_images(provider, request, origin, into)
    made = await _copy(provider, request, into, origin, shots, images)
    return _told(request, target, made, changed=True, seconds=time.monotonic() - started)


def _told(request: StepRequest, target: EbsSite, found: StoredSet, changed: bool, seconds: float) -> StepResult:
    point = found.point(request, target)
    return StepResult(
        detail=f"{point.name}: {point.proof}; in {in_words(seconds)}.",
        changed=changed,
        after={
            "name": found.name,
            "snapshots": {name: copy.id for name, copy in found.members.items()},
            "images": found.images,
            "size": point.size,
        },
        point=point,
    )


async def _claim(provider: "EbsProvider", request: StepRequest, into: str, name: str) -> None:
    provider.context.still_mine()
    await provider.register(into, request).claim({"set": name})


async def _fits(
    provider: "EbsProvider", request: StepRequest, source: EbsSite, target: EbsSite, into: str, stands: Standing
) -> None:
    if source is target:
        raise PermanentError(
            Code.CONFIGURATION, "A set is copied to another site, never to its own.", "Check the sites of this run."
        )
    look.insist_on_all(source, stands)
    provider.within("GiB", sum(stands.sizes.values()), min(source.size_cap, target.size_cap))
    if request.before is None or request.before.reach is Reach.SERVING:
        return
    if (await look.standing(provider.aws(into, request), target)).in_use:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The volumes at {into} are in use now, and were not when the run was planned.",
            "Find out which site serves, and plan again: a copy must not come from the wrong one.",
        )


# --- The moment ---


async def _shoot(provider: "EbsProvider", request: StepRequest, origin: str, stands: Standing) -> dict[str, Copy]:
    """One snapshot of each volume, all of an instance taken at one moment, and all of them completed."""
    aws, place = provider.aws(origin, request), provider.site(origin)
    marks = tags(request, origin) | {SET: set_name(request)}
    by_instance: dict[str, set[str]] = defaultdict(set)
    for name, at in place.volumes.items():
        by_instance[at.instance].add(stands.volumes[name])

    async def taken() -> dict[str, Copy]:
        found = await look.copies(aws, marks, "application", "component", set=marks[SET])
        return _of_one_moment(found, by_instance)

    known = await taken()
    for instance, volumes in by_instance.items():
        if not volumes <= known.keys():
            provider.context.still_mine()
            await _create(aws, request, instance, stands, marks | {CALL: f"{instance}:{uuid.uuid4().hex[:12]}"})
    every = set().union(*by_instance.values())
    known = await until(
        taken,
        lambda found: every <= found.keys() and all(one.done for one in found.values()),
        lambda found: look.progress(list(found.values()), len(every), "snapshots"),
        provider.context,
        provider.patience,
    )
    return {name: known[stands.volumes[name]] for name in place.volumes}


def _of_one_moment(found: list[Copy], by_instance: dict[str, set[str]]) -> dict[str, Copy]:
    """Snapshots by volume: for each instance those of its earliest shot that is whole."""
    shots: dict[str, dict[str, Copy]] = defaultdict(dict)
    for one in sorted(found, key=lambda copy: copy.started):
        if MEMBER not in one.tags:
            shots[one.tags.get(CALL, "")][one.volume] = one
    taken: dict[str, Copy] = {}
    for instance, volumes in by_instance.items():
        for call, shot in shots.items():
            if call.split(":")[0] == instance and volumes <= shot.keys():
                taken |= {volume: shot[volume] for volume in volumes}
                break
    return taken


async def _create(aws: Aws, request: StepRequest, instance: str, stands: Standing, marks: dict[str, str]) -> None:
    others = stands.others.get(instance, ())
    excluded: dict[str, Any] = {"ExcludeDataVolumeIds": list(others)} if others else {}
    await aws.change(
        "ec2",
        "create_snapshots",
        InstanceSpecification={"InstanceId": instance, "ExcludeBootVolume": True, **excluded},
        Description=f"Seawall: {request.target.name}, {marks[SET]}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": pairs(marks)}],
    )


# --- The other region ---


async def _copy(
    provider: "EbsProvider",
    request: StepRequest,
    into: str,
    origin: str,
    shots: dict[str, Copy],
    images: dict[str, str],
) -> StoredSet:
    aws, target, region = provider.aws(into, request), provider.site(into), provider.site(origin).region
    marks = tags(request, into) | {SET: set_name(request)}
    if images:
        marks[IMAGES] = ",".join(f"{old}={new}" for old, new in images.items())

    async def copied() -> StoredSet:
        found = await look.copies(aws, marks, "application", "component", set=marks[SET])
        ours = [one for one in found if one.tags.get(CALL) in {shot.tags[CALL] for shot in shots.values()}]
        return next(iter(grouped(ours)), StoredSet(marks[SET], {}))

    known = await copied()
    for name, shot in shots.items():
        if name in known.members:
            continue
        provider.context.still_mine()
        mine = {MEMBER: name, SIZE: str(shot.size), TAKEN: shot.started.isoformat(), CALL: shot.tags[CALL]}
        await aws.change(
            "ec2",
            "copy_snapshot",
            SourceRegion=region,
            SourceSnapshotId=shot.id,
            Description=f"Seawall: {name} of {request.target.name}, {marks[SET]}",
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": pairs(marks | mine)}],
            **({"Encrypted": True, "KmsKeyId": target.kms_key} if target.kms_key else {}),
        )
    made = await until(
        copied,
        lambda found: shots.keys() <= found.members.keys() and all(one.done for one in found.members.values()),
        lambda found: look.progress(list(found.members.values()), len(shots), "copies"),
        provider.context,
        provider.patience,
    )
    if flaw := made.flaw(target):
        raise PermanentError(
            Code.INCONSISTENT, f"The set {made.name} arrived otherwise than it left: {flaw}.", "Look at it in AWS."
        )
    return made


async def _copy_images(provider: "EbsProvider", request: StepRequest, origin: str, into: str) -> dict[str, str]:
    """The images of `origin`, copied. An image's name is its own in a region, so that it is found again by it."""
    source, target, aws = provider.site(origin), provider.site(into), provider.aws(into, request)
    names = {f"{set_name(request)}-{image}": image for image in source.images}
    if not names:
        return {}

    async def copied() -> dict[str, tuple[str, str]]:
        wanted = [{"Name": "name", "Values": list(names)}]
        found = await aws.pages("ec2", "describe_images", "Images", Owners=["self"], Filters=wanted)
        return {one["Name"]: (one["ImageId"], one["State"]) for one in found}

    known = await copied()
    for name, image in names.items():
        if name in known:
            continue
        provider.context.still_mine()
        await aws.change(
            "ec2",
            "copy_image",
            Name=name,
            SourceImageId=image,
            SourceRegion=source.region,
            ClientToken=token(request.ref, image),
            TagSpecifications=[
                {"ResourceType": kind, "Tags": pairs(tags(request, into))} for kind in ("image", "snapshot")
            ],
            **({"Encrypted": True, "KmsKeyId": target.kms_key} if target.kms_key else {}),
        )
    made = await until(
        copied,
        lambda found: names.keys() <= found.keys() and all(state == "available" for _, state in found.values()),
        lambda found: f"{sum(s == 'available' for _, s in found.values())} of {len(names)} images are copied",
        provider.context,
        provider.patience,
    )
    return {image: made[name][0] for name, image in names.items()}
