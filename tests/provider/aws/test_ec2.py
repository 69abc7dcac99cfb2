"""The kind `aws.ec2` with instances that exist, against the simulator."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.ec2 import PROVIDER, Ec2Provider
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, request
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import Bubble, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component

FLEET = Component.model_validate({"role": "compute", "kind": "aws.ec2"})


class Warm(AwsSubject):
    """Instances in the west: all of them stopped, but for the first where it is told otherwise."""

    operation = "StartInstances"

    def __init__(self, folder: Path, world: World, size: int = 2) -> None:
        self.client = world.client("ec2", WEST)
        made = self.client.run_instances(ImageId=world.image(WEST), MinCount=size, MaxCount=size)
        self.ids = [one["InstanceId"] for one in made["Instances"]]
        self.client.stop_instances(InstanceIds=self.ids)
        self.planned: Observation | None = None
        super().__init__(folder, world)

    def provider(self, over_: bool = False, **limits: str) -> Ec2Provider:
        site = {"region": WEST, "instances": self.ids}
        settings = PROVIDER.Settings.model_validate({"sites": {NEW: site}, "read_timeout": "10s", **limits})
        return Ec2Provider(settings, worker(self.folder, over if over_ else lambda: None))

    def asked(self, site: str = NEW, epoch: int = EPOCH, step: str = "web.start_instances", **more: Any) -> Any:
        return self.own(request(site, step, epoch, FLEET, before=self.planned, **more))

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).start_instances(self.asked(where or NEW, epoch))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().stop_instances(self.asked(NEW, epoch, undo=True, result=result))

    async def state(self) -> Any:
        return self.states()

    def states(self) -> list[str]:
        found = {one: self.world.look("ec2", one, WEST)["State"]["Name"] for one in self.ids}
        return [found[one] for one in self.ids]

    async def disturb(self) -> None:
        self.client.start_instances(InstanceIds=self.ids[:1])
        self.planned = await self.provider().observe("web", NEW, "control")
        self.client.stop_instances(InstanceIds=self.ids[:1])
        self.mark = self.world.mark()


class Running(Warm):
    """The same, running, and to be stopped."""

    operation = "StopInstances"

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.client.start_instances(InstanceIds=self.ids)
        self.mark = world.mark()

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = self.asked(where or NEW, epoch, "web.stop_at_source")
        return await self.provider(over).stop_instances(asked)

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = self.asked(NEW, epoch, "web.stop_at_source", undo=True, result=result)
        return await self.provider().start_instances(asked)

    async def disturb(self) -> None:
        self.client.stop_instances(InstanceIds=self.ids[:1])
        self.planned = await self.provider().observe("web", NEW, "control")
        self.client.start_instances(InstanceIds=self.ids[:1])
        self.mark = self.world.mark()


class TestStart(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Warm:
        return Warm(tmp_path, world)

    async def test_what_ran_before_runs_on_after_an_undo(self, subject: Warm) -> None:
        subject.client.start_instances(InstanceIds=subject.ids[:1])
        assert (await subject.do()).before["states"] == dict(zip(subject.ids, ("running", "stopped"), strict=True))
        await subject.undo()
        assert subject.states() == ["running", "stopped"]

    async def test_it_serves_when_all_run_and_pass_their_checks(self, subject: Warm, sim: Simulator) -> None:
        assert (await subject.provider().observe("web", NEW, "control")).reach is Reach.STANDBY
        await subject.do()
        assert (await subject.provider().observe("web", NEW, "control")).reach is Reach.SERVING

    async def test_running_alone_is_not_enough(self, subject: Warm, sim: Simulator) -> None:
        sim.control.set_delays({"ec2.checks": 1000})
        with pytest.raises(OutcomeUnknownError, match="2 of 2 run, 0 pass their checks"):
            await subject.provider(settle="500ms").start_instances(subject.asked())
        seen = await subject.provider().observe("web", NEW, "control")
        assert (seen.reach, seen.detail) == (Reach.STANDBY, "2 of 2 run, 0 pass their checks.")

    async def test_what_is_still_stopping_is_waited_for(self, subject: Warm, sim: Simulator) -> None:
        subject.client.start_instances(InstanceIds=subject.ids)
        sim.control.set_delays({"ec2.instance": 1000})
        subject.client.stop_instances(InstanceIds=subject.ids)
        looks, starts = subject.arrived("DescribeInstances"), subject.arrived()
        task = asyncio.create_task(subject.do())
        while subject.arrived("DescribeInstances") < looks + 4 and not task.done():  # noqa: ASYNC110 (as in the kit)
            await asyncio.sleep(0.02)
        assert subject.arrived() == starts
        sim.control.set_delays({"ec2.instance": 0})
        await task
        assert subject.states() == ["running"] * 2

    async def test_a_terminated_one_is_named_before_anything_is_touched(self, subject: Warm) -> None:
        subject.client.terminate_instances(InstanceIds=subject.ids[:1])
        with pytest.raises(PermanentError, match=subject.ids[0]) as caught:
            await subject.do()
        assert caught.value.code is Code.NOT_FOUND
        assert subject.effects() == []
        assert (await subject.provider().observe("web", NEW, "control")).reach is Reach.REFUSED

    async def test_a_region_that_is_gone_is_silent(self, subject: Warm, sim: Simulator) -> None:
        sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=WEST)])
        assert (await subject.provider().observe("web", NEW, "control")).reach is Reach.SILENT

    async def test_a_drill_never_starts_the_instances_themselves(self, subject: Warm) -> None:
        bubble = Bubble(name="b", site=NEW, expires="2030-01-01T00:00:00Z")
        asked = subject.asked()
        asked = asked.model_copy(update={"target": asked.target.model_copy(update={"bubble": bubble})})
        with pytest.raises(PermanentError, match="drill_subnet"):
            await subject.provider().start_instances(asked)
        assert subject.states() == ["stopped"] * 2


class TestStop(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Running:
        return Running(tmp_path, world)

    async def test_what_rested_before_rests_after_an_undo(self, subject: Running) -> None:
        subject.client.stop_instances(InstanceIds=subject.ids[:1])
        await subject.do()
        await subject.undo()
        assert subject.states() == ["stopped", "running"]


def short(*texts: str, region: str = WEST) -> list[Rule]:
    """No capacity for what is named."""
    return [Rule(kind=Kind.CAPACITY, region=region, contains=text) for text in texts]


class TestCapacity:
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Warm:
        return Warm(tmp_path, world, size=8)

    async def test_what_has_room_starts_and_the_others_are_named_and_come_later(self, subject: Warm) -> None:
        full = subject.ids[5]
        async with subject.met_by(*short(full)):
            with pytest.raises(TemporaryError, match=f"1 of 8: {full}") as caught:
                await subject.do()
        assert (caught.value.code, bool(caught.value.delay)) == (Code.CAPACITY, True)
        assert subject.states() == [("stopped" if one == full else "running") for one in subject.ids]
        await subject.do()
        assert subject.states() == ["running"] * 8
        started = [one for line in subject.effects() for one in line.identifiers]
        assert sorted(started) == sorted(subject.ids)

    async def test_a_zone_that_is_full_is_not_asked_for_each_instance(self, subject: Warm) -> None:
        asked = subject.arrived()
        async with subject.met_by(*short("InstanceIds")):
            with pytest.raises(TemporaryError, match="8 of 8"):
                await subject.do()
        assert subject.arrived() - asked <= 8
        assert subject.states() == ["stopped"] * 8

    async def test_given_up_for_want_of_room_all_is_as_it_was(self, subject: Warm) -> None:
        async with subject.met_by(*short(subject.ids[0])):
            with pytest.raises(TemporaryError):
                await subject.do()
        assert (await subject.undo()).changed
        assert subject.states() == ["stopped"] * 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"instances": ["vol-0123456789abcdef0"]},
        {"instances": [""]},
        {"instances": ["i-0123456789abcdef0", "i-0123456789abcdef0"]},
        {"instances": []},
        {"instances": ["i-0123456789abcdef0"], "drill_subnet": "subnet-0123456789abcdef0"},
    ],
)
def test_what_is_no_list_of_instances_is_refused_when_it_is_read(wrong: dict[str, Sequence[str]]) -> None:
    with pytest.raises(ValidationError):
        PROVIDER.Settings.model_validate({"sites": {NEW: {"region": WEST, **wrong}}})
