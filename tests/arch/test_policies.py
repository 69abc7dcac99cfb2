"""The IAM policies allow what the code calls, and what they must never allow is tried."""

import json

import pytest

from activities.providers.aws.duties import DUTIES, Duty
from infra.aws.policies import actions, files, reading, statements
from infra.awssim.mutating import changes
from tests.support.iam import allowed, names

POLICIES = {duty: json.loads((files.HERE / f"{duty}.json").read_text(encoding="utf-8")) for duty in Duty}
PRODUCTION = {"aws:ResourceTag/seawall:application": "shop"}
MADE_BY_A_RUN = {**PRODUCTION, "aws:ResourceTag/seawall:run": "dr/shop/failover"}
IN_A_BUBBLE = {**MADE_BY_A_RUN, "aws:ResourceTag/seawall:bubble": "drill-1"}


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:us-west-2:123456789012:{rest}"


INSTANCE, VOLUME = _arn("ec2", "instance/i-0123456789abcdef0"), _arn("ec2", "volume/vol-0123456789abcdef0")
DB, CLUSTER, SNAPSHOT = _arn("rds", "db:shop"), _arn("rds", "cluster:shop"), _arn("rds", "snapshot:shop-1")
FILES = _arn("elasticfilesystem", "file-system/fs-0123456789abcdef0")
ZONE, BUCKET = "arn:aws:route53:::hostedzone/Z0123456789ABC", "arn:aws:s3:::shop-media"
CHANGES_TO_PRODUCTION = [
    ("ec2:StartInstances", INSTANCE),
    ("ec2:StopInstances", INSTANCE),
    ("ec2:RebootInstances", INSTANCE),
    ("ec2:TerminateInstances", INSTANCE),
    ("ec2:ModifyInstanceAttribute", INSTANCE),
    ("ec2:AttachVolume", VOLUME),
    ("ec2:DetachVolume", VOLUME),
    ("ec2:DeleteVolume", VOLUME),
    ("ec2:CreateTags", INSTANCE),
    ("ec2:DeleteTags", INSTANCE),
    ("ec2:RunInstances", INSTANCE),
    ("ec2:CreateVolume", VOLUME),
    ("rds:ModifyDBInstance", DB),
    ("rds:PromoteReadReplica", DB),
    ("rds:StopDBInstance", DB),
    ("rds:RebootDBInstance", DB),
    ("rds:DeleteDBInstance", DB),
    ("rds:AddTagsToResource", DB),
    ("rds:FailoverGlobalCluster", CLUSTER),
    ("rds:SwitchoverGlobalCluster", CLUSTER),
    ("rds:ModifyDBCluster", CLUSTER),
    ("autoscaling:UpdateAutoScalingGroup", _arn("autoscaling", "autoScalingGroup:1:autoScalingGroupName/web")),
    ("ecs:UpdateService", _arn("ecs", "service/shop/web")),
    ("eks:UpdateNodegroupConfig", _arn("eks", "nodegroup/shop/web/1")),
    ("elasticloadbalancing:RegisterTargets", _arn("elasticloadbalancing", "targetgroup/shop/1")),
    ("elasticloadbalancing:DeregisterTargets", _arn("elasticloadbalancing", "targetgroup/shop/1")),
    ("route53:ChangeResourceRecordSets", ZONE),
    ("route53-recovery-cluster:UpdateRoutingControlState", "arn:aws:route53-recovery-control::1:controlpanel/1/a/1"),
    ("globalaccelerator:UpdateEndpointGroup", "arn:aws:globalaccelerator::1:accelerator/1/listener/1/endpoint-group/1"),
    ("s3:PutBucketPolicy", BUCKET),
    ("s3:DeleteBucketPolicy", BUCKET),
    ("elasticfilesystem:PutFileSystemPolicy", FILES),
    ("elasticfilesystem:DeleteFileSystemPolicy", FILES),
    ("elasticfilesystem:DeleteReplicationConfiguration", FILES),
    ("s3:PutObject", f"{BUCKET}/order-1"),
    ("s3:DeleteObject", f"{BUCKET}/order-1"),
    ("lambda:UpdateEventSourceMapping", _arn("lambda", "event-source-mapping:1")),
    ("secretsmanager:StopReplicationToReplica", _arn("secretsmanager", "secret:shop-1")),
    ("dynamodb:RestoreTableFromBackup", _arn("dynamodb", "table/orders")),
    ("dynamodb:DeleteTable", _arn("dynamodb", "table/orders")),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
]
DELETES = [
    ("ec2:TerminateInstances", INSTANCE),
    ("ec2:DeleteVolume", VOLUME),
    ("ec2:DeleteSnapshot", _arn("ec2", "snapshot/snap-1")),
    ("ec2:DeregisterImage", _arn("ec2", "image/ami-1")),
    ("ec2:DeleteSecurityGroup", _arn("ec2", "security-group/sg-1")),
    ("ec2:DeleteSubnet", _arn("ec2", "subnet/subnet-1")),
    ("ec2:DeleteVpc", _arn("ec2", "vpc/vpc-1")),
    ("ec2:DeleteLaunchTemplate", _arn("ec2", "launch-template/lt-1")),
    ("ec2:DeleteTags", INSTANCE),
    ("rds:DeleteDBInstance", DB),
    ("rds:DeleteDBCluster", CLUSTER),
    ("rds:DeleteDBSnapshot", SNAPSHOT),
    ("rds:DeleteDBClusterSnapshot", _arn("rds", "cluster-snapshot:shop-1")),
    ("rds:DeleteGlobalCluster", "arn:aws:rds::123456789012:global-cluster:shop"),
    ("dynamodb:DeleteTable", _arn("dynamodb", "table/orders")),
    ("dynamodb:DeleteTable", _arn("dynamodb", "table/seawall")),
    ("dynamodb:DeleteItem", _arn("dynamodb", "table/seawall")),
    ("dynamodb:DeleteBackup", _arn("dynamodb", "table/orders/backup/1")),
    ("s3:DeleteBucket", BUCKET),
    ("s3:DeleteObjectVersion", f"{BUCKET}/order-1"),
    ("route53:DeleteHostedZone", ZONE),
    ("autoscaling:DeleteAutoScalingGroup", _arn("autoscaling", "autoScalingGroup:1:autoScalingGroupName/web")),
    ("elasticloadbalancing:DeleteTargetGroup", _arn("elasticloadbalancing", "targetgroup/shop/1")),
    ("ecs:DeleteService", _arn("ecs", "service/shop/web")),
    ("eks:DeleteNodegroup", _arn("eks", "nodegroup/shop/web/1")),
    ("secretsmanager:DeleteSecret", _arn("secretsmanager", "secret:shop-1")),
    ("kms:ScheduleKeyDeletion", _arn("kms", "key/1")),
]


