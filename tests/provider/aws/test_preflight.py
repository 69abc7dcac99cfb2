"""Preflight, against the simulator: each thing that may be lacking is found, and nothing else is."""

import dataclasses
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from temporalio.testing import ActivityEnvironment

from activities.bench import Bench
from activities.preflight import Preflight
from activities.providers.aws.component import AwsProvider
from activities.providers.aws.settings import AwsSettings, AwsSite
from activities.providers.base import now
from activities.providers.registry import Registry
from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import Simulator
from tests.awssim.world import WEST, World
from tests.provider.aws.kit import worker
from tests.provider.support import NEW, OLD
from workers.cli.doctor_application import application_rows
from workers.settings import read_settings
from workflows.model.messages import PreflightRequest, Target
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component, Role

RUNBOOKS = Path(__file__).parents[3] / "runbooks"
GONE = {
    "image": "ami-0123456789abcdef0",
    "subnet": "subnet-0123456789abcdef0",
    "security_group": "sg-0123456789abcdef0",
    "instance": "i-0123456789abcdef0",
    "key": f"arn:aws:kms:{WEST}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "certificate": f"arn:aws:acm:{WEST}:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
    "target_group": f"arn:aws:elasticloadbalancing:{WEST}:123456789012:targetgroup/gone/0123456789abcdef",
}


class Place(AwsSite):
    """Names whatever it is given, as the settings of many kinds do."""

    names: list[str] = []
    launch: list[dict[str, Any]] = []
    instances: list[str] = []


class Settings(AwsSettings):
    """One place a site."""

    sites: dict[str, Place]
    records: list[dict[str, Any]] = []


class Anything(AwsProvider):
    """A kind whose settings name things, and that is so many seconds behind."""

    kind = "aws.anything"
    role = Role.DATA
    verbs = frozenset()
    Settings = Settings
    behind: ClassVar[float] = 3.0

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts = {"lag_seconds": self.behind}
        return Observation(
            component=component, site=site, observer=observer, reach=Reach.STANDBY, at=now(), facts=facts
        )


