"""The kind `aws.ebs`, against the simulator: a set is restored and handed over."""

from pathlib import Path

import pytest

from infra.awssim.faults import Kind, Rule
from tests.awssim.world import WEST, World
from tests.provider.aws.ebs_kit import NAMES, Restore
from tests.provider.aws.kit import AwsConformance
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepResult
from workflows.model.observed import Reach


class TestRestore(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Restore:
        return await Restore(tmp_path, world).ready()

    async def test_what_is_restored_is_encrypted_and_in_the_zone(self, subject: Restore) -> None:
        await subject.do()
        (found,) = subject.restored()
        assert (found["Encrypted"], found["AvailabilityZone"], found["Size"]) == (True, f"{WEST}a", 1)
        assert subject.hangs() == {}


class Promote(Restore):
    operation = "AttachVolume"
    undoable = False

    async def ready(self) -> "Promote":
        await super().ready()
        await self.provider().restore(self.asked("restore", point=self.point))
        self.mark = self.world.mark()
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked("promote", epoch, where, before=self.planned)
        if epoch != EPOCH:
            # Of a run that has restored something too: only the register tells it that it is late.
            await self._restored_under(epoch)
        return await self.provider(over).promote(asked)

    async def _restored_under(self, epoch: int) -> None:
        tags = [{"Key": "seawall:epoch", "Value": str(epoch)}]
        self.ec2[NEW].create_tags(Resources=[one["VolumeId"] for one in self.restored()], Tags=tags)


class TestPromote(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Promote:
        return await Promote(tmp_path, world).ready()

    async def test_what_hung_there_is_kept_beside(self, subject: Promote) -> None:
        old = subject.world.volume(f"{WEST}a")
        subject.attach(NEW, old, NAMES["data"])
        await subject.do()
        assert subject.hangs() == {NAMES["data"]: subject.restored()[0]["VolumeId"]}
        (kept,) = subject.ec2[NEW].describe_volumes(VolumeIds=[old])["Volumes"]
        assert (kept["State"], kept["Tags"]) == ("available", [{"Key": "seawall:aside", "Value": str(EPOCH)}])

    async def test_a_volume_is_never_taken_from_a_running_instance(self, subject: Promote) -> None:
        subject.attach(NEW, subject.world.volume(f"{WEST}a"), NAMES["data"])
        subject.ec2[NEW].start_instances(InstanceIds=[subject.instances[NEW]])
        before = await subject.state()
        with pytest.raises(PermanentError, match="which is running") as caught:
            await subject.do()
        assert (caught.value.code, await subject.state()) == (Code.TARGET_UNFIT, before)

    async def test_what_was_promoted_is_not_thrown_away(self, subject: Promote) -> None:
        await subject.do()
        with pytest.raises(PermanentError) as caught:
            await subject.undo()
        assert caught.value.code is Code.ROLE_MISMATCH

    async def test_it_serves_when_its_instance_runs(self, subject: Promote) -> None:
        await subject.do()
        assert await subject.provider().probe_write(NEW) is Reach.STANDBY
        subject.ec2[NEW].start_instances(InstanceIds=[subject.instances[NEW]])
        assert await subject.provider().probe_write(NEW) is Reach.SERVING
        async with subject.met_by(Rule(kind=Kind.REGION_GONE, region=WEST)):
            assert await subject.provider().probe_write(NEW) is Reach.SILENT

    async def test_the_way_home_begins_with_a_set_of_what_serves_now(self, subject: Promote) -> None:
        await subject.do()
        home = subject.asked("home", EPOCH + 1, OLD)
        with pytest.raises(PermanentError) as caught:
            await subject.provider().rebuild_replica(home)
        assert caught.value.code is Code.ROLE_MISMATCH
        subject.ec2[OLD].stop_instances(InstanceIds=[subject.instances[OLD]])
        with pytest.raises(PermanentError) as caught:
            await subject.provider().protect(home)
        assert caught.value.code is Code.NOT_PROTECTED
        point = (await subject.provider().rebuild_replica(home)).point
        assert point
        assert subject.snapshots(OLD)
        assert (await subject.provider().protect(home)).after["lag_seconds"] < 60
