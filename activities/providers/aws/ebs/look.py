"""What hangs where, and which snapshots there are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.tags import PREFIX, filters, table
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError

from .settings import EbsSite

SET, MEMBER, TAKEN, SIZE = f"{PREFIX}set", f"{PREFIX}member", f"{PREFIX}taken", f"{PREFIX}size"
CALL, IMAGES = f"{PREFIX}call", f"{PREFIX}images"
ABANDONED, ASIDE, SERVING = f"{PREFIX}abandoned", f"{PREFIX}aside", f"{PREFIX}serving"


class Standing(Strict):
    """The set as it hangs at a site."""

    volumes: dict[str, str]
    """Ids of the volumes, by the names of the runbook; what does not hang is left out."""
    attached: dict[str, bool]
    """Whether each is attached wholly, and is neither coming nor going."""
    sizes: dict[str, int]
    """GiB."""
    others: dict[str, tuple[str, ...]]
    """By instance: data volumes that are not of the set."""
    states: dict[str, str]
    """Of the instances."""
    zones: dict[str, str]

    @property
    def in_use(self) -> bool:
        """Whether a program may write to one of them now."""
        return any(state not in ("stopped", "terminated") for state in self.states.values()) and bool(self.volumes)

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return {"volumes": self.volumes, "states": self.states, "gib": sum(self.sizes.values())}


class Copy(Strict):
    """One snapshot."""

    id: str
    volume: str
    """Of which it was taken. Means nothing for a copy from another region (CopySnapshot's documentation)."""
    state: str
    progress: int
    """Percent."""
    size: int
    """GiB."""
    encrypted: bool
    started: datetime
    tags: dict[str, str]

    @property
    def done(self) -> bool:
        """Whether it can be copied and restored."""
        return self.state == "completed"


async def standing(aws: Aws, place: EbsSite) -> Standing:
    """What hangs at the site's instances, in two calls.

    Raises:
        Refused: NOT_FOUND, when an instance does not exist.
    """
    reservations = await aws.pages("ec2", "describe_instances", "Reservations", InstanceIds=place.instances)
    instances = {one["InstanceId"]: one for listed in reservations for one in listed["Instances"]}
    wanted = [{"Name": "attachment.instance-id", "Values": place.instances}]
    hanging: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}
    for volume in await aws.pages("ec2", "describe_volumes", "Volumes", Filters=wanted):
        for attachment in volume["Attachments"]:
            hanging[attachment["InstanceId"], attachment["Device"]] = volume, attachment["State"]
    found = {
        name: hanging[at.instance, at.device]
        for name, at in place.volumes.items()
        if (at.instance, at.device) in hanging
    }
    ours = {(at.instance, at.device) for at in place.volumes.values()}
    roots = {(name, one.get("RootDeviceName", "")) for name, one in instances.items()}
    spare = {at: volume["VolumeId"] for at, (volume, _) in hanging.items() if at not in ours | roots}
    return Standing(
        volumes={name: volume["VolumeId"] for name, (volume, _) in found.items()},
        attached={name: state == "attached" for name, (_, state) in found.items()},
        sizes={name: volume["Size"] for name, (volume, _) in found.items()},
        others={name: tuple(sorted(spare[at] for at in spare if at[0] == name)) for name in place.instances},
        states={name: one["State"]["Name"] for name, one in instances.items()},
        zones={name: one["Placement"]["AvailabilityZone"] for name, one in instances.items()},
    )


async def copies(aws: Aws, marks: Mapping[str, str], *names: str, **exactly: str) -> list[Copy]:
    """Snapshots of ours in the region, without those that failed.

    Args:
        aws: the region.
        marks: the tags of the step.
        names: which of them a snapshot must carry.
        exactly: further tags, by their names without the prefix.
    """
    more = [{"Name": f"tag:{PREFIX}{name}", "Values": [value]} for name, value in exactly.items()]
    found = await aws.pages(
        "ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=[*filters(marks, *names), *more]
    )
    return [_copy(one) for one in found if one["State"] not in ("error", "recoverable", "recovering")]


def _copy(found: Mapping[str, Any]) -> Copy:
    return Copy(
        id=found["SnapshotId"],
        volume=found.get("VolumeId", ""),
        state=found["State"],
        progress=int(str(found.get("Progress") or "0").rstrip("%") or 0),
        size=found["VolumeSize"],
        encrypted=found["Encrypted"],
        started=found["StartTime"],
        tags=table(found.get("Tags")),
    )


def progress(found: Sequence[Copy], wanted: int, what: str) -> str:
    """In words: `2 of 3 copies are completed, the slowest at 40 %`."""
    done, slowest = sum(one.done for one in found), min((one.progress for one in found), default=0)
    return f"{done} of {wanted} {what} are completed, the slowest at {slowest} %"


def insist_on_all(place: EbsSite, stands: Standing) -> None:
    """Every volume of the set hangs where the runbook says. PermanentError(TARGET_UNFIT), naming those that do not."""
    lacking = sorted(place.volumes.keys() - stands.volumes.keys())
    if lacking:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"In {place.region} nothing hangs where the runbook says: {', '.join(lacking)}.",
            "Compare `volumes` in the runbook with the instances' block devices.",
        )