class Estate:
    """What a recovery needs in the west, all of it there."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.ec2 = world, folder, world.client("ec2", WEST)
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/28", AvailabilityZone=f"{WEST}a")
        self.subnet = str(made["Subnet"]["SubnetId"])
        self.group = str(self.ec2.create_security_group(GroupName="a", Description="a", VpcId=vpc)["GroupId"])
        self.image = world.image(WEST)
        template = {"ImageId": self.image, "InstanceType": "t3.micro"}
        made = self.ec2.create_launch_template(LaunchTemplateName=world.name(), LaunchTemplateData=template)
        self.template = str(made["LaunchTemplate"]["LaunchTemplateId"])
        self.made: list[str] = []
        """Instances, to be removed: what runs counts against the quota of the tests that follow."""

    def launch(self, **other: Any) -> dict[str, Any]:
        one = {
            "name": "web",
            "template": self.template,
            "template_version": 1,
            "image": self.image,
            "subnets": [self.subnet],
            "instance_types": ["t3.micro"],
            "security_groups": [self.group],
        }
        return {**one, **other}

    async def findings(
        self, *launch: dict[str, Any], rpo: timedelta | None = None, records: Any = (), **place: Any
    ) -> dict[str, str]:
        """Code and sentence of everything found; a `!` before what blocks a recovery."""
        site = {"region": WEST, "launch": list(launch), **place}
        settings = Settings.model_validate({"sites": {NEW: site}, "records": list(records)})
        found = await Anything(settings, worker(self.folder)).preflight("web", NEW, rpo)
        assert all(one.next_step for one in found)
        return {f"{'!' if one.blocking else ''}{one.code}": one.sentence for one in found}

    async def blocking(self, kind: str, **place: Any) -> list[str]:
        """Codes of what blocks a component of that kind."""
        provider = Registry().get(kind)
        settings = provider.Settings.model_validate({"sites": {NEW: {"region": WEST, **place}}})
        found = await provider(settings, worker(self.folder)).preflight("web", NEW)
        return [one.code for one in found if one.blocking]


@pytest.fixture
def estate(world: World, tmp_path: Path) -> Iterator[Estate]:
    made = Estate(world, tmp_path)
    yield made
    if made.made:
        made.ec2.terminate_instances(InstanceIds=made.made)


async def test_nothing_is_found_where_nothing_is_lacking(estate: Estate) -> None:
    assert await estate.findings(estate.launch(), rpo=timedelta(seconds=5)) == {}
    assert (
        estate.ec2.describe_instances(Filters=[{"Name": "subnet-id", "Values": [estate.subnet]}])["Reservations"] == []
    )


@pytest.mark.parametrize("what", GONE)
async def test_what_the_runbook_names_and_the_region_lacks_is_found(estate: Estate, what: str) -> None:
    found = await estate.findings(names=[GONE[what]])
    assert list(found) == [f"!{what.upper()}_MISSING"]
    assert GONE[what] in found[f"!{what.upper()}_MISSING"]


async def test_a_table_that_is_not_there_is_found(estate: Estate) -> None:
    assert list(await estate.findings(register_table="elsewhere")) == ["!REGISTER_MISSING"]


async def test_a_key_that_cannot_be_used_is_found(estate: Estate) -> None:
    kms = estate.world.client("kms", WEST)
    key = kms.create_key()["KeyMetadata"]
    assert await estate.findings(names=[key["Arn"]]) == {}
    kms.disable_key(KeyId=key["KeyId"])
    assert list(await estate.findings(names=[key["Arn"]])) == ["!KEY_UNUSABLE"]


async def test_a_subnet_with_too_few_addresses_is_found(estate: Estate) -> None:
    """Eleven are free in a /28."""
    twelve = [estate.launch(name=f"web-{number}", instance_types=["g4dn.xlarge"]) for number in range(12)]
    found = await estate.findings(*twelve)
    assert "11 free addresses, and 12 are wanted" in found["!ADDRESSES_SHORT"]


async def test_a_type_that_no_zone_offers_is_found(estate: Estate) -> None:
    found = await estate.findings(estate.launch(instance_types=["m99.large"]))
    assert "!TYPE_NOT_OFFERED" in found
    found = await estate.findings(estate.launch(instance_types=["t3.micro", "m99.large"]))
    assert list(found) == ["TYPE_NOT_OFFERED"], "a fallback that will not do does not block"


async def test_a_quota_that_is_too_small_is_found(estate: Estate) -> None:
    """A new account may run 5 vCPUs; a t3.micro has two."""
    assert await estate.findings(*(estate.launch(name=name) for name in "ab")) == {}
    found = await estate.findings(*(estate.launch(name=name) for name in "abc"))
    assert "6 vCPUs would be started" in found["!QUOTA_SHORT"]


async def test_what_runs_counts_against_the_quota(estate: Estate) -> None:
    ran = estate.ec2.run_instances(
        ImageId=estate.image, InstanceType="t3.micro", SubnetId=estate.subnet, MinCount=2, MaxCount=2
    )
    ids = [one["InstanceId"] for one in ran["Instances"]]
    found = await estate.findings(estate.launch())
    estate.ec2.terminate_instances(InstanceIds=ids)
    assert "4 run there" in found["!QUOTA_SHORT"]


async def test_a_permission_that_is_lacking_is_found_by_a_dry_run(estate: Estate, world: World) -> None:
    """By AWS's word for it; the simulator gives errors by rule with a status of its own."""
    rule = Rule(kind=Kind.ERROR, operation="RunInstances", status=500, code="UnauthorizedOperation")
    world.sim.control.set_faults([rule])
    assert list(await estate.findings(estate.launch())) == ["!PERMISSION_MISSING"]


async def test_stopped_instances_want_room_and_permission(estate: Estate, world: World) -> None:
    ran = estate.ec2.run_instances(
        ImageId=estate.image, InstanceType="t3.micro", SubnetId=estate.subnet, MinCount=3, MaxCount=3
    )
    ids = [one["InstanceId"] for one in ran["Instances"]]
    estate.ec2.stop_instances(InstanceIds=ids)
    mark = world.mark()
    found = await estate.findings(instances=ids)
    assert "6 vCPUs would be started" in found["!QUOTA_SHORT"]
    assert world.outcomes("StartInstances", mark) == ["refused"], "a dry run, and nothing more"
    estate.ec2.terminate_instances(InstanceIds=ids)


async def test_a_group_that_cannot_grow_to_its_size_is_found(estate: Estate) -> None:
    name = estate.world.name()
    estate.world.client("autoscaling", WEST).create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateId": estate.template, "Version": "1"},
        VPCZoneIdentifier=estate.subnet,
        MinSize=0,
        MaxSize=20,
        DesiredCapacity=0,
    )
    assert await estate.blocking("aws.asg", group=name, desired=12) == ["ADDRESSES_SHORT", "QUOTA_SHORT"]


