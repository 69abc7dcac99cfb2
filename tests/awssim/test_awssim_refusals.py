"""What AWS refuses is refused here, wholly, and nothing else is."""

import pytest
from botocore.exceptions import ClientError

from infra.awssim.ledger import Outcome
from tests.awssim.world import EAST, WEST, World, record


def test_a_terminated_instance_is_not_started_nor_are_those_beside_it(world: World) -> None:
    stopped, gone, ec2 = world.instance(), world.terminated(), world.client("ec2")
    ec2.stop_instances(InstanceIds=[stopped])
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[stopped, gone])
    assert world.look("ec2", stopped)["State"] == {"Code": 80, "Name": "stopped"}
    assert world.outcomes("StartInstances")[-1] is Outcome.REFUSED
    ec2.start_instances(InstanceIds=[stopped])
    assert world.look("ec2", stopped)["State"] == {"Code": 16, "Name": "running"}


def test_a_terminated_instance_is_not_stopped(world: World) -> None:
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        world.client("ec2").stop_instances(InstanceIds=[world.terminated()])


def test_a_volume_is_attached_once_and_in_its_own_zone(world: World) -> None:
    ec2, near, far = world.client("ec2"), world.instance(f"{EAST}a"), world.instance(f"{EAST}b")
    volume = world.volume(f"{EAST}a")
    with pytest.raises(ClientError, match=r"InvalidVolume\.ZoneMismatch"):
        ec2.attach_volume(VolumeId=volume, InstanceId=far, Device="/dev/sdf")
    ec2.attach_volume(VolumeId=volume, InstanceId=near, Device="/dev/sdf")
    with pytest.raises(ClientError, match="VolumeInUse"):
        ec2.attach_volume(VolumeId=volume, InstanceId=near, Device="/dev/sdg")
    attached = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"]
    assert [(one["InstanceId"], one["Device"]) for one in attached] == [(near, "/dev/sdf")]


def test_a_volume_is_not_attached_to_what_is_gone(world: World) -> None:
    with pytest.raises(ClientError, match="IncorrectState"):
        world.client("ec2").attach_volume(VolumeId=world.volume(), InstanceId=world.terminated(), Device="/dev/sdf")


@pytest.mark.parametrize("wanted", [4, -1])
def test_a_group_keeps_its_sizes(world: World, wanted: int) -> None:
    scaling, group = world.client("autoscaling"), world.group()
    with pytest.raises(ClientError, match="ValidationError"):
        scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=wanted)
    with pytest.raises(ClientError, match="must be between"):
        scaling.update_auto_scaling_group(AutoScalingGroupName=group, DesiredCapacity=wanted)
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
    assert (found["DesiredCapacity"], len(found["Instances"])) == (1, 1)


def test_a_group_may_grow_with_its_maximum(world: World) -> None:
    scaling, group = world.client("autoscaling"), world.group()
    scaling.update_auto_scaling_group(AutoScalingGroupName=group, MaxSize=5, DesiredCapacity=5)
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
    assert len(found["Instances"]) == 5


def test_a_record_is_created_once(world: World) -> None:
    zone = world.zone()
    world.change(zone, record("CREATE", "a.example.test", "192.0.2.1"))
    with pytest.raises(ClientError, match="InvalidChangeBatch"):
        world.change(zone, record("CREATE", "a.example.test", "192.0.2.2"))
    assert world.records(zone) == {"a.example.test.": ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("a.example.test", "192.0.2.9", "do not match the current values"),
        ("b.example.test", "192.0.2.1", "was not found"),
    ],
)
def test_a_delete_names_exactly_what_stands(world: World, name: str, value: str, why: str) -> None:
    zone = world.zone()
    world.change(zone, record("CREATE", "a.example.test", "192.0.2.1"))
    with pytest.raises(ClientError, match=why):
        world.change(zone, record("DELETE", name, value))
    assert world.records(zone) == {"a.example.test.": ["192.0.2.1"]}
    world.change(zone, record("DELETE", "a.example.test", "192.0.2.1"))
    assert world.records(zone) == {}


def test_a_compare_and_set_is_a_delete_and_a_create_in_one_batch(world: World) -> None:
    zone = world.zone()
    world.change(zone, record("CREATE", "a.example.test", "192.0.2.1"))
    flip = (record("DELETE", "a.example.test", "192.0.2.1"), record("CREATE", "a.example.test", "192.0.2.2"))
    world.change(zone, *flip)
    with pytest.raises(ClientError, match="InvalidChangeBatch"):
        world.change(zone, *flip)
    assert world.records(zone) == {"a.example.test.": ["192.0.2.2"]}


