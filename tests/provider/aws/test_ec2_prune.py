"""What runs launched and took back again is ended by a prune, and nothing else is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.providers.aws.ec2 import PROVIDER, Ec2Provider
from activities.providers.base import now
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsConformance, worker
from tests.provider.aws.test_ec2_launch import FLEET, Cold, Net
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.failure import TemporaryError
from workflows.model.messages import StepRequest, StepResult

DAYS = timedelta(days=2)


class Abandoned(Cold):
    """Instances in the west that a failover launched and took back again, two days ago."""

    operation, undoable = "TerminateInstances", False

    async def ready(self) -> "Abandoned":
        await super().do()
        await super().undo()
        for one in self.machines():
            self.age(one)
        self.mark = self.world.mark()
        return self

    def age(self, one: dict[str, Any], by: timedelta = DAYS) -> None:
        self.tell(one, abandoned=(now() - by).isoformat())

    def pruner(self, over_: bool = False, **more: Any) -> Ec2Provider:
        sites = {NEW: {"region": WEST, "launch": [self.launch(name) for name in self.names]}}
        sites[OLD] = sites[NEW] | {"region": EAST}
        settings = PROVIDER.Settings.model_validate({"sites": sites, "read_timeout": "5s", **more})
        return Ec2Provider(settings, worker(self.folder, over if over_ else lambda: None))

    def prune(self, epoch: int = EPOCH, where: str = NEW) -> StepRequest:
        return self.own(request(where, "web.prune", epoch, FLEET))

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.pruner(over).prune(self.prune(epoch, where or NEW))

    async def state(self) -> Any:
        return sorted((one["InstanceId"], one["State"]["Name"]) for one in self.machines())

    def left(self) -> list[str]:
        """What exists, by name."""
        return sorted(one["tags"]["Name"] for one in self.machines() if one["State"]["Name"] != "terminated")


@pytest.fixture(scope="module")
def net(world: World) -> Net:
    return Net(world)


class TestPrune(AwsConformance):
    @pytest.fixture
    async def subject(self, tmp_path: Path, world: World, net: Net) -> Abandoned:
        return await Abandoned(tmp_path, world, net).ready()

    async def test_a_world_that_changed_since_the_plan_is_refused(self, subject: Abandoned) -> None:  # type: ignore[override]
        pytest.skip("It compares with nothing: it judges what stands.")


@pytest.fixture
async def four(tmp_path: Path, world: World, net: Net) -> Abandoned:
    return await Abandoned(tmp_path, world, net, "web-1", "web-2", "web-3", "web-4").ready()


async def test_a_failover_that_is_taken_back_leaves_nothing(tmp_path: Path, world: World, net: Net) -> None:
    """Nine of twelve were launched when there was no more room, so that the run gave up before its pivot."""
    names = [f"web-{number}" for number in range(12)]
    cold = Abandoned(tmp_path, world, net, *names)
    full = [Rule(kind=Kind.CAPACITY, operation="RunInstances", contains=f'"{name}"') for name in names[9:]]
    async with cold.met_by(*full):
        with pytest.raises(TemporaryError, match="no room for 3 of 12"):
            await Cold.do(cold)
    await cold.undo()
    assert [one["State"]["Name"] for one in cold.machines()] == ["stopped"] * 9
    assert not (await cold.do()).changed, "their day is not over"
    removed = await cold.pruner(keep_abandoned="1ms").prune(cold.prune())
    assert len(removed.after["removed"]) == 9
    assert cold.left() == []


async def test_the_longest_abandoned_go_first_and_no_more_than_allowed(four: Abandoned) -> None:
    for one in four.machines():
        four.age(one, by=DAYS * int(one["tags"]["Name"][-1]))
    result = await four.pruner(prune_at_most=2).prune(four.prune())
    assert (len(result.after["removed"]), result.after["left"]) == (2, 2)
    assert four.left() == ["web-1", "web-2"]


async def test_what_runs_is_named_protected_or_young_stays(four: Abandoned) -> None:
    used, protected, young, named = sorted(four.machines(), key=lambda one: str(one["tags"]["Name"]))
    four.client.start_instances(InstanceIds=[used["InstanceId"]])
    four.client.modify_instance_attribute(InstanceId=protected["InstanceId"], DisableApiTermination={"Value": True})
    four.age(young, by=timedelta(hours=23))
    sites = {NEW: {"region": WEST, "instances": [named["InstanceId"]]}}
    result = await four.pruner(sites=sites).prune(four.prune())
    assert (result.changed, result.after) == (False, {"removed": [], "left": 2})
    assert four.left() == ["web-1", "web-2", "web-3", "web-4"]


@pytest.mark.parametrize(
    "tags",
    [
        {"application": "another"},
        {"component": "another"},
        {"site": OLD},
        {"abandoned": ""},
        {"abandoned": "by anna"},
        {"abandoned": "2020-01-01T00:00:00"},
    ],
)
async def test_what_is_not_ours_or_has_no_moment_stays(tags: dict[str, str], four: Abandoned) -> None:
    mine = four.machines()
    for one in mine:
        four.tell(one, **tags)
    assert not (await four.do()).changed
    assert four.effects() == []


async def test_the_other_site_is_cleared_too_as_far_as_it_answers(four: Abandoned, world: World) -> None:
    """What failed at a site to which a later run moved the application would stay there for ever."""
    asked = four.prune(where=OLD)
    async with four.met_by(Rule(kind=Kind.REGION_GONE, region=WEST)):
        result = await four.pruner(connect_timeout="100ms").prune(asked)
    assert (result.changed, f"{NEW} is left for another time" in result.detail) == (False, True)
    result = await four.pruner().prune(asked)
    assert (len(result.after["removed"]), four.left()) == (4, [])
    assert {line.region for line in four.effects()} == {WEST}
