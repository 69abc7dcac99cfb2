"""One instance as RDS describes it, and what follows from that."""

import hashlib
import re
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.tags import PREFIX, table
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref, StepRequest

ABANDONED, FENCED, MADE, SERVED = (f"{PREFIX}{word}" for word in ("abandoned", "fenced", "run", "served"))
DOWN = frozenset(
    [
        "creating",
        "deleting",
        "failed",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "incompatible-network",
        "incompatible-restore",
        "insufficient-capacity",
        "rebooting",
        "renaming",
        "restore-error",
        "starting",
        "stopped",
        "stopping",
    ]
)
"""States of "Viewing DB instance status" (RDS user guide) in which nobody is served. In all others somebody may be:
where two writers are to be ruled out, `modifying` and `backing-up` count as serving."""
LONGEST = 63
"""Characters of an instance's identifier."""


class Database(Strict):
    """What stands."""

    name: str
    arn: str
    resource_id: str
    """Stays with the instance, also when it is renamed."""
    status: str
    source: str | None
    """The ARN or the name of the instance that it replicates; None for one that accepts writes."""
    replicating: bool
    """False when RDS itself says that its replication has stopped or failed."""
    instance_class: str
    engine: str
    engine_version: str
    parameter_group: str
    groups: tuple[str, ...]
    """VPC security groups that stand or are being added."""
    settled: bool
    """Whether every change of the groups is done."""
    storage: int
    """Allocated, in bytes."""
    encrypted: bool
    backup_days: int
    tags: dict[str, str]

    def isolated_by(self, group: str) -> bool:
        """Whether that group alone stands, so that nobody can reach it."""
        return self.settled and self.groups == (group,)

    def serves(self, isolation_group: str) -> bool:
        """Whether it accepts writes of an application, or may."""
        return not self.source and self.status not in DOWN and not self.isolated_by(isolation_group)

    def made_by(self, ref: Ref) -> bool:
        """Whether this very run has made it."""
        mine = (ref.workflow_id[:256], str(ref.epoch))
        return (self.tags.get(MADE), self.tags.get(f"{PREFIX}epoch")) == mine

    def facts(self) -> dict[str, Any]:
        """As JSON values, without the tags."""
        return self.model_dump(mode="json", exclude={"tags"})


def read(found: dict[str, Any]) -> Database:
    """Of one entry of DescribeDBInstances."""
    groups = [one for one in found.get("VpcSecurityGroups", []) if one.get("Status") != "removing"]
    stream = [one for one in found.get("StatusInfos", []) if one.get("StatusType") == "read replication"]
    parameters = found.get("DBParameterGroups") or [{}]
    return Database(
        name=found["DBInstanceIdentifier"],
        arn=found["DBInstanceArn"],
        resource_id=found.get("DbiResourceId", ""),
        status=found.get("DBInstanceStatus", "creating"),
        source=found.get("ReadReplicaSourceDBInstanceIdentifier") or None,
        replicating=all(one.get("Normal", True) for one in stream),
        instance_class=found["DBInstanceClass"],
        engine=found["Engine"],
        engine_version=found.get("EngineVersion", ""),
        parameter_group=parameters[0].get("DBParameterGroupName", ""),
        groups=tuple(sorted(one["VpcSecurityGroupId"] for one in groups)),
        settled=all(one.get("Status") == "active" for one in found.get("VpcSecurityGroups", [])),
        storage=found.get("AllocatedStorage", 0) * 2**30,
        encrypted=found.get("StorageEncrypted", False),
        backup_days=found.get("BackupRetentionPeriod", 0),
        tags=table(found.get("TagList")),
    )


async def look(aws: Aws, name: str) -> Database | None:
    """The instance of that name; None when there is none."""
    try:
        found = await aws.read("rds", "describe_db_instances", DBInstanceIdentifier=name)
    except Refused as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise
    return read(found["DBInstances"][0])


async def insist(aws: Aws, name: str) -> Database:
    """The same.

    Raises:
        PermanentError: NOT_FOUND.
    """
    found = await look(aws, name)
    if found is None:
        raise PermanentError(
            Code.NOT_FOUND, f"There is no RDS instance {name} in {aws.region}.", "Check `instance` in the runbook."
        )
    return found


def replicates(replica: Database, source: Database) -> bool:
    """Whether one follows the other. RDS names a source in another region by its ARN."""
    return replica.source in (source.arn, source.name)


def name_of(base: str, suffix: str) -> str:
    """An identifier made of another one; where it would be too long, a digest tells it from its like."""
    full = re.sub(r"-{2,}", "-", f"{base}-{suffix}".lower()).rstrip("-")
    if len(full) <= LONGEST:
        return full
    return f"{full[:50].rstrip('-')}-{hashlib.sha256(full.encode()).hexdigest()[:12]}"


def as_planned(request: StepRequest, now: Database | None) -> None:
    """The instance is the one that the plan saw, with the same source behind the same groups.

    Raises:
        PermanentError: PRECONDITION_CHANGED.
    """
    planned = request.before.facts if request.before else {}
    if request.undo or "resource_id" not in planned:
        return
    stands = now.facts() if now else {}
    keys = ["resource_id", "source"] if _fenced_by(request, now) else ["resource_id", "source", "groups"]
    differs = [key for key in keys if stands.get(key) != planned.get(key)]
    if differs:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The instance is not as it was when the run was planned: other {', '.join(differs)}.",
            "Look who changed it, and plan again.",
        )


def _fenced_by(request: StepRequest, now: Database | None) -> bool:
    """Whether its groups are other than planned because this run, or the one that it takes over, has fenced it."""
    epochs = {str(request.ref.epoch), str(request.adopts)}
    return now is not None and now.tags.get(FENCED) in epochs
