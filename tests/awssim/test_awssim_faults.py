"""Each fault reaches the program as the exception that boto3 itself raises, and leaves the effect that it says."""

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import AwssimError, Simulator
from infra.awssim.ledger import Outcome
from tests.awssim.world import EAST, WEST, World

THROTTLES = {
    ("ec2", "describe_instances"): ("RequestLimitExceeded", 503),
    ("rds", "describe_db_instances"): ("Throttling", 400),
    ("autoscaling", "describe_auto_scaling_groups"): ("Throttling", 400),
    ("route53", "list_hosted_zones"): ("Throttling", 400),
    ("dynamodb", "list_tables"): ("ThrottlingException", 400),
    ("ssm", "describe_parameters"): ("ThrottlingException", 400),
    ("lambda", "list_functions"): ("TooManyRequestsException", 429),
    ("s3", "list_buckets"): ("SlowDown", 503),
}


@pytest.mark.parametrize(("service", "verb"), THROTTLES)
def test_a_throttle_is_in_the_services_own_words_and_the_sdk_gets_over_it(
    world: World, service: str, verb: str
) -> None:
    code, status = THROTTLES[service, verb]
    world.sim.control.set_faults([Rule(kind=Kind.THROTTLE, service=service, times=2)])
    with pytest.raises(ClientError) as caught:
        getattr(world.once(service), verb)()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    reply = getattr(world.client(service), verb)()
    assert reply["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize(
    ("service", "verb", "status", "code"),
    [
        ("ec2", "describe_instances", 500, "InternalError"),
        ("ec2", "describe_instances", 503, "ServiceUnavailable"),
        ("rds", "describe_db_instances", 503, "ServiceUnavailable"),
        ("dynamodb", "list_tables", 500, "InternalFailure"),
        ("eks", "list_clusters", 503, "ServiceUnavailable"),
    ],
)
def test_an_error_of_the_service(world: World, service: str, verb: str, status: int, code: str) -> None:
    world.sim.control.set_faults([Rule(kind=Kind.ERROR, service=service, status=status, times=1)])
    with pytest.raises(ClientError) as caught:
        getattr(world.once(service), verb)()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_error_to_a_head_request_has_no_body_to_tell_it_in(world: World) -> None:
    s3 = world.once("s3", EAST)
    s3.create_bucket(Bucket="headed")
    assert s3.head_bucket(Bucket="headed")["BucketRegion"] == EAST
    world.sim.control.set_faults([Rule(kind=Kind.THROTTLE, service="s3")])
    with pytest.raises(ClientError) as caught:
        s3.head_bucket(Bucket="headed")
    assert caught.value.response["Error"] == {"Code": "503", "Message": "Service Unavailable"}


def test_capacity_is_short_for_one_type_and_there_for_another(world: World) -> None:
    world.sim.control.set_faults([Rule(kind=Kind.CAPACITY, region=EAST, contains="m5.large")])
    image, ec2, mark = world.image(), world.once("ec2"), world.mark()
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="m5.large")
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="m5a.large")
    assert world.outcomes("RunInstances", mark) == [Outcome.REFUSED, Outcome.TOOK_EFFECT]


def test_a_cut_reply_is_a_closed_connection_and_an_effect(world: World) -> None:
    volume, mark = world.volume(), world.mark()
    world.sim.control.set_faults([Rule(kind=Kind.CUT, operation="DeleteVolume")])
    with pytest.raises(ConnectionClosedError):
        world.once("ec2").delete_volume(VolumeId=volume)
    (line,) = world.lines("DeleteVolume", mark)
    assert (line.outcome, line.answered, line.resources) == (Outcome.TOOK_EFFECT, False, (volume,))
    with pytest.raises(ClientError, match="NotFound"):
        world.client("ec2").describe_volumes(VolumeIds=[volume])


