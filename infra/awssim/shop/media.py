"""What is in the buckets: receipts, and how S3's own replication brings each to the other one.

A replica keeps the version's id and time (S3 user guide, "What does Amazon S3 replicate?"), so that nothing goes back
and forth where the rules go both ways. Nothing here deletes.
"""

import threading
from datetime import timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.s3.models import FakeKey

from infra.awssim.patches.s3 import permits


class Media:
    """Puts receipts into buckets, and replicates whatever stands there."""

    def __init__(self, buckets: Any) -> None:
        """`buckets` is moto's backend of S3."""
        self._buckets = buckets
        self._lock = threading.Lock()

    def writable(self, name: str) -> bool:
        """Whether a caller without a role of Seawall's may put an object."""
        found = self._buckets.buckets.get(name)
        return found is not None and permits(found.policy, "", "s3:PutObject", f"arn:aws:s3:::{name}/receipts/1")

    def put(self, name: str, key: str, content: str) -> None:
        """Store an object, as the shop does."""
        with self._lock:
            self._buckets.put_object(name, key, content.encode())

    def names(self, name: str, prefix: str) -> list[str]:
        """The objects of a bucket beneath a prefix."""
        with self._lock:
            return sorted(key for key in self._buckets.buckets[name].keys if key.startswith(prefix))

    def follow(self, source: str, copy: str, lag: float) -> None:
        """Bring what was written at least `lag` seconds ago, if the source's rules send it there."""
        with self._lock:
            whence, into = self._buckets.buckets.get(source), self._buckets.buckets.get(copy)
            if whence is None or into is None or not _replicates(whence, copy):
                return
            due = utcnow() - timedelta(seconds=lag)
            for key in list(whence.keys):
                for version in whence.keys.getlist(key):
                    if isinstance(version, FakeKey) and version.last_modified <= due:
                        self._bring(version, into)

    def _bring(self, version: FakeKey, into: Any) -> None:
        there = into.keys.getlist(version.name, [])
        if any(one.version_id == version.version_id for one in there):
            return
        replica = FakeKey(
            name=version.name,
            bucket_name=into.name,
            value=version.value,
            account_id=version.account_id,
            region_name=into.region_name,
            is_versioned=True,
            version_id=version.version_id,
        )
        replica.set_metadata(version.metadata, replace=True)
        replica.last_modified = version.last_modified
        into.keys.setlist(version.name, sorted([*there, replica], key=lambda one: one.last_modified))


def _replicates(bucket: Any, copy: str) -> bool:
    rules = (getattr(bucket, "replication", None) or {}).get("Rule", [])
    return any(
        rule.get("Status") == "Enabled" and rule["Destination"]["Bucket"].rpartition(":")[2] == copy for rule in rules
    )
