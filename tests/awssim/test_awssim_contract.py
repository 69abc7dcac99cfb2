"""Every patched operation answers, and refuses, in the words of botocore's service model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from infra.awssim.patches import PATCHES
from tests.awssim.contract import faults_of_error, faults_of_reply
from tests.awssim.world import EAST, WEST, World, record, seconds

Params = Callable[[World], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One operation, asked once as it should be and once as it should not."""

    service: str
    good: Params
    bad: Params
    region: str = EAST


def _attachment(world: World, instance_zone: str) -> dict[str, Any]:
    return {"VolumeId": world.volume(), "InstanceId": world.instance(instance_zone), "Device": "/dev/sdf"}


def _batch(world: World, action: str) -> dict[str, Any]:
    changes = [record(action, "a.example.test", "192.0.2.1")]
    return {"HostedZoneId": world.zone(), "ChangeBatch": {"Changes": changes}}


def _new_group(world: World, desired: int) -> dict[str, Any]:
    made = world.group()
    sizes = {"MinSize": 0, "MaxSize": 1, "DesiredCapacity": desired, "AvailabilityZones": [f"{EAST}a"]}
    return {"AutoScalingGroupName": world.name(), "LaunchConfigurationName": made, **sizes}


def _new_replica(world: World, source: str) -> dict[str, Any]:
    return {"DBInstanceIdentifier": world.name(), "SourceDBInstanceIdentifier": source}


def _database_snapshot(world: World, delay: float = 0) -> str:
    world.sim.control.set_delays({"rds.snapshot": delay})
    name = world.name()
    world.client("rds").create_db_snapshot(DBInstanceIdentifier=world.database(), DBSnapshotIdentifier=name)
    return name


def _move(world: World, target: str = "") -> dict[str, str]:
    world.sim.control.set_delays({"rds.global-cluster": 0.2})
    name, _, secondary = world.global_database()
    return {"GlobalClusterIdentifier": name, "TargetDbClusterIdentifier": target or secondary}


def _files(world: World, region: str = EAST) -> str:
    """A file system."""
    return str(world.client("efs", region).create_file_system(CreationToken=world.name())["FileSystemId"])


def _replication(world: World, protection: str = "DISABLED") -> dict[str, Any]:
    """What a replication to the west is created of."""
    target = _files(world, WEST)
    world.client("efs", WEST).update_file_system_protection(
        FileSystemId=target, ReplicationOverwriteProtection=protection
    )
    return {"SourceFileSystemId": _files(world), "Destinations": [{"Region": WEST, "FileSystemId": target}]}


def _replicated(world: World) -> str:
    """The source of a replication."""
    asked = _replication(world)
    world.client("efs").create_replication_configuration(**asked)
    return str(asked["SourceFileSystemId"])


def _private(world: World, vpcs: int, spare: bool = False) -> dict[str, Any]:
    """A private zone in so many VPCs; the parameters name the last, or one that is not in it."""
    ids = [world.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(vpcs + 1)]
    route53 = world.client("route53")
    named = [{"VPCRegion": EAST, "VPCId": one} for one in ids]
    made = route53.create_hosted_zone(
        Name="in.test", CallerReference=world.name(), VPC=named[0], HostedZoneConfig={"PrivateZone": True}
    )
    zone = made["HostedZone"]["Id"]
    for one in named[1:vpcs]:
        route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=one)
    return {"HostedZoneId": zone, "VPC": named[vpcs if spare else vpcs - 1]}


def _unavailable(world: World) -> str:
    world.sim.control.set_delays({"ec2.image": 1000})
    return world.image()


def _unfinished(world: World) -> str:
    world.sim.control.set_delays({"ec2.snapshot": 1000})
    return str(world.client("ec2").create_snapshot(VolumeId=world.volume())["SnapshotId"])


def _one(image: str) -> dict[str, Any]:
    return {"ImageId": image, "MinCount": 1, "MaxCount": 1}


def _resized(world: World, desired: int) -> dict[str, Any]:
    cluster, group = world.nodegroup()
    return {"clusterName": cluster, "nodegroupName": group, "scalingConfig": {"desiredSize": desired}}


def _object(world: World, denied: bool = False, **more: Any) -> dict[str, Any]:
    """A bucket with an object `a`; its policy may deny every further write."""
    s3, name = world.client("s3"), world.name()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a", Body=b"a")
    if denied:
        world.deny(name)
    return {"Bucket": name, "Key": "a", **more}


