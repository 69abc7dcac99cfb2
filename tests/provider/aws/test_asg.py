"""The kind `aws.asg`, against the simulator."""

from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.asg import PROVIDER, AsgProvider
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepResult
from workflows.model.observed import Reach
from workflows.model.runbook import Component

FLEET = Component.model_validate({"role": "compute", "kind": "aws.asg"})


class Fleet(AwsSubject):
    """A group of size 0 in the west, of which 2 are wanted."""

    operation = "UpdateAutoScalingGroup"

    def __init__(self, folder: Path, world: World) -> None:
        self.name = world.name()
        self.client = world.client("autoscaling", WEST)
        self.client.create_launch_configuration(
            LaunchConfigurationName=self.name, ImageId=world.image(WEST), InstanceType="t3.micro"
        )
        self.client.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            LaunchConfigurationName=self.name,
            AvailabilityZones=[f"{WEST}a"],
            MinSize=0,
            MaxSize=3,
            DesiredCapacity=0,
        )
        super().__init__(folder, world)
        self.planned: Any = None

    def provider(self, over_: bool = False, **limits: str) -> AsgProvider:
        site = {"region": WEST, "group": self.name, "desired": 2}
        settings = PROVIDER.Settings.model_validate({"sites": {NEW: site}, "read_timeout": "2s", **limits})
        return AsgProvider(settings, worker(self.folder, over if over_ else lambda: None))

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = request(where or NEW, "web.start_instances", epoch, FLEET, before=self.planned)
        return await self.provider(over).start_instances(asked)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = request(NEW, "web.start_instances", epoch, FLEET, undo=True, result=result)
        return await self.provider().stop_instances(asked)

    async def state(self) -> Any:
        (group,) = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        return group["MinSize"], group["DesiredCapacity"]

    async def disturb(self) -> None:
        self.planned = await self.provider().observe("web", NEW, "control")
        self.client.set_desired_capacity(AutoScalingGroupName=self.name, DesiredCapacity=1)


class TestGroup(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Fleet:
        return Fleet(tmp_path, world)

    async def test_it_serves_when_all_are_in_service(self, subject: Fleet) -> None:
        assert (await subject.provider().observe("web", NEW, "control")).reach is Reach.STANDBY
        await subject.do()
        assert (await subject.provider().observe("web", NEW, "control")).reach is Reach.SERVING

    async def test_a_region_that_is_gone_is_silent(self, subject: Fleet, sim: Simulator) -> None:
        sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=WEST)])
        assert (await subject.provider().observe("web", NEW, "control")).reach is Reach.SILENT

    async def test_a_group_that_may_not_grow_so_far_is_named_before_anything_is_touched(self, subject: Fleet) -> None:
        subject.client.update_auto_scaling_group(AutoScalingGroupName=subject.name, MaxSize=1)
        with pytest.raises(PermanentError, match="may have 1") as caught:
            await subject.do()
        assert caught.value.code is Code.CONFIGURATION
        assert await subject.state() == (0, 0)


def test_a_site_of_another_region_keeps_its_own_group(tmp_path: Path) -> None:
    sites = {OLD: {"region": EAST, "group": "a", "desired": 1}, NEW: {"region": WEST, "group": "b", "desired": 1}}
    provider = AsgProvider(PROVIDER.Settings.model_validate({"sites": sites}), worker(tmp_path))
    assert [provider.site(name).group for name in (OLD, NEW)] == ["a", "b"]
