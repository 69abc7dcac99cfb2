"""The kind `aws.elb`, against the simulator."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.elb import PROVIDER, ElbProvider
from tests.awssim.world import WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, request
from workflows.model.failure import OutcomeUnknownError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component

LB = Component.model_validate({"role": "compute", "kind": "aws.elb"})


class Targets(AwsSubject):
    """Two running instances in the west, of which one is registered already, and a third that is not ours."""

    operation = "RegisterTargets"

    def __init__(self, folder: Path, world: World) -> None:
        self.name = world.name()
        self.client = world.client("elbv2", WEST)
        self.group = _balanced(world, self.client, self.name)
        self.instances = [world.instance(f"{WEST}a") for _ in range(3)]
        self.put(self.instances[0], self.instances[2])
        super().__init__(folder, world)
        self.planned: Observation | None = None

    def put(self, *instances: str) -> None:
        self.client.register_targets(TargetGroupArn=self.group, Targets=[{"Id": one} for one in instances])

    def provider(self, over_: bool = False, **more: Any) -> ElbProvider:
        site = {"region": WEST, "target_group": self.group, "instances": self.instances[:2]}
        settings = PROVIDER.Settings.model_validate({"sites": {NEW: site}, "read_timeout": "5s", **more})
        return ElbProvider(settings, worker(self.folder, over if over_ else lambda: None))

    def request(self, verb: str, epoch: int = EPOCH, where: str = "", **more: Any) -> StepRequest:
        asked = request(where or NEW, f"lb.{verb}", epoch, LB, **more)
        return asked.model_copy(update={"ref": asked.ref.model_copy(update={"application": self.name})})

    async def plan(self) -> "Targets":
        self.planned = await self.provider().observe("lb", NEW, "control")
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.request("start_instances", epoch, where, before=self.planned)
        return await self.provider(over).start_instances(asked)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = self.request("start_instances", epoch, undo=True, result=result)
        return await self.provider().stop_instances(asked)

    async def state(self) -> Any:
        told = self.client.describe_target_health(TargetGroupArn=self.group)["TargetHealthDescriptions"]
        return sorted(self.instances.index(one["Target"]["Id"]) for one in told)

    async def disturb(self) -> None:
        self.client.deregister_targets(TargetGroupArn=self.group, Targets=[{"Id": self.instances[0]}])


class Taken(Targets):
    """The same, taken out."""

    operation = "DeregisterTargets"

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.request("stop_at_source", epoch, where, before=self.planned)
        return await self.provider(over).stop_instances(asked)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = self.request("stop_at_source", epoch, undo=True, result=result)
        return await self.provider().start_instances(asked)

    async def disturb(self) -> None:
        self.put(self.instances[1])


def _balanced(world: World, client: Any, name: str) -> str:
    """A target group behind a load balancer."""
    ec2 = world.client("ec2", WEST)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{WEST}{zone}")["Subnet"]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    balancer = client.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    group = client.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
    arn: str = group["TargetGroupArn"]
    client.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
    )
    return arn


class TestRegistered(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Targets:
        return await Targets(tmp_path, world).plan()


class TestTaken(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Taken:
        return await Taken(tmp_path, world).plan()


async def test_an_undo_takes_out_only_what_was_registered_by_it(tmp_path: Path, world: World) -> None:
    subject = await Targets(tmp_path, world).plan()
    assert (await subject.provider().observe("lb", NEW, "control")).reach is Reach.STANDBY
    await subject.do()
    assert await subject.state() == [0, 1, 2]
    assert (await subject.provider().observe("lb", NEW, "control")).reach is Reach.SERVING
    await subject.undo()
    assert await subject.state() == [0, 2]


async def test_a_target_that_does_not_get_healthy_is_named(tmp_path: Path, world: World) -> None:
    subject = await Targets(tmp_path, world).plan()
    world.client("ec2", WEST).stop_instances(InstanceIds=[subject.instances[0]])
    with pytest.raises(OutcomeUnknownError, match="1 of 2 targets are healthy"):
        await subject.provider(settle="300ms").start_instances(subject.request("start_instances"))


def test_instances_and_addresses_do_not_mix() -> None:
    arn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/shop/0123456789abcdef"
    instance = "i-0123456789abcdef0"
    for more in (
        {},
        {"instances": [instance], "addresses": ["10.0.0.1"]},
        {"instances": [instance] * 2},
        {"instances": ["vol-0123456789abcdef0"]},
    ):
        with pytest.raises(ValidationError):
            PROVIDER.Settings.model_validate({"sites": {NEW: {"region": WEST, "target_group": arn, **more}}})
