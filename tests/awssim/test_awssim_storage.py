"""Storage behaves as documented where moto does not."""

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.awssim.world import EAST, WEST, World


def test_a_shot_of_an_instance_leaves_out_what_it_is_told_to(world: World) -> None:
    ec2, instance = world.client("ec2"), world.instance()
    wanted, spare = world.volume(), world.volume()
    for volume, device in ((wanted, "/dev/sdf"), (spare, "/dev/sdg")):
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)
    spec = {"InstanceId": instance, "ExcludeBootVolume": True, "ExcludeDataVolumeIds": [spare]}
    marked = [{"ResourceType": "snapshot", "Tags": [{"Key": "of", "Value": "one moment"}]}]
    taken = ec2.create_snapshots(InstanceSpecification=spec, TagSpecifications=marked)["Snapshots"]
    assert [one["VolumeId"] for one in taken] == [wanted]
    found = ec2.describe_snapshots(Filters=[{"Name": "tag:of", "Values": ["one moment"]}])["Snapshots"]
    assert [one["SnapshotId"] for one in found] == [taken[0]["SnapshotId"]]


def test_a_copy_of_a_snapshot_waits_for_it_and_does_not_name_its_volume(world: World) -> None:
    ec2, volume = world.client("ec2"), world.volume()
    world.sim.control.set_delays({"ec2.snapshot": 1000})
    taken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    west = world.client("ec2", WEST)
    with pytest.raises(ClientError, match="IncorrectState"):
        west.copy_snapshot(SourceRegion=EAST, SourceSnapshotId=taken)
    world.sim.control.set_delays({"ec2.snapshot": 0})
    made = west.copy_snapshot(SourceRegion=EAST, SourceSnapshotId=taken)["SnapshotId"]
    (found,) = west.describe_snapshots(SnapshotIds=[made])["Snapshots"]
    assert (found["VolumeId"], found["VolumeSize"]) == ("vol-ffffffff", 1)


def test_a_bucket_that_is_denied_takes_writes_of_the_spared_role_only(world: World) -> None:
    bucket, role = world.bucket(), "arn:aws:iam::123456789012:role/copier"
    world.deny(bucket, role)
    s3 = world.client("s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    with pytest.raises(ClientError, match="AccessDenied"):
        # The permission comes before the condition: so a fence is probed without a trace.
        s3.put_object(Bucket=bucket, Key="a", Body=b"a", IfMatch='"0"')
    key = world.client("sts").assume_role(RoleArn=role, RoleSessionName="copier")["Credentials"]
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = dict(zip(names, (key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]), strict=True))
    spared = boto3.session.Session(**keys).client("s3", region_name=EAST, endpoint_url=world.sim.url)
    spared.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}]})["Errors"][0]["Code"] == "AccessDenied"


def test_replicas_of_a_table_hold_the_same_and_name_each_other(world: World) -> None:
    table, west = world.table(WEST), world.client("dynamodb", WEST)
    world.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}})
    assert west.get_item(TableName=table, Key={"id": {"S": "1"}})["Item"]
    west.delete_item(TableName=table, Key={"id": {"S": "1"}})
    assert "Item" not in world.client("dynamodb").get_item(TableName=table, Key={"id": {"S": "1"}})
    for region, other in ((EAST, WEST), (WEST, EAST)):
        found = world.client("dynamodb", region).describe_table(TableName=table)["Table"]
        assert [(one["RegionName"], one["ReplicaStatus"]) for one in found["Replicas"]] == [(other, "ACTIVE")]
        assert f":{region}:" in found["TableArn"]