def test_the_policies_are_those_of_the_code() -> None:
    found = {path: path.read_text(encoding="utf-8") for path in files.made()}
    assert found == files.made(), "python -m infra.aws.policies writes them again"


def test_every_change_belongs_to_a_verb() -> None:
    """A read that no verb reaches belongs to nobody's policy either: preflight and verbs are all there is."""
    reached = {call for calls in reading.by_verb().values() for call in calls}
    lost = {call for call in reading.all_calls() - reached if not call.where.startswith("preflight")}
    assert lost == set()


def test_what_is_asked_with_read_changes_nothing() -> None:
    """Reads are tried three times by themselves. A dry run is a change that is only asked about."""
    wrong = {
        call
        for call in reading.all_calls()
        if call.sender in reading.ASKING
        and changes(call.service, actions.operation(call))
        and not call.where.startswith("preflight")
    }
    assert wrong == set()


@pytest.mark.parametrize("duty", Duty)
def test_no_action_is_a_pattern(duty: Duty) -> None:
    for statement in POLICIES[duty]["Statement"]:
        assert not any("*" in action for action in statement["Action"])


@pytest.mark.parametrize("duty", Duty)
def test_all_resources_are_named_only_where_an_action_has_none(duty: Duty) -> None:
    for statement in POLICIES[duty]["Statement"]:
        if statement["Effect"] == "Allow" and "*" in statement["Resource"]:
            assert [action for action in statement["Action"] if actions.types(action)] == []


@pytest.mark.parametrize("duty", Duty)
def test_a_role_has_room_for_its_policy(duty: Duty) -> None:
    """Inline policies of a role have 10,240 characters, white space not counted (quotas of IAM and STS)."""
    assert len(json.dumps(POLICIES[duty], separators=(",", ":"))) <= 10_240


@pytest.mark.parametrize(("action", "resource"), CHANGES_TO_PRODUCTION)
def test_a_drill_may_not_change_production(action: str, resource: str) -> None:
    assert not allowed(POLICIES[Duty.DRILL], action, resource, PRODUCTION)
    assert not allowed(POLICIES[Duty.DRILL], action, resource, MADE_BY_A_RUN)


