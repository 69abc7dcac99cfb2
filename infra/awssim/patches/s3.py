"""S3: who is met by the policy of a bucket, and in which words."""

import json
from typing import Any

from flask import request
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.sts.models import sts_backends

from infra.awssim.patches.registry import Function, patch
from infra.awssim.understand import scope_of

WRITING = ("PutObject", "CopyObject", "DeleteObject", "CompleteMultipartUpload")


@patch(FakeBucket, "get_permission", "s3", *WRITING)
def get_permission(original: Function, this: Any, action: str, resource: str) -> Any:
    """A bucket's policy that denies a write to all but some roles (`ArnNotLike`, `aws:PrincipalArn`) is held to."""
    if this.policy is None:
        return original(this, action, resource)
    # All the calls of an upload in parts are moto's `PostObject`; AWS asks for the permission to put.
    asked = "s3:PutObject" if action == "s3:PostObject" else action
    return _judged(json.loads(this.policy), _caller(this.account_id), asked, resource)


def permits(policy: bytes | str | None, role: str, action: str, resource: str) -> bool:
    """Whether a bucket's policy leaves this to a caller of the account; `role` is the ARN of the role that it acts
    under, or empty."""
    return policy is None or bool(_judged(json.loads(policy), role, action, resource) != PermissionResult.DENIED)


def _judged(document: Any, role: str, action: str, resource: str) -> Any:
    given = document["Statement"]
    kept = []
    for statement in given if isinstance(given, list) else [given]:
        spared = statement.get("Condition", {}).get("ArnNotLike", {}).get("aws:PrincipalArn")
        if spared is None:
            kept.append(statement)
        elif role not in spared:
            kept.append({key: value for key, value in statement.items() if key != "Condition"})
    return IAMPolicy(json.dumps({**document, "Statement": kept})).is_action_permitted(action, resource)


@patch(S3Response, "_key_response", "s3", *WRITING)
def key_response(original: Function, this: Any, asked: Any, full_url: str) -> Any:
    """A write that a bucket's policy denies is refused in AWS's words: `AccessDenied`."""
    found = original(this, asked, full_url)
    if asked.method != "HEAD" and isinstance(found, tuple) and found[0] == 403 and not found[2]:
        raise S3AccessDeniedError
    return found


def _caller(account: str) -> str:
    """The role of the call that is being answered; empty when it was signed with no role's key."""
    scope = scope_of(request.environ)
    if scope is None:
        return ""
    role = sts_backends[account]["aws"].get_assumed_role_from_access_key(scope.key)
    return str(role.role_arn) if role else ""
