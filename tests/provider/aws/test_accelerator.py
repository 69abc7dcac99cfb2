"""The kind `aws.accelerator`, against the simulator."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.accelerator import PROVIDER, AcceleratorProvider
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.front import front_request
from tests.provider.aws.kit import REGIONS, AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD
from workflows.model.failure import OutcomeUnknownError
from workflows.model.messages import StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.verbs import Verb


class Front(AwsSubject):
    """Two endpoint groups, of which that of the old site has all."""

    operation = "UpdateEndpointGroup"

    def __init__(self, folder: Path, world: World) -> None:
        self.client = world.client("globalaccelerator", WEST)
        self.name = world.name()
        made = self.client.create_accelerator(Name=self.name, IdempotencyToken=self.name)
        listener = f"{made['Accelerator']['AcceleratorArn']}/listener/0123abcd"
        self.groups = {
            site: self.client.create_endpoint_group(
                ListenerArn=listener,
                EndpointGroupRegion=REGIONS[site],
                TrafficDialPercentage=100 if site == OLD else 0,
                IdempotencyToken=world.name(),
            )["EndpointGroup"]["EndpointGroupArn"]
            for site in (OLD, NEW)
        }
        self.planned: Observation | None = None
        super().__init__(folder, world)

    def provider(self, over_: bool = False, **more: Any) -> AcceleratorProvider:
        sites = {site: {"region": REGIONS[site], "endpoint_group": arn} for site, arn in self.groups.items()}
        settings = PROVIDER.Settings.model_validate({"sites": sites, "read_timeout": "5s", **more})
        return AcceleratorProvider(settings, worker(self.folder, over if over_ else lambda: None))

    async def plan(self) -> "Front":
        self.planned = await self.provider().observe("front", OLD, "control")
        assert self.planned.reach is Reach.SERVING
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).flip_dns(front_request(self.name, epoch, where, before=self.planned))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().restore_dns(front_request(self.name, epoch, undo=True, result=result))

    async def state(self) -> Any:
        return [
            self.client.describe_endpoint_group(EndpointGroupArn=arn)["EndpointGroup"]["TrafficDialPercentage"]
            for arn in self.groups.values()
        ]

    async def disturb(self) -> None:
        self.client.update_endpoint_group(EndpointGroupArn=self.groups[NEW], TrafficDialPercentage=7)

    async def count(self) -> int:
        """How often the dial of the target was set; that of the source is a second call."""
        return sum(self.groups[NEW] in line.identifiers for line in self.effects())


async def front(folder: Path, world: World) -> Front:
    return await Front(folder, world).plan()


class TestDials(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World) -> Front:
        return await front(tmp_path, world)


async def test_the_dial_of_the_target_is_raised_before_the_other_is_lowered(tmp_path: Path, world: World) -> None:
    subject = await front(tmp_path, world)
    await subject.do()
    assert await subject.state() == [0, 100]
    assert [line.identifiers[0] for line in subject.effects()] == [subject.groups[NEW], subject.groups[OLD]]


async def test_with_one_dial_set_it_goes_on_or_is_undone(tmp_path: Path, world: World) -> None:
    subject = await front(tmp_path, world)
    second_fails = Rule(kind=Kind.THROTTLE, operation=subject.operation, contains=subject.groups[OLD])
    async with subject.met_by(second_fails):
        with pytest.raises(OutcomeUnknownError, match="1 of 2 dials are set"):
            await subject.do()
    assert (await subject.provider().observe("front", OLD, "control")).reach is Reach.UNKNOWN
    assert (await subject.undo()).changed
    assert await subject.state() == [100, 0]
    await subject.do()
    assert await subject.state() == [0, 100]


async def test_it_is_done_when_it_is_deployed(tmp_path: Path, world: World, sim: Simulator) -> None:
    subject = await front(tmp_path, world)
    sim.control.set_delays({"globalaccelerator.accelerator": 1000})
    with pytest.raises(OutcomeUnknownError, match="not in force yet"):
        await subject.provider(settle="300ms").flip_dns(front_request(subject.name))
    sim.control.set_delays({"globalaccelerator.accelerator": 0})
    assert not (await subject.do()).changed


async def test_a_failover_leaves_the_failed_region_alone(tmp_path: Path, world: World, sim: Simulator) -> None:
    subject = await front(tmp_path, world)
    sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST, with_global=True)])
    assert (await subject.do()).changed


async def test_the_commands_are_the_same_calls(tmp_path: Path, world: World) -> None:
    subject = await front(tmp_path, world)
    hand = subject.provider().by_hand(Verb.FLIP_DNS, front_request(subject.name))
    for command in hand.act:
        words = shlex.split(command.line)
        assert words[:5] == ["aws", "--region", WEST, "globalaccelerator", "update-endpoint-group"]
        given = dict(zip(words[5::2], words[6::2], strict=True))
        subject.client.update_endpoint_group(
            EndpointGroupArn=given["--endpoint-group-arn"],
            TrafficDialPercentage=float(given["--traffic-dial-percentage"]),
        )
        assert sum(await subject.state()) > 0
    assert await subject.state() == [0, 100]
    assert not (await subject.do()).changed


def test_the_groups_are_of_one_accelerator_each_with_a_dial_above_nothing() -> None:
    arn = "arn:aws:globalaccelerator::123456789012:accelerator/{}/listener/0b/endpoint-group/0{}"
    for sites, words in (
        ({OLD: {"endpoint_group": arn.format("0a", 1)}, NEW: {"endpoint_group": arn.format("0b", 2)}}, "one accel"),
        ({OLD: {"endpoint_group": arn.format("0a", 1)}, NEW: {"endpoint_group": arn.format("0a", 1)}}, "of its own"),
        ({OLD: {"endpoint_group": arn.format("0a", 1), "dial": 0}}, "greater than 0"),
    ):
        told = {site: {"region": REGIONS[site], **more} for site, more in sites.items()}
        with pytest.raises(ValidationError, match=words):
            PROVIDER.Settings.model_validate({"sites": told})
