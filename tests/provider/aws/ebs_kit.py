"""What the tests of `aws.ebs` share: a set of volumes in the east, and an instance in the west."""

from pathlib import Path
from typing import Any

from activities.providers.aws.ebs import PROVIDER
from activities.providers.aws.ebs.provider import EbsProvider
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import RecoveryPoint
from workflows.model.runbook import Component

SET = Component.model_validate(
    {
        "role": "data",
        "kind": "aws.ebs",
        "replication": {"mode": "backup", "snapshots": {"every": "1d", "keep": 2, "keep_for": "1ms"}},
    }
)
KEY = f"arn:aws:kms:{WEST}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NAMES = {"data": "/dev/sdf", "log": "/dev/sdg"}


class Disks(AwsSubject):
    """An instance in the east with a set of volumes and one that is not of it; one in the west with nothing."""

    names: tuple[str, ...] = ("data",)
    undoable = False

    def __init__(self, folder: Path, world: World) -> None:
        self.ec2 = {site: world.client("ec2", region) for site, region in ((OLD, EAST), (NEW, WEST))}
        self.instances = {OLD: world.instance(f"{EAST}a"), NEW: world.instance(f"{WEST}a")}
        self.ec2[NEW].stop_instances(InstanceIds=[self.instances[NEW]])
        self.volumes = {name: world.volume(f"{EAST}a") for name in self.names}
        for name, volume in self.volumes.items():
            self.attach(OLD, volume, NAMES[name])
        self.attach(OLD, world.volume(f"{EAST}a"), "/dev/sdh")
        self.images: list[str] = []
        self.planned: Any = None
        super().__init__(folder, world)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        raise AssertionError("It has no undo.")

    def attach(self, site: str, volume: str, device: str) -> None:
        self.ec2[site].attach_volume(VolumeId=volume, InstanceId=self.instances[site], Device=device)

    def provider(self, over_: bool = False, **more: Any) -> EbsProvider:
        sites = {
            site: {
                "region": region,
                "zone": f"{region}a",
                "volumes": {name: {"instance": self.instances[site], "device": NAMES[name]} for name in self.names},
                "size_cap": 10,
            }
            for site, region in ((OLD, EAST), (NEW, WEST))
        }
        sites[NEW]["kms_key"] = KEY
        sites[OLD]["images"] = self.images
        given = {"sites": sites, "read_timeout": "5s", "prune_cap": 20} | more
        return EbsProvider(
            PROVIDER.Settings.model_validate(given), worker(self.folder, over if over_ else lambda: None)
        )

    def asked(self, verb: str, epoch: int = EPOCH, where: str = NEW, **more: Any) -> StepRequest:
        name = f"disks-{self.instances[OLD][-6:]}"
        found = request(where or NEW, f"{name}.{verb}", epoch, SET, **more)
        return found.model_copy(update={"target": found.target.model_copy(update={"name": name})})

    async def taken(self, epoch: int = EPOCH, verb: str = "snapshot") -> RecoveryPoint:
        point = (await self.provider().snapshot(self.asked(verb, epoch))).point
        assert point
        return point

    def snapshots(self, site: str) -> list[Any]:
        wanted = [{"Name": "tag:seawall:component", "Values": [self.asked("any").target.name]}]
        found: list[Any] = self.ec2[site].describe_snapshots(OwnerIds=["self"], Filters=wanted)["Snapshots"]
        return found

    def restored(self) -> list[Any]:
        wanted = [{"Name": "tag:seawall:component", "Values": [self.asked("any").target.name]}]
        found = self.ec2[NEW].describe_volumes(Filters=wanted)["Volumes"]
        return [one for one in found if not any(tag["Key"] == "seawall:abandoned" for tag in one["Tags"])]

    def hangs(self, site: str = NEW) -> dict[str, str]:
        wanted = [{"Name": "attachment.instance-id", "Values": [self.instances[site]]}]
        found = self.ec2[site].describe_volumes(Filters=wanted)["Volumes"]
        at = {one["Attachments"][0]["Device"]: one["VolumeId"] for one in found}
        return {device: volume for device, volume in at.items() if device in NAMES.values()}


class Snapshot(Disks):
    operation = "CreateSnapshots"

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).snapshot(self.asked("snapshot", epoch, where, before=self.planned))

    async def state(self) -> Any:
        return [sorted(one["SnapshotId"] for one in self.snapshots(site)) for site in (OLD, NEW)]

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("disks", NEW, "control")
        self.attach(NEW, self.world.volume(f"{WEST}a"), NAMES["data"])
        self.ec2[NEW].start_instances(InstanceIds=[self.instances[NEW]])


class Restore(Disks):
    operation = "CreateVolume"
    undoable = True
    point: RecoveryPoint

    async def ready(self) -> "Restore":
        self.point = await self.taken()
        self.mark = self.world.mark()
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked("restore", epoch, where, point=self.point, before=self.planned)
        return await self.provider(over).restore(asked)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().discard_restore(self.asked("restore", epoch, undo=True, result=result))

    async def state(self) -> Any:
        return sorted(one["VolumeId"] for one in self.restored()), self.hangs()

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("disks", NEW, "control")
        self.attach(NEW, self.world.volume(f"{WEST}a"), NAMES["data"])
