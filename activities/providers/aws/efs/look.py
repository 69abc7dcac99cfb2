"""What stands: a file system, its part in a replication and its policy, as its own region tells them."""

import asyncio
from datetime import datetime
from typing import Any, NamedTuple

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.base import now
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest

from . import policy
from .policy import Policy

PLANNED = ("file_system", "role", "source", "fences")
"""What of the facts has to be as the plan saw it."""


class FileSystem(Strict):
    """The file system itself."""

    id: str
    state: str
    protection: str
    """Against being overwritten by a replication: `ENABLED` for what can be written to, `DISABLED` and `REPLICATING`
    for what only a replication may write to."""
    encrypted: bool
    mount_targets: int


class Replication(Strict):
    """Its part in one."""

    source: str
    destination: str
    status: str
    """`ENABLING`, `ENABLED`, `DELETING`, `PAUSING`, `PAUSED` or `ERROR`."""
    last: datetime | None
    """All that the source held before this moment is in the copy; null until the first copy is whole."""


class Look(NamedTuple):
    """All of it."""

    it: FileSystem
    replication: Replication | None
    policy: Policy

    @property
    def follows(self) -> bool:
        """Whether it is the copy."""
        return self.replication is not None and self.replication.destination == self.it.id

    @property
    def role(self) -> str:
        """`standby` for what clients can only read, `fenced` for what we let nobody reach, or `primary`."""
        if self.follows or self.it.protection != "ENABLED":
            return "standby"
        return "fenced" if self.policy.fences else "primary"

    @property
    def lag_seconds(self) -> float | None:
        """How far the copy is behind, at most; null where nothing is known."""
        last = self.replication.last if self.replication and self.follows else None
        return max(0.0, (now() - last).total_seconds()) if last else None

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        found, replication = self.it, self.replication
        return {
            "file_system": found.id,
            "state": found.state,
            "protection": found.protection,
            "role": self.role,
            "source": replication.source if replication else None,
            "status": replication.status if replication else None,
            "last_replicated": replication.last.isoformat() if replication and replication.last else None,
            "fences": self.policy.fences,
        }


async def look(aws: Aws, name: str) -> Look:
    """Asked for in the region of `aws`.

    Raises:
        PermanentError: NOT_FOUND, when there is no such file system.
    """
    try:
        found = await aws.read("efs", "describe_file_systems", FileSystemId=name)
    except Refused as error:
        if error.code is not Code.NOT_FOUND:
            raise
        raise PermanentError(
            Code.NOT_FOUND, f"There is no file system {name} in {aws.region}.", "Check `file_system` in the runbook."
        ) from None
    replication, rules = await asyncio.gather(_replication(aws, name), policy.read(aws, name))
    return Look(_file_system(found["FileSystems"][0]), replication, rules)


def _file_system(found: dict[str, Any]) -> FileSystem:
    return FileSystem(
        id=found["FileSystemId"],
        state=found["LifeCycleState"],
        protection=found.get("FileSystemProtection", {}).get("ReplicationOverwriteProtection", "ENABLED"),
        encrypted=found.get("Encrypted", False),
        mount_targets=found["NumberOfMountTargets"],
    )


async def _replication(aws: Aws, name: str) -> Replication | None:
    try:
        found = await aws.read("efs", "describe_replication_configurations", FileSystemId=name)
    except Refused as error:
        if error.reason == "ReplicationNotFound":
            return None
        raise
    (told,) = found["Replications"]
    (copy,) = told["Destinations"]
    return Replication(
        source=told["SourceFileSystemId"],
        destination=copy["FileSystemId"],
        status=copy["Status"],
        last=copy.get("LastReplicatedTimestamp"),
    )


def as_planned(request: StepRequest, stands: Look) -> None:
    """The file system plays the part that the plan saw.

    Raises:
        PermanentError: PRECONDITION_CHANGED.
    """
    planned = request.before.facts if request.before else {}
    if request.undo or "role" not in planned:
        return
    facts = stands.facts()
    differs = [key for key in PLANNED if facts[key] != planned.get(key)]
    if differs:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The file system {stands.it.id} is not as it was when the run was planned: other {', '.join(differs)}.",
            "Look who changed it, and plan again.",
        )