async def test_a_node_group_that_cannot_grow_to_its_size_is_found(estate: Estate) -> None:
    eks, name = estate.world.client("eks", WEST), estate.world.name()
    role = "arn:aws:iam::123456789012:role/nodes"
    eks.create_cluster(name=name, roleArn=role, resourcesVpcConfig={"subnetIds": [estate.subnet]})
    sizes = {"minSize": 0, "maxSize": 20, "desiredSize": 0}
    for kind in ("ON_DEMAND", "SPOT"):
        eks.create_nodegroup(
            clusterName=name,
            nodegroupName=kind,
            nodeRole=role,
            subnets=[estate.subnet],
            scalingConfig=sizes,
            instanceTypes=["t3.micro"],
            capacityType=kind,
        )
    assert await estate.blocking("aws.eks", cluster=name, nodegroups=[{"name": "ON_DEMAND", "desired": 12}]) == [
        "ADDRESSES_SHORT",
        "QUOTA_SHORT",
    ]
    for desired, found in ((2, []), (3, ["QUOTA_SHORT"])):
        spot = await estate.blocking("aws.eks", cluster=name, nodegroups=[{"name": "SPOT", "desired": desired}])
        assert spot == found, "its quota is another one"
    assert await estate.blocking("aws.eks", cluster=name, nodegroups=[{"name": "nobody", "desired": 12}]) == []


async def test_tasks_that_find_no_address_are_found(estate: Estate) -> None:
    ecs, name = estate.world.client("ecs", WEST), estate.world.name()
    ecs.create_cluster(clusterName=name)
    container = {"name": "web", "image": "web", "memory": 128}
    ecs.register_task_definition(family=name, containerDefinitions=[container], networkMode="awsvpc")
    ecs.create_service(
        cluster=name,
        serviceName=name,
        taskDefinition=name,
        desiredCount=0,
        networkConfiguration={"awsvpcConfiguration": {"subnets": [estate.subnet], "securityGroups": []}},
    )
    for desired, found in ((11, []), (12, ["ADDRESSES_SHORT"])):
        assert await estate.blocking("aws.ecs", cluster=name, services=[{"name": name, "desired": desired}]) == found


async def test_tasks_that_are_more_than_fargate_may_run_are_found(estate: Estate) -> None:
    """Six vCPUs, of which a metric of AWS's own says how many run."""
    ecs, name = estate.world.client("ecs", WEST), estate.world.name()
    ecs.create_cluster(clusterName=name)
    container = {"name": "web", "image": "web", "memory": 128}
    ecs.register_task_definition(
        family=name, containerDefinitions=[container], networkMode="awsvpc", cpu="2048", memory="4096"
    )
    ecs.create_service(
        cluster=name,
        serviceName=name,
        taskDefinition=name,
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [estate.subnet], "securityGroups": []}},
    )
    for desired, found in ((3, []), (4, ["QUOTA_SHORT"])):
        assert await estate.blocking("aws.ecs", cluster=name, services=[{"name": name, "desired": desired}]) == found
    used = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": "On-Demand"}
    dimensions = [{"Name": key, "Value": value} for key, value in used.items()]
    datum = {"MetricName": "ResourceCount", "Dimensions": dimensions, "Value": 1.0, "Timestamp": now()}
    estate.world.client("cloudwatch", WEST).put_metric_data(Namespace="AWS/Usage", MetricData=[datum])
    assert await estate.blocking("aws.ecs", cluster=name, services=[{"name": name, "desired": 3}]) == ["QUOTA_SHORT"]


async def test_what_stands_already_is_not_launched_again(estate: Estate) -> None:
    """Two of three run or wait since the last recovery: the third fits into the quota."""
    names = ("one", "two", "three")
    labels = {"seawall:component": "web", "seawall:site": NEW}
    for name in names[:2]:
        tags = [{"Key": key, "Value": value} for key, value in {"Name": name, **labels}.items()]
        made = estate.ec2.run_instances(
            ImageId=estate.image,
            InstanceType="t3.micro",
            SubnetId=estate.subnet,
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )["Instances"][0]["InstanceId"]
        estate.made.append(made)
    launch = [estate.launch(name=name) for name in names]
    found = await estate.findings(*launch)
    assert "2 vCPUs would be started" in found["!QUOTA_SHORT"]
    assert "4 run there" in found["!QUOTA_SHORT"]
    estate.ec2.stop_instances(InstanceIds=estate.made)
    assert "6 vCPUs would be started" in (await estate.findings(*launch))["!QUOTA_SHORT"]
    mark = estate.world.mark()
    await estate.findings(*launch[:2])
    assert estate.world.outcomes("RunInstances", mark) == []
    assert estate.world.outcomes("StartInstances", mark) == ["refused"], "a dry run"


async def test_the_dry_run_has_the_role_that_would_start(estate: Estate) -> None:
    """Who only looks may start nothing, and would be told so."""
    roles = {"observe": "111111111111", "failover": "222222222222"}
    arns = {duty: f"arn:aws:iam::{account}:role/seawall-{duty}" for duty, account in roles.items()}
    mark = estate.world.mark()
    await estate.findings(estate.launch(), roles=arns)
    (asked,) = estate.world.lines("RunInstances", mark)
    assert (asked.account, asked.outcome) == (roles["failover"], "refused")


