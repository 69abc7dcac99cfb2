"""The kind `aws.vpc`, against the simulator."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.bench import Bench
from activities.bubbles import Bubbles
from activities.health_check import HealthCheck
from activities.providers.aws.tags import pairs, tags
from activities.providers.aws.vpc import PROVIDER
from activities.providers.aws.vpc.provider import BubbleProvider
from activities.providers.registry import Registry
from tests.awssim.world import WEST, World
from tests.provider.aws.kit import AwsConformance, AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, request
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.runbook import BubbleDevice, Component

DATABASE = Component.model_validate({"role": "data", "kind": "postgres", "replication": {"mode": "continuous"}})


class Place(AwsSubject):
    """An isolated VPC in the west, and the bubble of one drill in it."""

    operation = "PutItem"

    def __init__(self, folder: Path, world: World) -> None:
        self.ec2, self.rds = world.client("ec2", WEST), world.client("rds", WEST)
        self.vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
        self.group = self.ec2.create_security_group(VpcId=self.vpc, GroupName="clones", Description="-")["GroupId"]
        everywhere = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        self.ec2.revoke_security_group_egress(GroupId=self.group, IpPermissions=everywhere)
        super().__init__(folder, world)
        self.bubble = self.of(world.name())
        self.most = 10

    def of(self, name: str, seconds: float = 300) -> Bubble:
        return Bubble(name=name, site=NEW, expires=datetime.now(UTC) + timedelta(seconds=seconds))

    @property
    def device(self) -> BubbleDevice:
        where = {"vpc": self.vpc, "subnets": [self.subnet], "security_group": self.group, "most": self.most}
        limits = {"settle": "3s", "read_timeout": "2s"}
        settings = {"sites": {NEW: {"region": WEST}}, **where, **limits}
        return BubbleDevice.model_validate({"kind": "aws.vpc", "settings": settings})

    def provider(self, late: bool = False) -> BubbleProvider:
        settings = PROVIDER.Settings.model_validate(self.device.settings)
        return BubbleProvider(settings, worker(self.folder, over if late else lambda: None))

    def asked(self, epoch: int = EPOCH, where: str = "", bubble: Bubble | None = None, **more: Any) -> StepRequest:
        asked = request(where or NEW, "bubble.open_bubble", epoch, DATABASE, **more)
        return asked.model_copy(
            update={"target": asked.target.model_copy(update={"bubble": bubble or self.bubble, "name": "db"})}
        )

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        return await self.provider(over).open_bubble(self.asked(epoch, where))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().close_bubble(self.asked(epoch, undo=True, result=result))

    async def close(self) -> StepResult:
        return await self.provider().close_bubble(self.asked())

    async def prove(self) -> StepResult:
        return await self.provider().prove_isolation(self.asked())

    async def state(self) -> Any:
        table = self.world.client("dynamodb", WEST)
        return table.get_item(TableName="seawall", Key={"id": {"S": f"bubble/{self.vpc}"}}).get("Item")

    async def disturb(self) -> None:
        await self.provider().open_bubble(self.asked(bubble=self.of(self.world.name())))

    def mark_of(self, bubble: Bubble | None = None) -> list[dict[str, str]]:
        """Tags of a clone."""
        return pairs(tags(self.asked(bubble=bubble), NEW))

    def clone(self, tags_: list[dict[str, str]] | None = None) -> str:
        """An instance in the VPC, with the bubble's tags unless told."""
        ran = self.ec2.run_instances(
            ImageId=self.world.image(WEST),
            MinCount=1,
            MaxCount=1,
            SubnetId=self.subnet,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags_ or self.mark_of()}],
        )
        return str(ran["Instances"][0]["InstanceId"])

    def clone_of_data(self) -> str:
        """A database with the bubble's tags."""
        name = self.world.database(WEST)
        arn = self.world.look("rds", name, WEST)["DBInstanceArn"]
        self.rds.add_tags_to_resource(ResourceName=arn, Tags=self.mark_of())
        return name

    def names(self) -> set[str]:
        """Of all databases in the region."""
        return {one["DBInstanceIdentifier"] for one in self.rds.describe_db_instances()["DBInstances"]}

    def stands(self, instance: str) -> str:
        return str(self.world.look("ec2", instance, WEST)["State"]["Name"])


