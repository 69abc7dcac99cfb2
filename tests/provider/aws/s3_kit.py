"""What the tests of `aws.s3` share: a bucket in the east that serves, and one in the west that stands by."""

import json
from pathlib import Path
from typing import Any

from activities.providers.aws.s3 import PROVIDER
from activities.providers.aws.s3.provider import S3Provider
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import AwsSubject, worker
from tests.provider.conformance import EPOCH, over
from tests.provider.support import NEW, OLD, request
from workflows.model.messages import StepRequest, StepResult
from workflows.model.runbook import Component

MEDIA = Component.model_validate({"role": "data", "kind": "aws.s3", "replication": {"mode": "continuous"}})
ROLE = "arn:aws:iam::123456789012:role/seawall"
THEIRS = {
    "Sid": "theirs",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::bucket/*",
}
REGIONS = {OLD: EAST, NEW: WEST}


class Buckets(AwsSubject):
    """Both buckets have a policy with a statement of somebody else."""

    undoable = False

    def __init__(self, folder: Path, world: World) -> None:
        self.s3 = {site: world.client("s3", region) for site, region in REGIONS.items()}
        self.buckets = {site: world.bucket(region) for site, region in REGIONS.items()}
        self.planned: Any = None
        self.more: dict[str, Any] = {}
        for site in REGIONS:
            self.set_policy(site, [THEIRS])
        self.stand_by(NEW)
        super().__init__(folder, world)

    def set_policy(self, site: str, statements: list[Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.s3[site].put_bucket_policy(Bucket=self.buckets[site], Policy=document)

    def stand_by(self, site: str) -> None:
        deny = {"Sid": "seawall-standby", "Effect": "Deny", "Principal": "*"}
        deny["Action"] = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]  # type: ignore[assignment]
        deny["Resource"] = f"arn:aws:s3:::{self.buckets[site]}/*"
        spared = {"ArnNotLike": {"aws:PrincipalArn": [ROLE]}}
        self.set_policy(site, [THEIRS, deny | {"Condition": spared}])  # type: ignore[operator]

    def policy(self, site: str) -> list[Any]:
        found = self.s3[site].get_bucket_policy(Bucket=self.buckets[site])["Policy"]
        return list(json.loads(found)["Statement"])

    def sids(self, site: str) -> list[str]:
        return [one["Sid"] for one in self.policy(site)]

    def put(self, site: str, **objects: str) -> None:
        """As the application does."""
        for key, content in objects.items():
            self.s3[site].put_object(Bucket=self.buckets[site], Key=key, Body=content.encode())

    def held_at(self, site: str, prefix: str = "") -> dict[str, str]:
        """What is in a bucket, without Seawall's own; or beneath a prefix."""
        s3, name = self.s3[site], self.buckets[site]
        found = s3.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])
        keys = [one["Key"] for one in found if prefix or not one["Key"].startswith("_seawall/")]
        return {key: s3.get_object(Bucket=name, Key=key)["Body"].read().decode() for key in keys}

    def replicate_by_service(self, source: str = OLD, copy: str = NEW) -> None:
        rule = {"ID": "all", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}}
        rule |= {"Destination": {"Bucket": f"arn:aws:s3:::{self.buckets[copy]}"}}  # type: ignore[dict-item]
        rule |= {"DeleteMarkerReplication": {"Status": "Enabled"}}  # type: ignore[dict-item]
        self.s3[source].put_bucket_replication(
            Bucket=self.buckets[source], ReplicationConfiguration={"Role": ROLE, "Rules": [rule]}
        )

    def provider(self, over_: bool = False, **more: Any) -> S3Provider:
        sites = {
            site: {"region": region, "bucket": self.buckets[site], "role": ROLE} for site, region in REGIONS.items()
        }
        given = {"sites": sites, "read_timeout": "5s", "settle": "5s", "delete_cap": 5} | self.more | more
        mine = over if over_ else lambda: None
        return S3Provider(PROVIDER.Settings.model_validate(given), worker(self.folder, mine))

    def asked(self, verb: str, epoch: int = EPOCH, where: str = NEW, **more: Any) -> StepRequest:
        name = f"media-{self.buckets[OLD]}"
        found = request(where, f"{name}.{verb}", epoch, MEDIA, **more)
        return found.model_copy(update={"target": found.target.model_copy(update={"name": name})})

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        raise AssertionError("It is several steps.")

    async def disturb(self) -> None:
        raise AssertionError("Nothing was planned.")

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        raise AssertionError("It has no undo.")

    async def state(self) -> Any:
        return [(self.sids(site), self.held_at(site)) for site in REGIONS]
