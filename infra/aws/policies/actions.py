"""From a call in boto3's words to IAM's actions, and to the resources and conditions that IAM has for each.

The rules are AWS's own: botocore's service models name the operations, and the Service Authorization Reference, as
cfn-lint carries it, says which types of resource an action can be limited to and which of them can be told by tags.
"""

import functools
import json
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from botocore.session import get_session

from infra.awssim.mutating import changes

from .reading import Call

PREFIXES = {"cloudwatch": "cloudwatch", "resourcegroupstaggingapi": "tag"}
"""Where IAM's prefix is not the name that calls are signed with."""

_READ_OBJECT = ("s3:GetObject", "s3:GetObjectVersion")
_COPY_OBJECT = (*_READ_OBJECT, "s3:PutObject", "s3:GetObjectTagging", "s3:PutObjectTagging")
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "s3:AbortMultipartUpload": ("s3:AbortMultipartUpload",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:CopyObject": _COPY_OBJECT,
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "s3:GetObject": _READ_OBJECT,
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": _READ_OBJECT,
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListParts": ("s3:ListMultipartUploadParts",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:UploadPartCopy": (*_READ_OBJECT, "s3:PutObject"),
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "route53-recovery-cluster:UpdateRoutingControlStates": ("route53-recovery-cluster:UpdateRoutingControlState",),
}
"""Where the action is not the operation: "Actions, resources, and condition keys for Amazon S3", and of the others."""

_KEYS = ("kms:DescribeKey", "kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext")
_RECRYPT = (*_KEYS, "kms:ReEncryptFrom", "kms:ReEncryptTo")
_OBJECT_KEYS = ("kms:Decrypt", "kms:GenerateDataKey")
ALSO: Mapping[str, tuple[str, ...]] = {
    "s3:CopyObject": _OBJECT_KEYS,
    "s3:CreateMultipartUpload": _OBJECT_KEYS,
    "s3:PutObject": _OBJECT_KEYS,
    "s3:GetObject": ("kms:Decrypt",),
    "s3:HeadObject": ("kms:Decrypt",),
    "drs:StartRecovery": ("drs:TagResource",),
    "ec2:CopyImage": ("ec2:CreateTags", *_RECRYPT),
    "ec2:CopySnapshot": ("ec2:CreateTags", *_RECRYPT),
    "ec2:CreateSnapshots": ("ec2:CreateTags",),
    "ec2:CreateVolume": ("ec2:CreateTags", *_RECRYPT),
    "ec2:RunInstances": ("ec2:CreateTags", "iam:PassRole", *_KEYS),
    "ec2:StartInstances": _KEYS,
    "ec2:AttachVolume": _KEYS,
    "rds:CopyDBSnapshot": ("rds:AddTagsToResource", *_KEYS),
    "rds:CopyDBClusterSnapshot": ("rds:AddTagsToResource", *_KEYS),
    "rds:CreateDBInstanceReadReplica": ("rds:AddTagsToResource", *_KEYS),
    "rds:CreateDBSnapshot": ("rds:AddTagsToResource",),
    "rds:CreateDBClusterSnapshot": ("rds:AddTagsToResource",),
    "rds:RestoreDBInstanceFromDBSnapshot": ("rds:AddTagsToResource", *_KEYS),
    "rds:RestoreDBClusterFromSnapshot": ("rds:AddTagsToResource", *_KEYS),
}
"""What a call wants beside its own action: tags given at birth, the role of an instance, keys of encrypted copies."""

CREATES: Mapping[str, str] = {
    "ec2:CopyImage": "image",
    "ec2:CopySnapshot": "snapshot",
    "ec2:CreateSnapshots": "snapshot",
    "ec2:CreateVolume": "volume",
    "ec2:RunInstances": "instance",
    "rds:CopyDBSnapshot": "snapshot",
    "rds:CopyDBClusterSnapshot": "cluster-snapshot",
    "rds:CreateDBInstanceReadReplica": "db",
    "rds:CreateDBSnapshot": "snapshot",
    "rds:CreateDBClusterSnapshot": "cluster-snapshot",
    "rds:RestoreDBInstanceFromDBSnapshot": "db",
    "rds:RestoreDBClusterFromSnapshot": "cluster",
    "dynamodb:CreateBackup": "backup",
}
"""What a call brings into being, which has no tags yet: it must be asked for with them."""

NAMELESS = frozenset({"dynamodb:RestoreTableFromBackup", "dynamodb:RestoreTableToPointInTime"})
"""Calls that make something and take no tags: nothing tells beforehand what is made."""

GIVEN: Mapping[str, frozenset[str]] = {
    "ec2": frozenset(
        {
            "image",
            "key-pair",
            "launch-template",
            "network-interface",
            "placement-group",
            "security-group",
            "subnet",
            "snapshot",
            "group",
            "capacity-reservation",
        }
    ),
    "rds": frozenset({"og", "pg", "subgrp", "secgrp", "cluster-pg", "es", "snapshot", "cluster-snapshot"}),
    "dynamodb": frozenset({"backup"}),
    "ssm": frozenset({"automation-definition", "automation-execution"}),
}
"""What a change is given beside that on which it acts."""