@pytest.fixture
def place(tmp_path: Path, world: World) -> Place:
    return Place(tmp_path, world)


class TestOpening(AwsConformance):
    @pytest.fixture
    def subject(self, place: Place) -> Place:
        return place

    async def test_what_is_not_empty_is_not_taken(self, subject: Place) -> None:
        subject.clone([{"Key": "owner", "Value": "somebody else"}])
        with pytest.raises(PermanentError, match="not empty") as caught:
            await subject.do()
        assert caught.value.code is Code.PRECONDITION_CHANGED
        assert await subject.state() is None

    async def test_a_drill_whose_time_is_over_opens_nothing(self, subject: Place) -> None:
        subject.bubble = subject.of("late", seconds=-1)
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.EXPIRED
        assert await subject.state() is None


# --- Isolation ---


async def test_a_vpc_without_a_way_out_is_proved(place: Place) -> None:
    found = await place.prove()
    assert not found.changed
    assert "No packet was sent" in found.detail


def _internet(place: Place) -> str:
    gateway = place.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    place.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=place.vpc)
    return str(gateway)


def _route(place: Place) -> str:
    gateway = _internet(place)
    (table,) = place.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [place.vpc]}])["RouteTables"]
    place.ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    return f"the route to 0.0.0.0/0 by {gateway}"


def _egress_only(place: Place) -> str:
    made = place.ec2.create_egress_only_internet_gateway(VpcId=place.vpc)
    return str(made["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"])


def _nat(place: Place) -> str:
    made = place.ec2.create_nat_gateway(SubnetId=place.subnet, ConnectivityType="private")
    return str(made["NatGateway"]["NatGatewayId"])


def _peering(place: Place) -> str:
    other = place.ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    made = place.ec2.create_vpc_peering_connection(VpcId=other, PeerVpcId=place.vpc)
    return str(made["VpcPeeringConnection"]["VpcPeeringConnectionId"])


