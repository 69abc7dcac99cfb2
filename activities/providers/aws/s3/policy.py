"""The one statement of ours in a bucket's policy: who may not write.

* fenced: nobody may (Sid `seawall-fence-EPOCH`);
* standby: nobody may but the role that copies (Sid `seawall-standby`). The service's own replication is not met by it:
  it acts by `s3:ReplicateObject` (S3 user guide, "Setting up permissions for live replication").

Invariant: all else in the policy stays as it stands. PutBucketPolicy has no condition, so that a change by somebody
else between our read and our write would be lost: the time of one call, and nobody else should do it in a disaster.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from workflows.model.failure import Code, PermanentError

from .settings import S3Settings, S3Site

FENCE, STANDBY = "seawall-fence-", "seawall-standby"
WRITES = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]


@dataclass(frozen=True)
class Policy:
    """A bucket's policy, as it was read."""

    document: dict[str, Any]

    @property
    def statements(self) -> list[dict[str, Any]]:
        """All of them; IAM allows a single one to stand without a list."""
        found = self.document.get("Statement", [])
        return list(found) if isinstance(found, list) else [found]

    @property
    def ours(self) -> list[str]:
        """The Sids of ours that stand."""
        sids = [str(one.get("Sid", "")) for one in self.statements]
        return [sid for sid in sids if sid == STANDBY or re.fullmatch(rf"{FENCE}\d+", sid)]

    @property
    def role(self) -> str:
        """`fenced`, `standby`, or `primary` for a bucket that takes writes."""
        if any(sid.startswith(FENCE) for sid in self.ours):
            return "fenced"
        return "standby" if self.ours else "primary"

    def with_only(self, statement: dict[str, Any] | None, without: Sequence[str]) -> dict[str, Any]:
        """The document with this statement of ours, and without those of these Sids."""
        kept = [one for one in self.statements if one.get("Sid") not in without]
        wanted = [*kept, statement] if statement else kept
        return {"Version": "2012-10-17", **self.document, "Statement": wanted}


def fence_sid(epoch: int) -> str:
    """Of the fence of a run."""
    return f"{FENCE}{epoch}"


def statement(settings: S3Settings, place: S3Site, sid: str) -> dict[str, Any]:
    """Deny writes below the prefix: to all, or, at a standby, to all but the role that copies.

    Raises:
        PermanentError: CONFIGURATION, for a standby without a role.
    """
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(place.region.rpartition("-")[0].rpartition("-")[0], "aws")
    found: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": WRITES,
        "Resource": f"arn:{partition}:s3:::{place.bucket}/{settings.prefix}*",
    }
    if sid != STANDBY:
        return found
    if place.role is None:
        raise PermanentError(
            Code.CONFIGURATION,
            f"The bucket {place.bucket} cannot stand by: there is no role that alone may write to it.",
            "Set `role` of the site in the runbook.",
        )
    return found | {"Condition": {"ArnNotLike": {"aws:PrincipalArn": [place.role]}}}


async def read(aws: Aws, place: S3Site) -> Policy:
    """What stands."""
    try:
        found = await aws.read("s3", "get_bucket_policy", Bucket=place.bucket)
    except Refused as error:
        if error.reason == "NoSuchBucketPolicy":
            return Policy({})
        raise
    return Policy(json.loads(found["Policy"]))


async def write(aws: Aws, place: S3Site, document: dict[str, Any]) -> None:
    """Put it in the place of what stands. Ask `still_mine` before."""

    if document["Statement"]:
        await aws.change("s3", "put_bucket_policy", Bucket=place.bucket, Policy=json.dumps(document))
    else:
        await aws.change("s3", "delete_bucket_policy", Bucket=place.bucket)
