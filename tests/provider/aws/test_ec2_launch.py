"""The kind `aws.ec2` with instances that do not exist yet, against the simulator."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.ec2 import PROVIDER, Ec2Provider
from activities.providers.base import now
from infra.awssim.faults import Kind, Rule
from infra.awssim.ledger import Outcome
from tests.awssim.world import WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, persist, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, request
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component

FLEET = Component.model_validate({"role": "compute", "kind": "aws.ec2"})
TYPES = ("m7i.large", "m6i.large")
BUBBLE = Bubble(name="drill-1", site=NEW, expires="2030-01-01T00:00:00Z")


class Net:
    """A network in the west, with a part of it for drills."""

    def __init__(self, world: World) -> None:
        ec2 = world.client("ec2", WEST)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{WEST}{zone}")["Subnet"][
                "SubnetId"
            ]
            for number, zone in enumerate("abc")
        ]
        self.groups = [
            ec2.create_security_group(GroupName=world.name(), Description="-", VpcId=vpc)["GroupId"] for _ in "12"
        ]
        data = {"ImageId": world.image(WEST), "InstanceType": "t3.micro"}
        made = ec2.create_launch_template(LaunchTemplateName=world.name(), LaunchTemplateData=data)
        self.template = made["LaunchTemplate"]["LaunchTemplateId"]
        balancers = world.client("elbv2", WEST)
        made = balancers.create_target_group(Name=world.name(), Protocol="HTTP", Port=80, VpcId=vpc)
        self.target_group = made["TargetGroups"][0]["TargetGroupArn"]


class Cold(AwsSubject):
    """Instances in the west that are launched by name."""

    operation = "RunInstances"

    def __init__(self, folder: Path, world: World, net: Net, *names: str) -> None:
        super().__init__(folder, world)
        self.net, self.names = net, names or ("web-1",)
        self.client = world.client("ec2", WEST)
        self.bubble: Bubble | None = None
        self.planned: Observation | None = None

    def launch(self, name: str, **more: Any) -> dict[str, Any]:
        one = {"name": name, "template": self.net.template, "template_version": 1, "subnets": self.net.subnets[:2]}
        return one | {"instance_types": TYPES, "security_groups": self.net.groups[:1], **more}

    def provider(self, over_: bool = False, **site: Any) -> Ec2Provider:
        given = {"region": WEST, "launch": [self.launch(name) for name in self.names], **site}
        settings = PROVIDER.Settings.model_validate({"sites": {NEW: given}, "settle": "3s"})
        return Ec2Provider(settings, worker(self.folder, over if over_ else lambda: None))

    def asked(self, site: str = NEW, epoch: int = EPOCH, **more: Any) -> StepRequest:
        asked = self.own(request(site, "web.start_instances", epoch, FLEET, before=self.planned, **more))
        return asked.model_copy(update={"target": asked.target.model_copy(update={"bubble": self.bubble})})

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).start_instances(self.asked(where or NEW, epoch))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().stop_instances(self.asked(NEW, epoch, undo=True, result=result))

    def machines(self) -> list[dict[str, Any]]:
        """All of this component, whatever became of them."""
        mine = [{"Name": "tag:seawall:component", "Values": [self.component]}]
        found = self.client.describe_instances(Filters=mine)["Reservations"]
        return [one | {"tags": _table(one["Tags"])} for held in found for one in held["Instances"]]

    def tell(self, one: dict[str, Any], **tags: str) -> None:
        """Set tags of ours. One that says another component is not shown, as what was launched a moment ago is not."""
        labels = [{"Key": f"seawall:{key}", "Value": value} for key, value in tags.items()]
        self.client.create_tags(Resources=[one["InstanceId"]], Tags=labels)

    async def state(self) -> Any:
        """Those that count: what is tagged for clean-up does not."""
        live = [one for one in self.machines() if "seawall:abandoned" not in one["tags"]]
        return sorted((one["tags"]["Name"], one["State"]["Name"]) for one in live)

    async def disturb(self) -> None:
        self.planned = await self.provider().observe(self.component, NEW, "control")
        self.stranger("web-1")

    def stranger(self, name: str, **more: str) -> str:
        """One under this name that stands still, launched by an earlier run."""
        tags = {"Name": name, "seawall:application": "shop", "seawall:component": self.component, "seawall:site": NEW}
        labels = [{"Key": key, "Value": value} for key, value in (tags | more).items()]
        made = self.client.run_instances(
            ImageId=self.world.image(WEST), MinCount=1, MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": labels}],
        )  # fmt: skip
        found = str(made["Instances"][0]["InstanceId"])
        self.client.stop_instances(InstanceIds=[found])
        self.mark = self.world.mark()
        return found


def _table(tags: list[dict[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in tags}


def short(*texts: str) -> list[Rule]:
    return [Rule(kind=Kind.CAPACITY, operation="RunInstances", contains=text) for text in texts]


@pytest.fixture(scope="module")
def net(world: World) -> Net:
    return Net(world)


@pytest.fixture
def cold(tmp_path: Path, world: World, net: Net) -> Cold:
    return Cold(tmp_path, world, net)


class TestLaunch(AwsConformance):
    @pytest.fixture
    def subject(self, cold: Cold) -> Cold:
        return cold

    async def test_what_is_launched_says_whose_it_is(self, subject: Cold) -> None:
        assert (await subject.provider().observe(subject.component, NEW, "control")).reach is Reach.STANDBY
        result = await subject.do()
        (one,) = subject.machines()
        assert result.after["ids"] == {"web-1": one["InstanceId"]}
        tags = {name: one["tags"][f"seawall:{name}"] for name in ("application", "run", "epoch", "site")}
        assert tags == {"application": "shop", "run": "failover/shop/1", "epoch": "5",
                        "site": NEW}  # fmt: skip
        assert (one["InstanceType"], one["SubnetId"]) == (TYPES[0], subject.net.subnets[0])
        assert (await subject.provider().observe(subject.component, NEW, "control")).reach is Reach.SERVING


async def test_short_of_room_it_takes_the_next_type_and_then_the_next_subnet(cold: Cold) -> None:
    async with cold.met_by(*short(TYPES[0])):
        await cold.do()
    (one,) = cold.machines()
    assert (one["InstanceType"], one["SubnetId"]) == (TYPES[1], cold.net.subnets[0])


async def test_a_subnet_that_is_full_is_left(cold: Cold) -> None:
    async with cold.met_by(*short(cold.net.subnets[0])):
        await cold.do()
    (one,) = cold.machines()
    assert (one["InstanceType"], one["SubnetId"]) == (TYPES[0], cold.net.subnets[1])


async def test_no_room_anywhere_is_told_tried_again_and_leaves_nothing(cold: Cold) -> None:
    async with cold.met_by(*short("MinCount")):
        with pytest.raises(TemporaryError, match="no room for 1 of 1: web-1") as caught:
            await cold.do()
        assert (caught.value.code, bool(caught.value.delay)) == (Code.CAPACITY, True)
    assert not (await cold.undo()).changed
    assert cold.machines() == []


async def test_a_lost_answer_at_the_second_choice_never_makes_one_at_the_first(cold: Cold) -> None:
    """The first choice has room again when the next attempt comes, and AWS does not show yet what was launched."""
    lost = Rule(kind=Kind.CUT, operation="RunInstances", contains=TYPES[1])
    async with cold.met_by(*short(TYPES[0]), lost):
        with pytest.raises(OutcomeUnknownError):
            await cold.do()
    (one,) = cold.machines()
    cold.tell(one, component="nobody yet")
    result = await cold.do()
    assert result.after["ids"] == {"web-1": one["InstanceId"]}
    lines = cold.world.lines("RunInstances", cold.mark)
    assert [line.outcome for line in lines] == [Outcome.REFUSED, Outcome.TOOK_EFFECT, Outcome.REPLAYED]


async def test_after_days_what_stands_is_found_by_its_tags_and_not_by_its_token(cold: Cold) -> None:
    first = await cold.do()
    asked = cold.arrived()
    again = await cold.do()
    assert (again.changed, again.after["ids"], cold.arrived()) == (False, first.after["ids"], asked)


async def test_other_parameters_under_one_token_are_a_defect_and_not_tried_again(cold: Cold) -> None:
    await cold.do()
    (one,) = cold.machines()
    cold.tell(one, component="nobody yet")
    changed = [cold.launch("web-1", template_version=1, image=cold.world.image(WEST))]
    asked = cold.arrived()
    with pytest.raises(PermanentError) as caught:
        await cold.provider(launch=changed).start_instances(cold.asked())
    assert caught.value.code is Code.INTERNAL
    assert (cold.arrived() - asked, len(cold.effects())) == (1, 1)


async def test_what_an_earlier_run_left_under_the_name_is_started_and_not_doubled(cold: Cold) -> None:
    found = cold.stranger("web-1")
    assert (await cold.do()).after["ids"] == {"web-1": found}
    assert cold.effects() == []
    await cold.undo()
    assert await cold.state() == [("web-1", "stopped")]


async def test_two_under_one_name_are_told_before_anything_is_touched(cold: Cold) -> None:
    cold.stranger("web-1")
    cold.stranger("web-1")
    with pytest.raises(PermanentError, match="more than one instance under web-1"):
        await cold.do()
    assert await cold.state() == [("web-1", "stopped")] * 2


async def test_undone_it_is_stopped_and_left_for_clean_up(cold: Cold) -> None:
    await cold.do()
    await cold.undo()
    (one,) = cold.machines()
    told = datetime.fromisoformat(one["tags"]["seawall:abandoned"])
    assert (one["State"]["Name"], now() - told < timedelta(minutes=1)) == ("stopped", True)
    assert cold.effects("TerminateInstances") == []


async def test_an_undo_waits_for_what_does_not_show_yet(cold: Cold) -> None:
    async with cold.met_by(Rule(kind=Kind.CUT, operation="RunInstances")):
        with pytest.raises(OutcomeUnknownError):
            await cold.do()
    (one,) = cold.machines()
    cold.tell(one, component="nobody yet")
    undoing = asyncio.create_task(cold.undo())
    await asyncio.sleep(0.5)
    cold.tell(one, component=cold.component)
    assert (await undoing).changed
    assert [one["State"]["Name"] for one in cold.machines()] == ["stopped"]


async def test_a_stop_that_would_touch_more_than_the_runbook_lists_touches_nothing(cold: Cold) -> None:
    for number in range(10):
        cold.stranger(f"web-{number}")
    with pytest.raises(PermanentError, match="10 instances, and its runbook lists 1") as caught:
        await cold.provider().stop_instances(cold.asked())
    assert caught.value.code is Code.LIMIT_EXCEEDED


async def test_a_stop_ends_all_that_run(cold: Cold) -> None:
    await cold.do()
    stop = cold.asked().model_copy(update={"ref": cold.asked().ref.model_copy(update={"step": "web.stop_at_source"})})
    assert (await cold.provider().stop_instances(stop)).changed
    assert await cold.state() == [("web-1", "stopped")]
    assert not (await cold.provider().stop_instances(stop)).changed


async def test_a_template_of_another_region_launches_nothing(cold: Cold) -> None:
    wrong = [cold.launch("web-1", template="lt-0123456789abcdef0")]
    with pytest.raises(PermanentError) as caught:
        await cold.provider(launch=wrong).start_instances(cold.asked())
    assert caught.value.code is Code.NOT_FOUND
    assert cold.machines() == []


async def test_it_is_registered_with_its_load_balancer_while_it_runs(cold: Cold) -> None:
    behind = [cold.launch("web-1", target_groups=[cold.net.target_group])]
    balancers = cold.world.client("elbv2", WEST)

    def registered() -> list[str]:
        found = balancers.describe_target_health(TargetGroupArn=cold.net.target_group)["TargetHealthDescriptions"]
        return [one["Target"]["Id"] for one in found]

    result = await cold.provider(launch=behind).start_instances(cold.asked())
    assert registered() == list(result.after["ids"].values())
    assert not (await cold.provider(launch=behind).start_instances(cold.asked())).changed
    await cold.provider(launch=behind).stop_instances(cold.asked(undo=True))
    assert registered() == []


class TestDrill:
    async def test_a_clone_is_launched_in_the_drills_own_subnet_and_expires(self, cold: Cold) -> None:
        production = (await cold.do()).after["ids"]
        cold.bubble = BUBBLE
        own = {"drill_subnet": cold.net.subnets[2], "drill_security_groups": cold.net.groups[1:]}
        behind = [cold.launch("web-1", target_groups=[cold.net.target_group])]
        result = await cold.provider(launch=behind, **own).start_instances(cold.asked())
        clone = next(one for one in cold.machines() if one["InstanceId"] not in production.values())
        assert result.after["ids"] == {"web-1": clone["InstanceId"]}
        assert (clone["SubnetId"], clone["tags"]["seawall:bubble"]) == (cold.net.subnets[2], "drill-1")
        assert [one["GroupId"] for one in clone["SecurityGroups"]] == cold.net.groups[1:]
        assert clone["tags"]["seawall:expires"] == "2030-01-01T00:00:00+00:00"
        await cold.provider(launch=behind, **own).stop_instances(cold.asked(undo=True))
        states = {one["InstanceId"]: one["State"]["Name"] for one in cold.machines()}
        assert states == {production["web-1"]: "running", clone["InstanceId"]: "stopped"}

    async def test_without_a_subnet_of_its_own_there_is_no_drill(self, cold: Cold) -> None:
        cold.bubble = BUBBLE
        with pytest.raises(PermanentError, match="drill_subnet"):
            await cold.do()
        assert cold.machines() == []

    def test_a_subnet_of_production_is_none_of_a_drill(self, cold: Cold) -> None:
        with pytest.raises(ValidationError, match="a drill's subnet"):
            cold.provider(drill_subnet=cold.net.subnets[0], drill_security_groups=cold.net.groups[1:])


async def test_with_a_third_of_the_answers_lost_each_of_many_is_launched_once(
    tmp_path: Path, world: World, net: Net
) -> None:
    many = Cold(tmp_path, world, net, *(f"web-{number}" for number in range(12)))
    lost = [Rule(kind=Kind.CUT, service="ec2", probability=0.3, seed=11), *short(TYPES[0])]
    async with many.met_by(*lost):
        await persist(many.do)
    assert await many.state() == sorted((name, "running") for name in many.names)
    assert json.loads(json.dumps((await many.do()).after))["states"] == dict.fromkeys(many.names, "running")
