"""Exactly one effect for a token, and a ledger that says so."""

import pytest
from botocore.exceptions import ClientError

from infra.awssim.faults import Kind, Rule
from infra.awssim.ledger import Outcome
from tests.awssim.world import EAST, WEST, World


def test_a_lost_reply_and_the_sdks_own_retry_make_one_instance(world: World) -> None:
    image, mark = world.image(), world.mark()
    world.sim.control.set_faults([Rule(kind=Kind.CUT, operation="RunInstances", times=1)])
    ran = world.client("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1)
    assert ran["ResponseMetadata"]["RetryAttempts"] == 1
    there = world.client("ec2").describe_instances(Filters=[{"Name": "image-id", "Values": [image]}])
    assert [one["InstanceId"] for group in there["Reservations"] for one in group["Instances"]] == [
        ran["Instances"][0]["InstanceId"]
    ]
    first, second = world.lines("RunInstances", mark)
    assert (first.outcome, first.answered, first.fault) == (Outcome.TOOK_EFFECT, False, "cut")
    assert (second.outcome, second.answered) == (Outcome.REPLAYED, True)
    assert first.token == second.token is not None
    assert first.resources == second.resources == (ran["Instances"][0]["InstanceId"],)


def test_a_lost_reply_without_a_token_makes_two(world: World) -> None:
    """The danger itself: a call that botocore gives no token is carried out twice."""
    volume, mark = world.volume(), world.mark()
    world.sim.control.set_faults([Rule(kind=Kind.CUT, operation="CreateSnapshot", times=1)])
    world.client("ec2").create_snapshot(VolumeId=volume)
    assert world.outcomes("CreateSnapshot", mark) == [Outcome.TOOK_EFFECT] * 2


@pytest.mark.parametrize("operation", ["RunInstances", "CreateVolume", "CopyImage"])
def test_the_same_token_twice_is_one_effect(world: World, operation: str) -> None:
    image, token, mark = world.image(), world.name(), world.mark()
    ec2 = world.client("ec2", EAST)
    calls = {
        "RunInstances": lambda: ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, ClientToken=token),
        "CreateVolume": lambda: ec2.create_volume(AvailabilityZone=f"{EAST}a", Size=1, ClientToken=token),
        "CopyImage": lambda: ec2.copy_image(SourceImageId=image, SourceRegion=EAST, Name="copy", ClientToken=token),
    }
    replies = [calls[operation](), calls[operation]()]
    for reply in replies:
        del reply["ResponseMetadata"]
    assert replies[0] == replies[1]
    assert world.outcomes(operation, mark) == [Outcome.TOOK_EFFECT, Outcome.REPLAYED]


def test_a_token_is_of_one_region(world: World) -> None:
    token, mark = world.name(), world.mark()
    made = {
        world.client("ec2", region).create_volume(AvailabilityZone=f"{region}a", Size=1, ClientToken=token)["VolumeId"]
        for region in (EAST, WEST)
    }
    assert len(made) == 2
    assert [line.region for line in world.lines("CreateVolume", mark)] == [EAST, WEST]


def _other_size(world: World, token: str, size: int) -> None:
    world.client("ec2").create_volume(AvailabilityZone=f"{EAST}a", Size=size, ClientToken=token)


def _other_health_check(world: World, token: str, size: int) -> None:
    config = {"Type": "TCP", "IPAddress": "192.0.2.1", "Port": size}
    world.client("route53").create_health_check(CallerReference=token, HealthCheckConfig=config)


def _other_item(world: World, token: str, size: int) -> None:
    world.client("dynamodb").transact_write_items(
        ClientRequestToken=token,
        TransactItems=[{"Put": {"TableName": "table", "Item": {"id": {"S": str(size)}}}}],
    )


def _other_window(world: World, token: str, size: int) -> None:
    world.client("ssm").create_maintenance_window(
        Name="window",
        Schedule="rate(7 days)",
        Duration=size,
        Cutoff=0,
        AllowUnassociatedTargets=True,
        ClientToken=token,
    )


def _other_cluster(world: World, token: str, size: int) -> None:
    subnets = [one["SubnetId"] for one in world.client("ec2").describe_subnets()["Subnets"]]
    world.client("eks").create_cluster(
        name=f"cluster-{size}",
        roleArn="arn:aws:iam::123456789012:role/cluster",
        resourcesVpcConfig={"subnetIds": subnets[:2]},
        clientRequestToken=token,
    )


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        pytest.param(_other_size, "IdempotentParameterMismatch", id="ec2"),
        pytest.param(_other_health_check, "HealthCheckAlreadyExists", id="rest-xml"),
        pytest.param(_other_item, "IdempotentParameterMismatchException", id="json"),
        pytest.param(_other_window, "IdempotentParameterMismatch", id="json-1.1"),
        pytest.param(_other_cluster, "IdempotentParameterMismatch", id="rest-json"),
    ],
)
def test_a_token_with_other_parameters_is_refused_in_the_services_own_words(world: World, ask, code: str) -> None:
    if ask is _other_item:
        world.client("dynamodb").create_table(
            TableName="table", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )  # fmt: skip
    token, mark = world.name(), world.mark()
    ask(world, token, 1)
    with pytest.raises(ClientError) as caught:
        ask(world, token, 2)
    assert caught.value.response["Error"]["Code"] == code
    assert [line.outcome for line in world.sim.control.ledger(mark)] == [Outcome.TOOK_EFFECT, Outcome.REFUSED]


def test_a_refused_request_leaves_its_token_free(world: World) -> None:
    token, ec2 = world.name(), world.client("ec2")
    with pytest.raises(ClientError):
        ec2.create_volume(AvailabilityZone=f"{EAST}a", SnapshotId="snap-00000000", ClientToken=token)
    assert ec2.create_volume(AvailabilityZone=f"{EAST}a", Size=1, ClientToken=token)["VolumeId"]


def test_the_caller_reference_of_a_zone_is_spent(world: World) -> None:
    route53 = world.client("route53")
    route53.create_hosted_zone(Name="spent.test", CallerReference="spent")
    with pytest.raises(route53.exceptions.HostedZoneAlreadyExists):
        route53.create_hosted_zone(Name="spent.test", CallerReference="spent")


def test_the_ledger_says_who_did_what_to_what(world: World) -> None:
    instance, mark = world.instance(), world.mark()
    world.client("ec2").stop_instances(InstanceIds=[instance])
    world.client("ec2").describe_instances()
    (line,) = world.sim.control.ledger(mark)
    assert (line.number, line.service, line.operation, line.region) == (mark + 1, "ec2", "StopInstances", EAST)
    assert line.identifiers == line.resources == (instance,)
    assert (line.account, line.status, line.error) == ("123456789012", 200, None)


def test_a_dry_run_has_no_effect(world: World) -> None:
    instance, mark = world.instance(), world.mark()
    with pytest.raises(ClientError, match="DryRunOperation"):
        world.client("ec2").terminate_instances(InstanceIds=[instance], DryRun=True)
    assert world.outcomes("TerminateInstances", mark) == [Outcome.REFUSED]


def test_reads_are_counted_and_are_in_no_line(world: World) -> None:
    mark = world.mark()
    before = _count(world)
    world.client("ec2", WEST).describe_volumes()
    assert _count(world) == before + 1
    assert world.mark() == mark


def _count(world: World) -> int:
    return sum(
        found.count
        for found in world.sim.control.calls()
        if (found.region, found.operation) == (WEST, "DescribeVolumes")
    )
