"""Hand the restored set over: each volume hangs in its place, and what hung there is kept beside.

A volume is exchanged only while its instance is stopped: under a running one it could be written to.
"""

from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.tags import pairs, tags
from activities.providers.aws.waiting import until
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import look
from .look import ASIDE, SERVING, Standing
from .restore import Volumes, made
from .settings import EbsSite

if TYPE_CHECKING:
    from .provider import EbsProvider


async def promote(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """Attach what this run (or the one that it takes over) has restored."""
    name = request.target.site
    place, aws = provider.site(name), provider.aws(name, request)
    stands = await look.standing(aws, place)
    restored = await _restored(aws, request, name)
    wanted = {one: volume["VolumeId"] for one, volume in restored.items() if one in place.volumes}
    _fits(place, stands, restored)
    _as_planned(request, stands, wanted)
    provider.context.still_mine()
    before = await provider.register(name, request).claim(stands.facts())
    lacking = [one for one in place.volumes if stands.volumes.get(one) != wanted[one]]
    for one in lacking:
        await _exchange(provider, request, aws, place, one, stands.volumes.get(one), wanted[one])
    after = await until(
        lambda: look.standing(aws, place),
        lambda found: found.volumes == wanted and all(found.attached.values()),
        lambda found: f"{sum(found.attached.values())} of {len(wanted)} volumes are attached",
        provider.context,
        provider.patience,
    )
    await aws.repeatable(
        "ec2", "create_tags", Resources=sorted(wanted.values()), Tags=pairs({SERVING: str(request.ref.epoch)})
    )
    return StepResult(
        detail=f"{len(wanted)} restored volumes hang at their instances in {place.zone}.",
        changed=bool(lacking),
        before=before,
        after=after.facts(),
    )


async def _restored(aws: Aws, request: StepRequest, site: str) -> Volumes:
    marks = tags(request, site)
    found = await made(aws, marks, "application", "component", "site", "epoch")
    if not found and request.adopts is not None:
        earlier = marks | {key: str(request.adopts) for key in marks if key.endswith(":epoch")}
        found = await made(aws, earlier, "application", "component", "site", "epoch")
    return found


def _fits(place: EbsSite, stands: Standing, restored: Volumes) -> None:
    lacking = sorted(place.volumes.keys() - restored.keys())
    if lacking:
        raise PermanentError(
            Code.TARGET_UNFIT, f"Nothing was restored here for {', '.join(lacking)}.", "Restore a recovery point first."
        )
    for name, at in place.volumes.items():
        volume, zone = restored[name], stands.zones.get(at.instance)
        if volume["AvailabilityZone"] != zone:
            raise PermanentError(
                Code.TARGET_UNFIT,
                f"The volume {name} is in {volume['AvailabilityZone']} and its instance {at.instance} in {zone}.",
                "Set `zone` to the zone of the instances, and restore again.",
            )
        hangs = stands.volumes.get(name)
        if hangs not in (None, volume["VolumeId"]) and stands.states.get(at.instance) != "stopped":
            raise PermanentError(
                Code.TARGET_UNFIT,
                f"Another volume hangs at {at.device} of {at.instance}, which is {stands.states.get(at.instance)}.",
                "Stop the instance, then retry: a volume is never taken from a running one.",
            )


def _as_planned(request: StepRequest, stands: Standing, wanted: dict[str, str]) -> None:
    planned = request.before.facts.get("volumes") if request.before else None
    if planned is None:
        return
    strange = [one for one, volume in stands.volumes.items() if volume not in (planned.get(one), wanted.get(one))]
    if strange:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"Other volumes hang there than when the run was planned: {', '.join(strange)}.",
            "Look who exchanged them, and plan again.",
        )


async def _exchange(
    provider: "EbsProvider", request: StepRequest, aws: Aws, place: EbsSite, name: str, old: str | None, new: str
) -> None:
    at = place.volumes[name]
    if old is not None:
        marks = {ASIDE: str(request.ref.epoch)}
        await aws.repeatable("ec2", "create_tags", Resources=[old], Tags=pairs(marks))
        provider.context.still_mine()
        await aws.change("ec2", "detach_volume", VolumeId=old, InstanceId=at.instance, Device=at.device)
        await until(
            lambda: look.standing(aws, place),
            lambda found: name not in found.volumes,
            lambda _: f"{old} is being detached",
            provider.context,
            provider.patience,
        )
    provider.context.still_mine()
    await aws.change("ec2", "attach_volume", VolumeId=new, InstanceId=at.instance, Device=at.device)