UNUSED: Mapping[str, frozenset[str]] = {
    "ec2": frozenset(
        {
            "elastic-gpu",
            "elastic-inference",
            "license-configuration",
            "spot-instances-request",
            "secondary-interface",
            "secondary-subnet",
        }
    ),
    "s3": frozenset({"accesspoint", "accesspointobject"}),
    "ssm": frozenset({"bucket", "managed-instance"}),
}
"""Types of resource that no provider uses."""

TAGGED: Mapping[str, tuple[str, ...]] = {
    "dynamodb:TagResource": ("table",),
    "dynamodb:UntagResource": ("table",),
    "drs:TagResource": ("JobResource", "RecoveryInstanceResource"),
    "ec2:CreateTags": ("image", "instance", "network-interface", "snapshot", "volume"),
    "rds:AddTagsToResource": ("cluster", "cluster-snapshot", "db", "snapshot"),
    "rds:RemoveTagsFromResource": ("cluster", "cluster-snapshot", "db", "snapshot"),
}
"""What is given tags, or loses them; AWS has the actions for some hundred types."""
TAG_AT_BIRTH = frozenset({"ec2:CreateTags", "rds:AddTagsToResource", "dynamodb:TagResource", "drs:TagResource"})
"""Wanted by whatever makes something with tags."""

ARNS: Mapping[str, str] = {
    "s3:object": "arn:aws:s3:::*/*",
    "s3:bucket": "arn:aws:s3:::*",
    "ssm:automation-definition": "arn:aws:ssm:*:*:automation-definition/*",
}
REGISTER = "arn:aws:dynamodb:*:*:table/seawall"
REGISTER_ACTIONS = frozenset({"dynamodb:GetItem", "dynamodb:UpdateItem"})
LEASE_ACTIONS = frozenset({"dynamodb:PutItem", "dynamodb:DeleteItem"})
"""Of the register's items, only the lease of a bubble is put and deleted; those of production only rise."""


@functools.cache
def reference() -> Mapping[str, Any]:
    """Actions and types of resource of every service."""
    file = resources.files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json")
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@functools.cache
def _model(service: str) -> Any:
    return get_session().get_service_model(service)


@functools.cache
def _operations(service: str) -> Mapping[str, str]:
    """Operations by the name of boto3's method."""
    from botocore import xform_name

    return {xform_name(name): name for name in _model(service).operation_names}


def operation(call: Call) -> str:
    """AWS's name of what is called, such as `StartInstances`."""
    return _operations(call.service)[call.method]


def actions(call: Call) -> tuple[str, ...]:
    """All that IAM has to allow for a call.

    Raises:
        LookupError: IAM has no such action: a rule is missing here.
    """
    return actions_of(call.service, operation(call))


def actions_of(service: str, name: str) -> tuple[str, ...]:
    """All that IAM has to allow for an operation.

    Raises:
        LookupError: IAM has no such action: a rule is missing here.
    """
    plain = f"{PREFIXES.get(service) or _model(service).signing_name}:{name}"
    if plain == "sts:GetCallerIdentity":
        return ()  # "No permissions are required to perform this operation" (STS API reference).
    found = OTHER_NAMES.get(plain, (plain,))
    whole = tuple(dict.fromkeys((*found, *ALSO.get(plain, ()))))
    for action in whole:
        _known(action)
    return whole


def _known(action: str) -> Mapping[str, Any]:
    prefix, _, name = action.partition(":")
    found: Mapping[str, Any] | None = reference().get(prefix, {}).get("Actions", {}).get(name.lower())
    if found is None:
        raise LookupError(f"IAM knows no action {action}: its other name belongs into PREFIXES or OTHER_NAMES.")
    return found


def reads(action: str) -> bool:
    """Whether the action changes nothing."""
    prefix, _, name = action.partition(":")
    return not changes(prefix, name)


def types(action: str) -> list[str]:
    """The types of resource that the action can be limited to; none when there is nothing to limit it to."""
    if action in TAGGED:
        return list(TAGGED[action])
    prefix = action.partition(":")[0]
    listed: Iterable[str] = _known(action).get("Resources", ())
    return [one for one in listed if one not in UNUSED.get(prefix, ())]


def arn(action: str, kind: str) -> str:
    """A pattern of all resources of a type."""
    if action in REGISTER_ACTIONS | LEASE_ACTIONS:
        return REGISTER
    prefix = action.partition(":")[0]
    if f"{prefix}:{kind}" in ARNS:
        return ARNS[f"{prefix}:{kind}"]
    form = str(reference()[prefix]["Resources"][kind.lower()]["ARNFormats"][0])
    return re.sub(r"\$\{\w+\}", "*", form.replace("${Partition}", "aws")).replace(".*", "*")


def tagged(action: str, kind: str) -> bool:
    """Whether IAM can tell resources of this type by their tags."""
    keys = reference()[action.partition(":")[0]]["Resources"][kind.lower()].get("ConditionKeys", ())
    return "aws:ResourceTag/${TagKey}" in keys


def acted_on(action: str, kind: str) -> bool:
    """Whether the action acts on resources of this type, or is merely given one."""
    given = GIVEN.get(action.partition(":")[0], frozenset())
    return len(types(action)) == 1 or not (kind in given or action == "ec2:RunInstances")
