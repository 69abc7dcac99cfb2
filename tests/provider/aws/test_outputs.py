"""Outputs of stacks in the place of names, against the simulator."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from activities.bench import Bench
from activities.providers.registry import Registry
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject
from tests.provider.conformance import EPOCH
from tests.provider.conformance import over as time_is_over
from tests.provider.support import NEW, OLD, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component
from workflows.model.verbs import Verb


class Fleet(AwsSubject):
    """A group of size 0, which a stack in the west has made, and whose name it tells."""

    operation = "UpdateAutoScalingGroup"

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        configuration = {"ImageId": world.image(WEST), "InstanceType": "t3.micro"}
        sizes = {"MinSize": "0", "MaxSize": "3", "DesiredCapacity": "0", "AvailabilityZones": [f"{WEST}a"]}
        group = {"LaunchConfigurationName": {"Ref": "Launch"}, **sizes}
        self.stack = world.stack(
            WEST,
            {
                "Resources": {
                    "Launch": {"Type": "AWS::AutoScaling::LaunchConfiguration", "Properties": configuration},
                    "Group": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": group},
                },
                "Outputs": {"Group": {"Value": {"Ref": "Group"}}, "Slash": {"Value": "no/name"}},
            },
        )
        self.sites: dict[str, Any] = {NEW: self.site(f"output:{self.stack}/Group", WEST)}
        (stack,) = world.client("cloudformation", WEST).describe_stacks(StackName=self.stack)["Stacks"]
        self.group = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}["Group"]
        self.client = world.client("autoscaling", WEST)
        self.bench = Bench(Registry(), "control", folder)
        self.planned: Observation | None = None

    @staticmethod
    def site(group: str, region: str) -> dict[str, Any]:
        return {"region": region, "group": group, "desired": 2}

    def asked(self, site: str = NEW, epoch: int = EPOCH, **more: Any) -> StepRequest:
        settings = {"sites": self.sites}
        component = Component.model_validate({"role": "compute", "kind": "aws.asg", "settings": settings})
        return self.own(request(site, "web.start_instances", epoch, component, before=self.planned, **more))

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked(where or NEW, epoch)
        provider = await self.bench.provider(asked.target)
        if over:
            provider.context = replace(provider.context, still_mine=time_is_over)
        return await provider.start_instances(asked)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = self.asked(NEW, epoch, undo=True, result=result)
        return await (await self.bench.provider(asked.target)).stop_instances(asked)

    async def state(self) -> Any:
        (group,) = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group])["AutoScalingGroups"]
        return group["MinSize"], group["DesiredCapacity"]

    async def disturb(self) -> None:
        self.planned = await self.observe()
        self.client.set_desired_capacity(AutoScalingGroupName=self.group, DesiredCapacity=1)

    async def observe(self) -> Observation:
        return await self.bench.observe(self.asked().target, "control")


class TestFleet(AwsConformance):
    @pytest.fixture
    def subject(self, fleet: Fleet) -> Fleet:
        return fleet


@pytest.fixture
def fleet(tmp_path: Path, world: World) -> Fleet:
    return Fleet(tmp_path, world)


async def test_a_group_is_named_by_a_stack_which_is_asked_once(fleet: Fleet) -> None:
    asked = fleet.arrived("DescribeStacks")
    assert (await fleet.do()).changed
    assert fleet.arrived("DescribeStacks") == asked + 1
    assert await fleet.state() == (2, 2)
    assert (await fleet.observe()).reach is Reach.SERVING


async def test_without_a_reference_no_stack_is_asked_for(fleet: Fleet) -> None:
    fleet.sites[NEW] = fleet.site("shop-web", WEST)
    asked = fleet.arrived("DescribeStacks")
    await fleet.bench.provider(fleet.asked().target)
    assert fleet.arrived("DescribeStacks") == asked


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("output:nobody/Group", "no stack nobody"),
        ("output:{stack}/Nothing", "has no output Nothing"),
        ("output:{stack}/Slash", "do not fit group"),
    ],
)
async def test_what_is_not_there_or_does_not_fit_is_named_and_is_no_error_of_a_look(
    fleet: Fleet, reference: str, said: str
) -> None:
    fleet.sites[NEW] = fleet.site(reference.format(stack=fleet.stack), WEST)
    with pytest.raises(PermanentError, match=said) as caught:
        await fleet.do()
    assert (caught.value.code, fleet.effects()) == (Code.CONFIGURATION, [])
    seen = await fleet.observe()
    assert (seen.reach, seen.detail) == (Reach.REFUSED, caught.value.sentence)


async def test_a_region_that_is_gone_is_silent_and_stops_nobody_elsewhere(fleet: Fleet, sim: Simulator) -> None:
    fleet.sites[OLD] = fleet.site("output:shop/Group", EAST)
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
    assert (await fleet.do()).changed
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=WEST)])
    assert (await fleet.observe()).reach is Reach.SILENT


async def test_a_preflight_is_of_what_the_reference_stands_for(fleet: Fleet) -> None:
    provider = await fleet.bench.provider(fleet.asked().target)
    assert "SILENT" not in str(await provider.preflight(fleet.component, NEW))
    named = fleet.bench.unprepared(fleet.asked().target)
    await named.prepare((NEW,))
    assert named.settings.sites[NEW].group == provider.settings.sites[NEW].group == fleet.group


def test_by_hand_the_reference_is_shown(fleet: Fleet) -> None:
    page = fleet.bench.unprepared(fleet.asked().target).by_hand(Verb.START_INSTANCES, fleet.asked())
    assert f"output:{fleet.stack}/Group" in page.act[0].line


@pytest.mark.parametrize("field", ["region", "role"])
def test_where_and_as_whom_cannot_be_an_output(fleet: Fleet, field: str) -> None:
    fleet.sites[NEW] |= {field: "output:shop/Where"}
    with pytest.raises(PermanentError, match=field):
        fleet.bench.unprepared(fleet.asked().target)
