"""States take the time that they are told to take: shown by their order, never by a clock."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from infra.awssim.handle import AwssimError
from tests.awssim.world import WEST, World, record

LONG = 100_000
GIVE_UP = {"Delay": 0, "MaxAttempts": 2}


def _snapshot(world: World) -> dict[str, Any]:
    made = world.client("ec2").create_snapshot(VolumeId=world.volume())
    return {"SnapshotIds": [made["SnapshotId"]]}


def _cluster(world: World) -> dict[str, Any]:
    name = world.name()
    world.client("rds").create_db_cluster(
        DBClusterIdentifier=name, Engine="aurora-postgresql", MasterUsername="app", MasterUserPassword="not-a-secret"
    )
    return {"DBClusterIdentifier": name}


def _database_snapshot(world: World) -> dict[str, Any]:
    database, name = world.database(), world.name()
    world.client("rds").create_db_snapshot(DBInstanceIdentifier=database, DBSnapshotIdentifier=name)
    return {"DBInstanceIdentifier": database, "DBSnapshotIdentifier": name}


def _stopping(world: World) -> dict[str, Any]:
    world.sim.control.set_delays({"ec2.instance": 0})
    instance = world.instance()
    world.sim.control.set_delays({"ec2.instance": LONG})
    world.client("ec2").stop_instances(InstanceIds=[instance])
    return {"InstanceIds": [instance]}


def _change(world: World) -> dict[str, Any]:
    done = world.change(world.zone(), record("UPSERT", "a.example.test", "192.0.2.1"))
    return {"Id": done["ChangeInfo"]["Id"]}


WAITERS: dict[str, tuple[str, str, str, Callable[[World], dict[str, Any]]]] = {
    "an instance starts": ("ec2.instance", "ec2", "instance_running", lambda w: {"InstanceIds": [w.instance()]}),
    "an instance stops": ("ec2.instance", "ec2", "instance_stopped", _stopping),
    "an instance ends": ("ec2.instance", "ec2", "instance_terminated", lambda w: {"InstanceIds": [w.terminated()]}),
    "a snapshot completes": ("ec2.snapshot", "ec2", "snapshot_completed", _snapshot),
    "an image is made": ("ec2.image", "ec2", "image_available", lambda w: {"ImageIds": [w.image()]}),
    "a database is made": (
        "rds.instance",
        "rds",
        "db_instance_available",
        lambda w: {"DBInstanceIdentifier": w.database()},
    ),
    "a cluster is made": ("rds.cluster", "rds", "db_cluster_available", _cluster),
    "a database snapshot is made": ("rds.snapshot", "rds", "db_snapshot_available", _database_snapshot),
    "a change of DNS spreads": ("route53.change", "route53", "resource_record_sets_changed", _change),
}


@pytest.mark.parametrize("case", WAITERS)
def test_a_waiter_waits_until_the_delay_is_over(world: World, case: str) -> None:
    model, service, waiter, make = WAITERS[case]
    world.sim.control.set_delays({model: LONG})
    wanted = make(world)
    waiting = world.client(service).get_waiter(waiter)
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        waiting.wait(**wanted, WaiterConfig=GIVE_UP)
    world.sim.control.set_delays({model: 0})
    assert waiting.wait(**wanted, WaiterConfig={"Delay": 0, "MaxAttempts": 1}) is None


def test_a_group_registers_what_takes_its_time_to_run_as_soon_as_it_runs(world: World) -> None:
    balancing, scaling = world.client("elbv2"), world.client("autoscaling")
    vpc = world.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = balancing.create_target_group(Name=world.name(), Protocol="HTTP", Port=80, VpcId=vpc)
    target = made["TargetGroups"][0]["TargetGroupArn"]
    world.sim.control.set_delays({"ec2.instance": LONG})
    group = world.group(DesiredCapacity=0)
    scaling.attach_load_balancer_target_groups(AutoScalingGroupName=group, TargetGroupARNs=[target])
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=2)
    assert balancing.describe_target_health(TargetGroupArn=target)["TargetHealthDescriptions"] == []
    world.sim.control.set_delays({"ec2.instance": 0})
    end = time.monotonic() + 10
    while len(balancing.describe_target_health(TargetGroupArn=target)["TargetHealthDescriptions"]) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_instance_passes_through_its_states_in_order(world: World) -> None:
    control, ec2, seen = world.sim.control, world.client("ec2"), []
    control.set_delays({"ec2.instance": LONG})
    instance = world.instance()
    steps: tuple[Callable[[], object], ...] = (
        lambda: ec2.stop_instances(InstanceIds=[instance]),
        lambda: ec2.start_instances(InstanceIds=[instance]),
        lambda: ec2.terminate_instances(InstanceIds=[instance]),
        lambda: None,
    )
    for step in steps:
        seen.append(world.look("ec2", instance)["State"])
        control.set_delays({"ec2.instance": 0})
        seen.append(world.look("ec2", instance)["State"])
        control.set_delays({"ec2.instance": LONG})
        step()
    codes = {"pending": 0, "running": 16, "stopping": 64, "stopped": 80, "shutting-down": 32, "terminated": 48}
    names = ["pending", "running", "stopping", "stopped", "pending", "running", "shutting-down", "terminated"]
    assert seen == [{"Name": name, "Code": codes[name]} for name in names]


def test_a_replica_takes_its_time_though_its_source_is_there(world: World) -> None:
    source = world.database()
    world.sim.control.set_delays({"rds.instance": LONG})
    arn = world.look("rds", source)["DBInstanceArn"]
    world.client("rds", WEST).create_db_instance_read_replica(
        DBInstanceIdentifier="late", SourceDBInstanceIdentifier=arn
    )
    assert world.look("rds", "late", WEST)["DBInstanceStatus"] == "creating"
    world.sim.control.set_delays({"rds.instance": 0})
    assert world.look("rds", "late", WEST)["DBInstanceStatus"] == "available"


def test_a_group_counts_what_is_still_starting(world: World) -> None:
    world.sim.control.set_delays({"ec2.instance": LONG})
    scaling, group = world.client("autoscaling"), world.group()
    for _ in range(2):
        scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=3)
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
    states = [world.look("ec2", one["InstanceId"])["State"]["Name"] for one in found["Instances"]]
    assert states == ["pending"] * 3


@pytest.mark.parametrize("delays", [{"ec2.nothing": 1}, {"ec2.instance": -1}])
def test_a_delay_that_means_nothing_is_refused(world: World, delays: dict[str, float]) -> None:
    with pytest.raises(AwssimError):
        world.sim.control.set_delays(delays)
    assert set(world.sim.control.delays().values()) == {0}


def test_the_writer_of_a_global_database_moves_after_its_delay_and_the_old_one_is_taken_in_again(world: World) -> None:
    name, writer, secondary = world.global_database()
    rds = world.client("rds", WEST)

    def writers() -> list[str]:
        (found,) = rds.describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"]
        return [one["DBClusterArn"] for one in found["GlobalClusterMembers"] if one["IsWriter"]]

    def states() -> dict[str, str]:
        (found,) = rds.describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"]
        return {one["DBClusterArn"]: one["SynchronizationStatus"] for one in found["GlobalClusterMembers"]}

    world.sim.control.set_delays({"rds.global-cluster": LONG})
    moved = {"GlobalClusterIdentifier": name, "TargetDbClusterIdentifier": secondary}
    assert rds.failover_global_cluster(**moved, AllowDataLoss=True)["GlobalCluster"]["FailoverState"]["ToDbClusterArn"]
    assert writers() == [writer]
    with pytest.raises(rds.exceptions.InvalidGlobalClusterStateFault):
        rds.switchover_global_cluster(**moved)
    world.sim.control.set_delays({"rds.global-cluster": 0})
    assert writers() == [secondary]
    world.sim.control.set_delays({"rds.global-cluster": LONG})
    assert states() == {writer: "pending-resync", secondary: "connected"}
    world.sim.control.set_delays({"rds.global-cluster": 0})
    assert set(states().values()) == {"connected"}