def _transit(place: Place) -> str:
    hub = place.ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    made = place.ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=hub, VpcId=place.vpc, SubnetIds=[place.subnet]
    )
    return str(made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"])


def _vpn(place: Place) -> str:
    gateway = place.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    place.ec2.attach_vpn_gateway(VpcId=place.vpc, VpnGatewayId=gateway)
    return str(gateway)


def _endpoint(place: Place) -> str:
    made = place.ec2.create_vpc_endpoint(VpcId=place.vpc, ServiceName=f"com.amazonaws.{WEST}.s3")
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def _egress(place: Place) -> str:
    everywhere = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    place.ec2.authorize_security_group_egress(GroupId=place.group, IpPermissions=everywhere)
    return f"{place.group} lets out to 0.0.0.0/0"


def _public(place: Place) -> str:
    place.ec2.modify_subnet_attribute(SubnetId=place.subnet, MapPublicIpOnLaunch={"Value": True})
    return f"{place.subnet} gives public addresses"


WAYS = (_internet, _route, _egress_only, _nat, _peering, _transit, _vpn, _endpoint, _egress, _public)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_each_way_out_is_named(place: Place, way: Any) -> None:
    name = way(place)
    with pytest.raises(PermanentError) as caught:
        await place.prove()
    assert caught.value.code is Code.ISOLATION_UNPROVEN
    assert name in caught.value.sentence


async def test_a_subnet_of_another_vpc_proves_nothing(place: Place) -> None:
    place.subnet = "subnet-0123456789abcdef0"
    with pytest.raises(PermanentError, match="subnet-0123456789abcdef0") as caught:
        await place.prove()
    assert caught.value.code is Code.CONFIGURATION


# --- Closing ---


async def test_closing_removes_what_bears_the_mark_and_nothing_else(place: Place) -> None:
    await place.do()
    clone, database = place.clone(), place.clone_of_data()
    volume = place.ec2.create_volume(
        AvailabilityZone=f"{WEST}a",
        Size=1,
        TagSpecifications=[{"ResourceType": "volume", "Tags": place.mark_of()}],
    )["VolumeId"]
    stranger, other = place.clone([{"Key": "seawall:site", "Value": NEW}]), place.clone(place.mark_of(place.of("b")))
    production = place.world.database(WEST)
    found = await place.close()
    assert (found.changed, found.after) == (True, {"leftovers": 0, "removed": 3})
    assert [place.stands(one) for one in (clone, stranger, other)] == ["terminated", "running", "running"]
    assert volume not in {one["VolumeId"] for one in place.ec2.describe_volumes()["Volumes"]}
    assert place.names() & {database, production} == {production}
    assert await place.state() is None
    assert not (await place.close()).changed


async def test_what_takes_its_time_to_end_is_waited_for(place: Place) -> None:
    await place.do()
    clone = place.clone()
    place.sim.control.set_delays({"ec2.instance": 1.0})
    await place.close()
    assert place.stands(clone) == "terminated"


async def test_what_cannot_be_removed_is_told_and_the_lease_stays(place: Place) -> None:
    await place.do()
    database = place.clone_of_data()
    place.rds.modify_db_instance(DBInstanceIdentifier=database, DeletionProtection=True)
    with pytest.raises(OutcomeUnknownError, match=database):
        await place.close()
    assert await place.state() is not None
    place.rds.modify_db_instance(DBInstanceIdentifier=database, DeletionProtection=False)
    await place.close()
    assert await place.state() is None


async def test_more_than_the_runbook_allows_is_not_touched(place: Place) -> None:
    await place.do()
    clones, place.most = [place.clone(), place.clone()], 1
    with pytest.raises(PermanentError) as caught:
        await place.close()
    assert caught.value.code is Code.LIMIT_EXCEEDED
    assert [place.stands(one) for one in clones] == ["running", "running"]


async def test_the_bubble_of_another_run_is_not_closed(place: Place) -> None:
    await place.disturb()
    clone = place.clone()
    with pytest.raises(PermanentError) as caught:
        await place.close()
    assert caught.value.code is Code.PRECONDITION_CHANGED
    assert place.stands(clone) == "running"


@pytest.mark.parametrize(("seconds", "ended"), [(0.5, False), (300, True)], ids=["expired", "its run has ended"])
async def test_what_a_drill_left_behind_is_swept(place: Place, seconds: float, ended: bool) -> None:
    place.bubble = place.of(place.world.name(), seconds)
    await place.do()
    clone = place.clone()
    if not ended:
        await asyncio.sleep(seconds)

    async def has_ended(run: str) -> bool:
        return ended and run == "failover/shop/1"

    assert await place.provider().sweep_bubble(NEW, has_ended) == place.bubble.name
    assert (place.stands(clone), await place.state()) == ("terminated", None)
    assert await place.provider().sweep_bubble(NEW, has_ended) == ""


async def test_a_drill_that_lives_is_not_swept(place: Place) -> None:
    await place.do()

    async def has_ended(run: str) -> bool:
        return False

    assert await place.provider().sweep_bubble(NEW, has_ended) == ""
    assert await place.state() is not None


# --- As the activities ask it ---


async def test_the_activities_ask_the_device_when_there_is_one(place: Place) -> None:
    bench = Bench(Registry(), NEW, place.folder)
    bubbles, asked = Bubbles(bench), place.asked(bubble_device=place.device)
    opened = await ActivityEnvironment().run(bubbles.open_bubble, asked)
    assert opened.after["vpc"] == place.vpc
    assert "leads out" in (await ActivityEnvironment().run(bubbles.prove_isolation, asked)).detail
    assert (await ActivityEnvironment().run(bubbles.close_bubble, asked)).after["leftovers"] == 0
    assert not list(place.folder.glob("bubbles*"))


async def test_a_check_that_could_only_be_tried_inside_is_told_as_not_tried(place: Place) -> None:
    checks = {NEW: [{"kind": "tcp", "host": "10.9.1.4", "port": 5432}]}
    asked = place.asked(bubble_device=place.device)
    component = Component.model_validate(
        {"role": "compute", "kind": "aws.asg", "checks": checks, "settings": {"sites": {}}}
    )
    asked = asked.model_copy(update={"target": asked.target.model_copy(update={"component": component})})
    found = await ActivityEnvironment().run(HealthCheck(Bench(Registry(), NEW, place.folder)).health_check, asked)
    assert found.checks == ()
    assert "1 checks can only be tried from inside" in found.detail
