"""What stands: the global database as every region describes it, and the cluster of one region."""

from typing import Any, NamedTuple

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.metrics import Datum, newest
from activities.providers.aws.tags import PREFIX, table
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest

FENCED = f"{PREFIX}fenced"
FED_SECONDS = 10.0
"""A secondary that is less behind was being fed a moment ago."""
DOWN = frozenset(
    [
        "creating",
        "deleting",
        "inaccessible-encryption-credentials",
        "migration-failed",
        "starting",
        "stopped",
        "stopping",
    ]
)
"""States of "Viewing DB cluster status" (Aurora user guide) in which nobody is served."""


class Member(Strict):
    """One cluster, as the global database sees it."""

    arn: str
    writer: bool
    in_step: bool
    """False while its storage is built anew (`pending-resync`)."""


class Topology(Strict):
    """The global database."""

    members: tuple[Member, ...]
    moving_to: str | None
    """The ARN of the cluster that is becoming the writer; None when none is."""

    def of(self, arn: str) -> Member | None:
        """The member with that ARN."""
        return next((one for one in self.members if one.arn == arn), None)


class Cluster(Strict):
    """The cluster of one region."""

    name: str
    arn: str
    status: str
    engine_version: str
    groups: tuple[str, ...]
    settled: bool
    """Whether every change of the groups is done."""
    writer_instance: str | None
    instances: int
    """Without any the data are there and nobody is served."""
    tags: dict[str, str]

    def isolated_by(self, group: str) -> bool:
        """Whether that group alone stands, so that nobody can reach it."""
        return self.settled and self.groups == (group,)


class Look(NamedTuple):
    """A cluster, and its part in the global database as its own region tells it."""

    cluster: Cluster
    member: Member | None
    topology: Topology

    @property
    def writes(self) -> bool:
        """Whether it is the writer. A cluster that was taken out of the global database is one of its own."""
        return self.member is None or self.member.writer

    def serves(self, isolation_group: str) -> bool:
        """Whether it accepts writes of an application, or may."""
        return self.writes and self.cluster.status not in DOWN and not self.cluster.isolated_by(isolation_group)

    def facts(self) -> dict[str, Any]:
        """As JSON values, without the tags."""
        found = self.cluster.model_dump(mode="json", exclude={"tags"})
        in_step = self.member.in_step if self.member else None
        return found | {"writer": self.writes, "in_step": in_step, "moving_to": self.topology.moving_to}


async def look(aws: Aws, global_cluster: str, name: str) -> Look:
    """Both, asked for in the region of `aws`.

    Raises:
        PermanentError: NOT_FOUND, when there is no such cluster or global database.
    """
    try:
        found = await aws.read("rds", "describe_db_clusters", DBClusterIdentifier=name)
        everywhere = await aws.read("rds", "describe_global_clusters", GlobalClusterIdentifier=global_cluster)
    except Refused as error:
        if error.code is not Code.NOT_FOUND:
            raise
        raise PermanentError(
            Code.NOT_FOUND,
            f"There is no cluster {name} in {aws.region}, or no global database {global_cluster}.",
            "Check `cluster` and `global_cluster` in the runbook.",
        ) from None
    cluster, topology = _cluster(found["DBClusters"][0]), _topology(everywhere["GlobalClusters"][0])
    return Look(cluster, topology.of(cluster.arn), topology)


def _cluster(found: dict[str, Any]) -> Cluster:
    groups = found.get("VpcSecurityGroups", [])
    members = found.get("DBClusterMembers", [])
    return Cluster(
        name=found["DBClusterIdentifier"],
        arn=found["DBClusterArn"],
        status=found.get("Status", "creating"),
        engine_version=found.get("EngineVersion", ""),
        groups=tuple(sorted(one["VpcSecurityGroupId"] for one in groups if one.get("Status") != "removing")),
        settled=all(one.get("Status") == "active" for one in groups),
        writer_instance=next((one["DBInstanceIdentifier"] for one in members if one.get("IsClusterWriter")), None),
        instances=len(members),
        tags=table(found.get("TagList")),
    )


def _topology(found: dict[str, Any]) -> Topology:
    members = tuple(
        Member(
            arn=one["DBClusterArn"],
            writer=one.get("IsWriter", False),
            in_step=one.get("SynchronizationStatus", "connected") == "connected",
        )
        for one in found.get("GlobalClusterMembers", [])
    )
    return Topology(members=members, moving_to=(found.get("FailoverState") or {}).get("ToDbClusterArn"))


async def lag(aws: Aws, name: str) -> Datum | None:
    """How far the secondary of a region is behind, in seconds; None when nothing was measured in five minutes.

    `AuroraGlobalDBRPOLag`, or `AuroraGlobalDBReplicationLag` of engines that have no other; both are in milliseconds.
    """
    mine = [{"Name": "DBClusterIdentifier", "Value": name}]
    for metric in ("AuroraGlobalDBRPOLag", "AuroraGlobalDBReplicationLag"):
        # They differ in what else they are told apart by, such as the region that they come from.
        for listed in await aws.pages(
            "cloudwatch", "list_metrics", "Metrics", Namespace="AWS/RDS", MetricName=metric, Dimensions=mine
        ):
            dimensions = {one["Name"]: one["Value"] for one in listed["Dimensions"]}
            if found := await newest(aws, "AWS/RDS", metric, dimensions):
                return Datum(found.value / 1000, found.at)
    return None


def as_planned(request: StepRequest, now: Look) -> None:
    """The cluster plays the part that the plan saw, behind the same groups.

    Raises:
        PermanentError: PRECONDITION_CHANGED.
    """
    planned = request.before.facts if request.before else {}
    if request.undo or "writer" not in planned:
        return
    stands = now.facts()
    differs = [key for key in ("arn", "writer", "groups") if stands.get(key) != planned.get(key)]
    if differs:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"The cluster is not as it was when the run was planned: other {', '.join(differs)}.",
            "Look who changed it, and plan again.",
        )
