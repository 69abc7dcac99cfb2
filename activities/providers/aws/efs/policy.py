"""The one statement of ours in a file system's policy: no client may mount, read or write (Sid `seawall-fence-EPOCH`).

Invariant: all else in the policy stays as it stands. PutFileSystemPolicy has no condition, so that a change by somebody
else between our read and our write would be lost: the time of one call, and nobody else should do it in a disaster.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused

FENCE = "seawall-fence-"
CLIENTS = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite", "elasticfilesystem:ClientRootAccess"]
"""All that a client can be allowed ("EFS actions for clients"), be it anonymous or not."""


@dataclass(frozen=True)
class Policy:
    """As it was read; empty where the default one is in effect, which lets every client in."""

    document: dict[str, Any]

    @property
    def statements(self) -> list[dict[str, Any]]:
        """All of them; IAM allows a single one to stand without a list."""
        found = self.document.get("Statement", [])
        return list(found) if isinstance(found, list) else [found]

    @property
    def fences(self) -> list[int]:
        """The epochs of our fences that stand, the lowest first."""
        sids = (re.fullmatch(rf"{FENCE}(\d+)", str(one.get("Sid", ""))) for one in self.statements)
        return sorted(int(found[1]) for found in sids if found)

    def fenced(self, epoch: int, instead_of: Collection[int] = ()) -> "Policy":
        """With the fence of that epoch, in the place of the others. A statement without a resource speaks of its own
        file system, as in the examples of "Creating file system policies"."""
        deny = {
            "Sid": f"{FENCE}{epoch}",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": CLIENTS,
        }
        rest = self.without(instead_of)
        return Policy({"Version": "2012-10-17", **rest.document, "Statement": [*rest.statements, deny]})

    def without(self, epochs: Collection[int]) -> "Policy":
        """Without the fences of those epochs."""
        sids = {f"{FENCE}{epoch}" for epoch in epochs}
        return Policy({**self.document, "Statement": [one for one in self.statements if one.get("Sid") not in sids]})


async def read(aws: Aws, file_system: str) -> Policy:
    """What stands."""
    try:
        found = await aws.read("efs", "describe_file_system_policy", FileSystemId=file_system)
    except Refused as error:
        if error.reason == "PolicyNotFound":
            return Policy({})
        raise
    return Policy(json.loads(found["Policy"]))


async def write(aws: Aws, file_system: str, policy: Policy) -> None:
    """Put it in the place of what stands; without any statement the default one. Ask `still_mine` before."""
    if policy.statements:
        document = json.dumps(policy.document)
        await aws.change("efs", "put_file_system_policy", FileSystemId=file_system, Policy=document)
    else:
        await aws.change("efs", "delete_file_system_policy", FileSystemId=file_system)