@pytest.mark.parametrize("policy", [Duty.OBSERVE, Duty.REPLICATE, Duty.FAILOVER, Duty.DRILL])
@pytest.mark.parametrize(("action", "resource"), DELETES)
def test_nobody_but_clean_up_may_delete(policy: Duty, action: str, resource: str) -> None:
    for tags in ({}, PRODUCTION, MADE_BY_A_RUN, IN_A_BUBBLE):
        assert not allowed(POLICIES[policy], action, resource, tags)


@pytest.mark.parametrize(("action", "resource"), DELETES)
def test_clean_up_may_not_delete_what_no_run_made(action: str, resource: str) -> None:
    assert not allowed(POLICIES[Duty.CLEAN_UP], action, resource, PRODUCTION)


def test_who_observes_changes_nothing() -> None:
    assert {action for action in names(POLICIES[Duty.OBSERVE]) if not actions.reads(action)} == set()


def test_only_clean_up_destroys() -> None:
    for duty in set(Duty) - {Duty.CLEAN_UP}:
        assert {action for action in names(POLICIES[duty]) if statements.removes(action)} == set()


@pytest.mark.parametrize("duty", [Duty.REPLICATE, Duty.FAILOVER])
def test_who_replicates_or_moves_may_do_all_that_the_verbs_of_the_duty_call(duty: Duty) -> None:
    """What a rule takes for a removal by its name would otherwise be missing on the day."""
    calls = reading.by_verb()
    wanted = {action for verb in DUTIES[duty] for call in calls[verb] for action in actions.actions(call)}
    assert wanted - names(POLICIES[duty]) == set()


def test_a_failover_may_grow_a_group_of_an_application_and_no_other() -> None:
    group = _arn("autoscaling", "autoScalingGroup:1:autoScalingGroupName/web")
    assert allowed(POLICIES[Duty.FAILOVER], "autoscaling:UpdateAutoScalingGroup", group, PRODUCTION)
    assert not allowed(POLICIES[Duty.FAILOVER], "autoscaling:UpdateAutoScalingGroup", group, {})


def test_a_drill_has_items_of_its_own_in_the_register() -> None:
    table = _arn("dynamodb", "table/seawall")
    for key, expected in (("shop/web/west", False), ("shop/web/west/drill-1", True)):
        context = {"dynamodb:LeadingKeys": [key]}
        assert allowed(POLICIES[Duty.DRILL], "dynamodb:UpdateItem", table, context) is expected
        assert allowed(POLICIES[Duty.FAILOVER], "dynamodb:UpdateItem", table, context)


def test_a_drill_may_make_clones_that_are_marked_as_its_own_and_no_others() -> None:
    drill = POLICIES[Duty.DRILL]
    for action, made in (("ec2:RunInstances", INSTANCE), ("rds:RestoreDBInstanceFromDBSnapshot", DB)):
        assert allowed(drill, action, made, {"aws:RequestTag/seawall:bubble": "drill-1"})
        assert not allowed(drill, action, made, {"aws:RequestTag/seawall:run": "failover/shop/1"})
    assert allowed(drill, "rds:PromoteReadReplica", DB, IN_A_BUBBLE)
    assert allowed(drill, "rds:RestoreDBInstanceFromDBSnapshot", SNAPSHOT, PRODUCTION), "clones are made of its copies"


def test_nobody_can_make_production_look_like_what_a_run_made() -> None:
    """Else clean-up would take it."""
    for duty in (Duty.REPLICATE, Duty.FAILOVER, Duty.DRILL):
        for action, resource in (("ec2:CreateTags", INSTANCE), ("rds:AddTagsToResource", DB)):
            for tag in ("seawall:run", "seawall:bubble"):
                context = {**PRODUCTION, f"aws:RequestTag/{tag}": "x", "aws:TagKeys": [tag]}
                assert not allowed(POLICIES[duty], action, resource, context)
    context = {**PRODUCTION, "aws:TagKeys": ["seawall:abandoned"]}
    assert allowed(POLICIES[Duty.FAILOVER], "rds:AddTagsToResource", DB, context)


def test_clean_up_may_delete_what_a_run_made() -> None:
    for action, resource in (("rds:DeleteDBSnapshot", SNAPSHOT), ("ec2:DeleteVolume", VOLUME)):
        assert allowed(POLICIES[Duty.CLEAN_UP], action, resource, MADE_BY_A_RUN)


def test_a_failover_changes_addresses_and_no_other_records() -> None:
    key = "route53:ChangeResourceRecordSetsRecordTypes"
    for kinds, expected in ((["A", "TXT"], True), (["MX"], False), (["A", "NS"], False), ([], False)):
        context = {key: kinds} if kinds else {}
        assert allowed(POLICIES[Duty.FAILOVER], "route53:ChangeResourceRecordSets", ZONE, context) is expected