def test_a_hang_is_a_timeout_without_effect(world: World) -> None:
    volume, mark = world.volume(), world.mark()
    world.sim.control.set_faults([Rule(kind=Kind.HANG, operation="DeleteVolume", seconds=600)])
    with pytest.raises(ReadTimeoutError):
        world.once("ec2", read_timeout=0.2).delete_volume(VolumeId=volume)
    assert world.outcomes("DeleteVolume", mark) == [Outcome.UNREACHED]
    assert world.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"]


def test_a_latency_is_longer_than_the_program_waits_and_the_effect_comes_all_the_same(world: World) -> None:
    volume, mark = world.volume(), world.mark()
    world.sim.control.set_faults([Rule(kind=Kind.LATENCY, operation="DeleteVolume", seconds=600)])
    with pytest.raises(ReadTimeoutError):
        world.once("ec2", read_timeout=0.2).delete_volume(VolumeId=volume)
    assert world.outcomes("DeleteVolume", mark) == []
    world.sim.control.clear_faults()  # lets go of what waits
    waiter = world.client("ec2").get_waiter("volume_deleted")
    waiter.wait(VolumeIds=[volume], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert world.outcomes("DeleteVolume", mark) == [Outcome.TOOK_EFFECT]


def test_a_region_that_is_gone_leaves_the_other(world: World) -> None:
    mark = world.mark()
    world.sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
    for service, verb in (("ec2", "describe_instances"), ("rds", "describe_db_instances"), ("s3", "list_buckets")):
        with pytest.raises(ConnectionClosedError):
            getattr(world.once(service, EAST), verb)()
        assert getattr(world.once(service, WEST), verb)()
    with pytest.raises(ConnectionClosedError):
        world.once("ec2", EAST).create_volume(AvailabilityZone=f"{EAST}a", Size=1)
    assert world.outcomes("CreateVolume", mark) == [Outcome.UNREACHED]


@pytest.mark.parametrize("with_global", [False, True])
def test_global_services_go_with_their_region_when_asked(world: World, with_global: bool) -> None:
    world.sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST, with_global=with_global)])
    # The region of the client does not matter: the control plane of Route 53 is where it is.
    route53 = world.once("route53", WEST)
    if not with_global:
        assert "HostedZones" in route53.list_hosted_zones()
        return
    with pytest.raises(ConnectionClosedError):
        route53.list_hosted_zones()


def test_a_seed_meets_the_same_calls_again(world: World) -> None:
    ec2 = world.once("ec2")

    def run(seed: int) -> list[bool]:
        world.sim.control.set_faults([Rule(kind=Kind.ERROR, probability=0.5, seed=seed, service="ec2")])
        return [_succeeds(ec2) for _ in range(20)]

    first = run(7)
    assert first == run(7)
    assert first != run(8)
    assert {True, False} == set(first)


def _succeeds(ec2) -> bool:
    try:
        ec2.describe_volumes()
    except ClientError:
        return False
    return True


def test_a_rule_that_means_nothing_is_refused(world: World) -> None:
    with pytest.raises(AwssimError, match="kind"):
        world.sim.control._ask("PUT", "faults", b'[{"kind": "meteor"}]')


def test_with_a_third_of_all_replies_lost_every_effect_is_there_once(sim: Simulator, world: World) -> None:
    """The SDK's retries and tokens alone; what has no token is for the program to look up."""
    image, mark = world.image(), world.mark()
    sim.control.set_faults([Rule(kind=Kind.CUT, probability=0.3, seed=3, operation="RunInstances")])
    ec2 = sim.client("ec2", EAST, retries={"total_max_attempts": 12, "mode": "standard"})
    made = [ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"] for _ in range(10)]
    sim.control.clear_faults()
    there = ec2.describe_instances(Filters=[{"Name": "image-id", "Values": [image]}])["Reservations"]
    assert sorted(one["InstanceId"] for group in there for one in group["Instances"]) == sorted(made)
    outcomes = world.outcomes("RunInstances", mark)
    assert outcomes.count(Outcome.TOOK_EFFECT) == 10
    assert Outcome.REPLAYED in outcomes