@pytest.mark.parametrize(
    "bad",
    [
        record("CREATE", "a.example.test", "192.0.2.2"),
        record("DELETE", "c.example.test", "192.0.2.2"),
        record("UPSERT", "a.example.org", "192.0.2.2"),
        record("UPSERT", "notexample.test", "192.0.2.2"),
    ],
)
def test_a_batch_is_all_or_nothing(world: World, bad) -> None:
    zone = world.zone()
    world.change(zone, record("CREATE", "a.example.test", "192.0.2.1"))
    with pytest.raises(ClientError, match="InvalidChangeBatch"):
        world.change(zone, record("UPSERT", "b.example.test", "192.0.2.2"), bad)
    assert world.records(zone) == {"a.example.test.": ["192.0.2.1"]}


def test_what_is_listed_can_be_deleted_as_it_is_listed(world: World) -> None:
    """The way in which a compare-and-set is built: what was read is the condition."""
    zone, route53 = world.zone(), world.client("route53")
    alias = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "lb.example.org", "EvaluateTargetHealth": True}
    world.change(
        zone,
        record("CREATE", "a.example.test", "192.0.2.2", "192.0.2.1"),
        record("CREATE", "b.example.test", "192.0.2.1", SetIdentifier="primary", Weight=0),
        record("CREATE", "b.example.test", "192.0.2.2", SetIdentifier="recovery", Weight=100),
        record("CREATE", "c.example.test", "192.0.2.1", SetIdentifier="primary", Failover="PRIMARY"),
        {"Action": "CREATE", "ResourceRecordSet": {"Name": "d.example.test.", "Type": "A", "AliasTarget": alias}},
    )

    def listed() -> list[dict]:
        found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return [one for one in found if one["Type"] == "A"]

    assert len(listed()) == 5
    for found in listed():
        world.change(zone, {"Action": "DELETE", "ResourceRecordSet": found})
    assert listed() == []
    route53.delete_hosted_zone(Id=zone)


def test_names_may_share_a_set_identifier(world: World) -> None:
    zone, weighted = world.zone(), {"SetIdentifier": "primary", "Weight": 1}
    for name in ("a", "b"):
        world.change(zone, record("CREATE", f"{name}.example.test", "192.0.2.1", **weighted))
    world.change(zone, record("DELETE", "a.example.test", "192.0.2.1", **weighted))
    assert world.records(zone) == {"b.example.test.": ["192.0.2.1"]}


def test_a_promoted_replica_and_its_source_forget_each_other(world: World) -> None:
    source, replica = world.replica()
    assert world.look("rds", replica, WEST)["ReadReplicaSourceDBInstanceIdentifier"]
    assert len(world.look("rds", source)["ReadReplicaDBInstanceIdentifiers"]) == 1
    rds = world.client("rds", WEST)
    rds.promote_read_replica(DBInstanceIdentifier=replica)
    assert "ReadReplicaSourceDBInstanceIdentifier" not in world.look("rds", replica, WEST)
    assert world.look("rds", source)["ReadReplicaDBInstanceIdentifiers"] == []
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault):
        rds.promote_read_replica(DBInstanceIdentifier=replica)


def test_a_replica_elsewhere_can_be_deleted(world: World) -> None:
    source, replica = world.replica()
    world.client("rds", WEST).delete_db_instance(DBInstanceIdentifier=replica, SkipFinalSnapshot=True)
    assert world.look("rds", source)["ReadReplicaDBInstanceIdentifiers"] == []


def test_a_renamed_source_is_followed_under_its_new_name_and_a_taken_name_is_refused(world: World) -> None:
    (source, replica), name = world.replica(), world.name()
    rds = world.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=source, NewDBInstanceIdentifier=name, ApplyImmediately=True)
    follows = world.look("rds", replica, WEST)["ReadReplicaSourceDBInstanceIdentifier"]
    assert follows == world.look("rds", name)["DBInstanceArn"]
    with pytest.raises(rds.exceptions.DBInstanceAlreadyExistsFault):
        rds.modify_db_instance(DBInstanceIdentifier=name, NewDBInstanceIdentifier=world.database())
    assert world.look("rds", name)["DBInstanceStatus"] == "available"


def test_a_replica_has_no_backups_and_none_is_made_of_what_has_none(world: World) -> None:
    _, replica = world.replica()
    found = world.look("rds", replica, WEST)
    assert found["BackupRetentionPeriod"] == 0
    rds = world.client("rds", WEST)
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault):
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=world.name(), SourceDBInstanceIdentifier=found["DBInstanceArn"]
        )
    with pytest.raises(rds.exceptions.DBInstanceAlreadyExistsFault):
        rds.create_db_instance_read_replica(DBInstanceIdentifier=replica, SourceDBInstanceIdentifier=world.database())