async def test_a_run_is_told_what_its_standby_lacks(estate: Estate) -> None:
    """Quota, image and key, of three components; and what of them could not be asked."""
    site = {"region": WEST}
    web = {"launch": [estate.launch(name=name, image=GONE["image"]) for name in "abc"]}
    database = {
        "instance": "shop-db",
        "instance_class": "db.t3.medium",
        "subnet_group": "shop",
        "security_groups": [estate.group],
        "isolation_group": GONE["security_group"],
        "kms_key": GONE["key"],
    }
    parts = {
        "web": {"role": "compute", "kind": "aws.ec2", "settings": {"sites": {NEW: {**site, **web}}}},
        "db": {
            "role": "data",
            "kind": "aws.rds",
            "replication": {"mode": "continuous"},
            "settings": {"sites": {NEW: {**site, **database}}},
        },
        "queue": {"role": "compute", "kind": "aws.lambda", "settings": {}},
    }
    targets = tuple(
        Target(name=name, component=Component.model_validate(part), site=NEW, source=OLD, target=NEW)
        for name, part in parts.items()
    )
    ask = Preflight(Bench(Registry(), NEW, estate.folder)).preflight
    told = await ActivityEnvironment().run(ask, PreflightRequest(targets=targets, rpo=timedelta(minutes=5)))
    found = {(one.code, one.blocking) for one in told.findings}
    assert found >= {("QUOTA_SHORT", True), ("IMAGE_MISSING", True), ("KEY_MISSING", True), ("PREFLIGHT_SILENT", False)}
    assert len(set(told.findings)) == len(told.findings)


async def test_a_replica_that_is_too_far_behind_is_found(estate: Estate) -> None:
    found = await estate.findings(rpo=timedelta(seconds=1))
    assert "3 s behind" in found["REPLICATION_OLD"]


async def test_a_record_that_clients_keep_for_long_is_found(estate: Estate) -> None:
    zone = estate.world.zone()
    record = {"zone": zone.rpartition("/")[2], "name": "a.example.test", "type": "A"}
    assert "!RECORD_MISSING" in await estate.findings(records=[record])
    values = {"Type": "A", "TTL": 3600, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    estate.world.change(zone, {"Action": "CREATE", "ResourceRecordSet": {"Name": "a.example.test", **values}})
    assert "3600 s" in (await estate.findings(records=[record]))["TTL_LONG"]


async def test_a_region_that_does_not_answer_is_one_finding(estate: Estate, world: World) -> None:
    world.sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=WEST)])
    assert list(await estate.findings(estate.launch())) == ["!REGION_SILENT"]


async def test_what_is_refused_hides_nothing_of_the_rest(estate: Estate, world: World) -> None:
    rule = Rule(kind=Kind.ERROR, operation="DescribeKey", status=500, code="AccessDeniedException")
    world.sim.control.set_faults([rule])
    found = await estate.findings(*(estate.launch(name=name) for name in "abc"), names=[GONE["key"]])
    assert list(found) == ["!PERMISSION", "!QUOTA_SHORT"]


async def test_the_certificate_that_users_meet_is_looked_at(estate: Estate) -> None:
    """Behind a target group stands a balancer, and at its listener a certificate."""
    key, certificate = _self_signed(days=7)
    arn = estate.world.client("acm", WEST).import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    elb = estate.world.client("elbv2", WEST)
    vpc = estate.ec2.describe_subnets(SubnetIds=[estate.subnet])["Subnets"][0]["VpcId"]
    group = elb.create_target_group(Name=estate.world.name(), Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
    assert await estate.findings(names=[group["TargetGroupArn"]]) == {}
    balancer = elb.create_load_balancer(Name=estate.world.name(), Subnets=[estate.subnet])["LoadBalancers"][0]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": arn}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
    )
    found = await estate.findings(names=[group["TargetGroupArn"]])
    assert list(found) == ["CERTIFICATE_ENDS"], "seven days are left: it does not block, and wants to be renewed"


def _self_signed(days: int) -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example.test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, made.public_bytes(pem)


def test_the_doctor_asks_each_site_of_an_application(sim: Simulator, tmp_path: Path) -> None:
    """Nothing of what the shipped runbook names is there."""
    for name, copy in (("cloud-archive.yaml", ""), ("cloud-archive.values.example.yaml", "cloud-archive.values.yaml")):
        shutil.copy(RUNBOOKS / name, tmp_path / (copy or name))
    rows = application_rows(dataclasses.replace(read_settings(), runbooks=tmp_path), "cloud-archive")
    found = {(row.name, row.detail.partition(":")[0]) for row in rows if row.good is False and row.mend}
    for site in ("primary", "recovery"):
        assert (f"web at {site}", "SUBNET_MISSING") in found
        assert (f"index at {site}", "KEY_MISSING") in found
    assert not any(row.good for row in rows)
