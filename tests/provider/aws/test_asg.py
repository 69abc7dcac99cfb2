"""The kind `aws.asg`, against the simulator."""

from pathlib import Path
from typing import Any

import pytest

from tests.awssim.world import WEST, World
from tests.provider.aws.levels_kit import Levelled, Rules
from workflows.model.failure import Code, PermanentError


class Fleet(Levelled):
    """A group of size 0, of which 2 are wanted."""

    kind, operation = "aws.asg", "UpdateAutoScalingGroup"

    def make(self, world: World) -> Any:
        self.client, name = world.client("autoscaling", WEST), world.name()
        self.client.create_launch_configuration(
            LaunchConfigurationName=name, ImageId=world.image(WEST), InstanceType="t3.micro"
        )
        self.client.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName=name,
            AvailabilityZones=[f"{WEST}a"],
            MinSize=0,
            MaxSize=3,
            DesiredCapacity=0,
        )
        return name

    def settings(self) -> dict[str, Any]:
        return {"group": self.made, "desired": 2}

    def elsewhere(self) -> dict[str, Any]:
        return {"group": "nobody"}

    async def state(self) -> Any:
        (group,) = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.made])["AutoScalingGroups"]
        return group["MinSize"], group["DesiredCapacity"]

    def set(self, level: int) -> None:
        self.client.set_desired_capacity(AutoScalingGroupName=self.made, DesiredCapacity=level)

    async def disturb(self) -> None:
        self.planned = await self.observe()
        self.set(1)


class TestGroup(Rules):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Fleet:
        return Fleet(tmp_path, world)

    async def test_a_group_that_may_not_grow_so_far_is_named_before_anything_is_touched(self, subject: Fleet) -> None:
        subject.client.update_auto_scaling_group(AutoScalingGroupName=subject.made, MaxSize=1)
        with pytest.raises(PermanentError, match="may not grow") as caught:
            await subject.do()
        assert caught.value.code is Code.CONFIGURATION
        assert await subject.state() == (0, 0)