def _copied(world: World, denied: bool = False) -> dict[str, Any]:
    source = _object(world)
    return _object(world, denied, CopySource={"Bucket": source["Bucket"], "Key": "a"}) | {"Key": "b"}


def _upload(world: World, denied: bool = False) -> dict[str, Any]:
    s3, at = world.client("s3"), _object(world)
    upload = at | {"UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=b"a")["ETag"]}
    if denied:
        world.deny(at["Bucket"])
    return upload | {"MultipartUpload": {"Parts": [part]}}


NO_FILES = "fs-0123456789abcdef0"


def _proposal(world: World) -> dict[str, Any]:
    names = {"StackName": world.stack(EAST), "ChangeSetName": world.name(), "ChangeSetType": "UPDATE"}
    return {**names, "UsePreviousTemplate": True, "Parameters": seconds(60)}


def _proposed(world: World, twice: bool = False) -> dict[str, Any]:
    asked = _proposal(world)
    names = {"StackName": asked["StackName"], "ChangeSetName": asked["ChangeSetName"]}
    world.client("cloudformation").create_change_set(**asked)
    if twice:
        world.client("cloudformation").execute_change_set(**names)
    return names


def _detection(world: World) -> dict[str, Any]:
    asked = world.client("cloudformation").detect_stack_drift(StackName=world.stack(EAST))
    return {"StackDriftDetectionId": asked["StackDriftDetectionId"]}


def _command(world: World) -> dict[str, Any]:
    return {"DocumentName": world.document("Command"), "InstanceIds": [world.instance()], "Comment": "contract"}


def _sent(world: World) -> dict[str, Any]:
    return {"CommandId": world.client("ssm").send_command(**_command(world))["Command"]["CommandId"]}


def _execution(world: World) -> dict[str, Any]:
    started = world.client("ssm").start_automation_execution(DocumentName=world.document("Automation"))
    return {"AutomationExecutionId": started["AutomationExecutionId"]}


NO_RUN = "00000000-0000-0000-0000-000000000000"
NO_CLUSTER = f"arn:aws:rds:{EAST}:123456789012:cluster:nobody"


def _arn(table: str) -> str:
    return f"arn:aws:dynamodb:{EAST}:123456789012:table/{table}"


NOBODY = "Z0000000000000"
CASES = {
    "StartInstances": Case(
        "ec2", lambda w: {"InstanceIds": [w.instance()]}, lambda w: {"InstanceIds": [w.terminated()]}
    ),
    "StopInstances": Case(
        "ec2", lambda w: {"InstanceIds": [w.instance()]}, lambda w: {"InstanceIds": [w.terminated()]}
    ),
    "AttachVolume": Case("ec2", lambda w: _attachment(w, f"{EAST}a"), lambda w: _attachment(w, f"{EAST}b")),
    "CreateVolume": Case(
        "ec2",
        lambda _: {"AvailabilityZone": f"{EAST}a", "Size": 1},
        lambda w: {"AvailabilityZone": f"{EAST}a", "SnapshotId": _unfinished(w)},
    ),
    "CreateSnapshots": Case(
        "ec2",
        lambda w: {"InstanceSpecification": {"InstanceId": w.instance()}},
        lambda w: {"InstanceSpecification": {"InstanceId": w.instance(), "ExcludeDataVolumeIds": [w.volume()]}},
    ),
    "CopySnapshot": Case(
        "ec2",
        lambda w: {
            "SourceRegion": EAST,
            "SourceSnapshotId": w.client("ec2").create_snapshot(VolumeId=w.volume())["SnapshotId"],
        },
        lambda w: {"SourceRegion": EAST, "SourceSnapshotId": _unfinished(w)},
        region=WEST,
    ),
    "RunInstances": Case("ec2", lambda w: _one(w.image()), lambda w: _one(_unavailable(w))),
    "SetDesiredCapacity": Case(
        "autoscaling",
        lambda w: {"AutoScalingGroupName": w.group(), "DesiredCapacity": 2},
        lambda w: {"AutoScalingGroupName": w.group(), "DesiredCapacity": 4},
    ),
    "CreateAutoScalingGroup": Case("autoscaling", lambda w: _new_group(w, 1), lambda w: _new_group(w, 2)),
    "UpdateAutoScalingGroup": Case(
        "autoscaling",
        lambda w: {"AutoScalingGroupName": w.group(), "DesiredCapacity": 2},
        lambda w: {"AutoScalingGroupName": w.group(), "DesiredCapacity": 4},
    ),
    "PromoteReadReplica": Case(
        "rds",
        lambda w: {"DBInstanceIdentifier": w.replica()[1]},
        lambda w: {"DBInstanceIdentifier": w.database(WEST)},
        region=WEST,
    ),
    "CreateDBInstanceReadReplica": Case(
        "rds", lambda w: _new_replica(w, w.database()), lambda w: _new_replica(w, "nobody")
    ),
    "CreateFileSystem": Case(
        "efs",
        lambda w: {"CreationToken": w.name()},
        lambda w: {"CreationToken": w.name(), "KmsKeyId": "alias/none", "Encrypted": False},
    ),
    "DescribeFileSystems": Case("efs", lambda w: {"FileSystemId": _files(w)}, lambda _: {"FileSystemId": NO_FILES}),
    "UpdateFileSystemProtection": Case(
        "efs",
        lambda w: {"FileSystemId": _files(w), "ReplicationOverwriteProtection": "DISABLED"},
        lambda w: {"FileSystemId": _replicated(w), "ReplicationOverwriteProtection": "DISABLED"},
    ),
    "CreateReplicationConfiguration": Case("efs", _replication, lambda w: _replication(w, "ENABLED")),
    "DescribeReplicationConfigurations": Case(
        "efs", lambda w: {"FileSystemId": _replicated(w)}, lambda w: {"FileSystemId": _files(w)}
    ),
    "DeleteReplicationConfiguration": Case(
        "efs", lambda w: {"SourceFileSystemId": _replicated(w)}, lambda w: {"SourceFileSystemId": _files(w)}
    ),
    "DeleteFileSystemPolicy": Case("efs", lambda w: {"FileSystemId": _files(w)}, lambda _: {"FileSystemId": NO_FILES}),
    "CreateGlobalCluster": Case(
        "rds",
        lambda w: {"GlobalClusterIdentifier": w.name(), "SourceDBClusterIdentifier": w.cluster()},
        lambda w: {"GlobalClusterIdentifier": w.name(), "SourceDBClusterIdentifier": NO_CLUSTER},
    ),
    "DescribeGlobalClusters": Case(
        "rds",
        lambda w: {"GlobalClusterIdentifier": w.global_database()[0]},
        lambda _: {"GlobalClusterIdentifier": "nobody"},
    ),
    "SwitchoverGlobalCluster": Case("rds", lambda w: _move(w), lambda w: _move(w, NO_CLUSTER)),
    "FailoverGlobalCluster": Case(
        "rds",
        lambda w: _move(w) | {"AllowDataLoss": True},
        lambda w: _move(w, NO_CLUSTER) | {"AllowDataLoss": True},
        region=WEST,
    ),
    "ModifyDBInstance": Case(
        "rds",
        lambda w: {"DBInstanceIdentifier": w.database(), "NewDBInstanceIdentifier": w.name()},
        lambda w: {"DBInstanceIdentifier": w.database(), "NewDBInstanceIdentifier": w.database()},
    ),
    "CopyDBSnapshot": Case(
        "rds",
        lambda w: {"SourceDBSnapshotIdentifier": _database_snapshot(w), "TargetDBSnapshotIdentifier": w.name()},
        lambda w: {"SourceDBSnapshotIdentifier": _database_snapshot(w, 1000), "TargetDBSnapshotIdentifier": w.name()},
    ),
    "RestoreDBInstanceFromDBSnapshot": Case(
        "rds",
        lambda w: {"DBSnapshotIdentifier": _database_snapshot(w), "DBInstanceIdentifier": w.name()},
        lambda w: {"DBSnapshotIdentifier": _database_snapshot(w, 1000), "DBInstanceIdentifier": w.name()},
    ),
    "DeleteDBInstance": Case(
        "rds",
        lambda w: {"DBInstanceIdentifier": w.replica()[1], "SkipFinalSnapshot": True},
        lambda _: {"DBInstanceIdentifier": "nobody", "SkipFinalSnapshot": True},
        region=WEST,
    ),
    "UpdateNodegroupConfig": Case("eks", lambda w: _resized(w, 2), lambda w: _resized(w, 4)),
    "ChangeResourceRecordSets": Case("route53", lambda w: _batch(w, "CREATE"), lambda w: _batch(w, "DELETE")),
    "GetServiceQuota": Case(
        "service-quotas",
        lambda _: {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"},
        lambda _: {"ServiceCode": "ec2", "QuotaCode": "L-00000000"},
    ),
    "GetChange": Case(
        "route53",
        lambda w: {"Id": w.change(w.zone(), record("UPSERT", "a.example.test", "192.0.2.1"))["ChangeInfo"]["Id"]},
        lambda _: {"Id": "C0000000000000"},
    ),
    "CreateHostedZone": Case(
        "route53",
        lambda _: {"Name": "a.test", "CallerReference": "contract"},
        lambda _: {"Name": "a.test", "CallerReference": "contract"},
    ),
    "DeleteHostedZone": Case("route53", lambda w: {"Id": w.zone()}, lambda _: {"Id": NOBODY}),
    "AssociateVPCWithHostedZone": Case(
        "route53", lambda w: _private(w, 1, spare=True), lambda w: _private(w, 1) | {"HostedZoneId": NOBODY}
    ),
    "UpdateTable": Case(
        "dynamodb",
        lambda w: {"TableName": w.table(), "ReplicaUpdates": [{"Create": {"RegionName": WEST}}]},
        lambda _: {"TableName": "nobody", "ReplicaUpdates": [{"Create": {"RegionName": WEST}}]},
    ),
    "DescribeTable": Case("dynamodb", lambda w: {"TableName": w.table(WEST)}, lambda _: {"TableName": "nobody"}),
    "TagResource": Case(
        "dynamodb",
        lambda w: {"ResourceArn": _arn(w.table()), "Tags": [{"Key": "a", "Value": "b"}]},
        lambda _: {"ResourceArn": _arn("nobody"), "Tags": [{"Key": "a", "Value": "b"}]},
    ),
    "PutObject": Case("s3", lambda w: _object(w), lambda w: _object(w, denied=True)),
    "DeleteObject": Case("s3", lambda w: _object(w), lambda w: _object(w, denied=True)),
    "CopyObject": Case("s3", lambda w: _copied(w), lambda w: _copied(w, denied=True)),
    "CompleteMultipartUpload": Case("s3", lambda w: _upload(w), lambda w: _upload(w, denied=True)),
    "DisassociateVPCFromHostedZone": Case("route53", lambda w: _private(w, 2), lambda w: _private(w, 1)),
    "CreateChangeSet": Case("cloudformation", _proposal, lambda w: _proposal(w) | {"StackName": "nobody"}),
    "DescribeChangeSet": Case("cloudformation", _proposed, lambda w: _proposed(w) | {"ChangeSetName": "nobody"}),
    "ExecuteChangeSet": Case("cloudformation", _proposed, lambda w: _proposed(w, twice=True)),
    "DetectStackDrift": Case(
        "cloudformation", lambda w: {"StackName": w.stack(EAST)}, lambda _: {"StackName": "nobody"}
    ),
    "DescribeStackDriftDetectionStatus": Case(
        "cloudformation", _detection, lambda _: {"StackDriftDetectionId": NO_RUN}
    ),
    "ContinueUpdateRollback": Case(
        "cloudformation", lambda w: {"StackName": w.stuck(EAST)}, lambda w: {"StackName": w.stack(EAST)}
    ),
    "SendCommand": Case("ssm", _command, lambda w: _command(w) | {"InstanceIds": [w.terminated()]}),
    "ListCommands": Case("ssm", _sent, lambda _: {"CommandId": NO_RUN}),
    "ListCommandInvocations": Case("ssm", _sent, lambda _: {"CommandId": NO_RUN}),
    "StartAutomationExecution": Case(
        "ssm", lambda w: {"DocumentName": w.document("Automation")}, lambda w: {"DocumentName": w.document("Command")}
    ),
    "GetAutomationExecution": Case("ssm", _execution, lambda _: {"AutomationExecutionId": NO_RUN}),
    "Invoke": Case("lambda", lambda w: {"FunctionName": w.function()}, lambda _: {"FunctionName": "nobody"}),
}


def test_every_patched_operation_has_its_contract() -> None:
    assert {operation for found in PATCHES for operation in found.operations} == set(CASES)


@pytest.mark.parametrize("operation", CASES)
def test_an_operation_keeps_to_its_model(world: World, operation: str) -> None:
    case = CASES[operation]
    client = world.client(case.service, case.region)
    ask = getattr(client, xform_name(operation))
    assert faults_of_reply(client, operation, ask(**case.good(world))) == []
    with pytest.raises(ClientError) as caught:
        ask(**case.bad(world))
    assert faults_of_error(client, operation, caught.value) == []
