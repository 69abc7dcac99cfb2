"""What stands in the VPC, and what bears a bubble's tag: the only things that closing may remove.

Each service is asked itself: the tagging API lags behind and keeps what is gone for a while. That one is asked for all
others, which a drill is not known to make: they are told, and never touched.
"""

from collections.abc import Iterable
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.tags import PREFIX, table
from workflows.model.base import Message

_GONE = ("terminated", "deleted")
_OWN = (":instance/", ":volume/", ":snapshot/", ":network-interface/", ":db:", ":cluster:", ":cluster-snapshot:")


class Contents(Message):
    """Identifiers, by what they are."""

    instances: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """ARNs of what this cannot remove."""

    @property
    def all(self) -> tuple[str, ...]:
        """Everything."""
        removable = (*self.instances, *self.databases, *self.clusters, *self.volumes, *self.interfaces)
        return (*removable, *self.snapshots, *self.others)

    @property
    def running(self) -> bool:
        """Whether something stands that holds on to the rest."""
        return bool(self.instances or self.databases or self.clusters)

    def told(self) -> str:
        """How much, and the first of it."""
        shown = ", ".join(self.all[:5])
        return f"{len(self.all)} things stand: {shown}" if shown else "nothing stands"


async def tagged(aws: Aws, application: str, bubble: str) -> Contents:
    """All that bears the bubble's tag, in this region."""
    wanted = {f"{PREFIX}application": application, f"{PREFIX}bubble": bubble}
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]
    reservations = await aws.pages("ec2", "describe_instances", "Reservations", Filters=filters)
    instances = [one for found in reservations for one in found["Instances"] if one["State"]["Name"] not in _GONE]
    volumes = await aws.pages("ec2", "describe_volumes", "Volumes", Filters=filters)
    interfaces = await aws.pages("ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
    snapshots = await aws.pages("ec2", "describe_snapshots", "Snapshots", Filters=filters, OwnerIds=["self"])
    databases = await aws.pages("rds", "describe_db_instances", "DBInstances")
    clusters = await aws.pages("rds", "describe_db_clusters", "DBClusters")
    by_tag = [{"Key": key, "Values": [value]} for key, value in wanted.items()]
    others = await aws.pages("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=by_tag)
    return Contents(
        instances=_ids("InstanceId", instances),
        databases=_ids("DBInstanceIdentifier", (one for one in databases if _bears(one, wanted))),
        clusters=_ids("DBClusterIdentifier", (one for one in clusters if _bears(one, wanted))),
        volumes=_ids("VolumeId", volumes),
        interfaces=_ids("NetworkInterfaceId", interfaces),
        snapshots=_ids("SnapshotId", snapshots),
        others=tuple(one["ResourceARN"] for one in others if not any(mark in one["ResourceARN"] for mark in _OWN)),
    )


async def occupied(aws: Aws, vpc: str) -> tuple[str, ...]:
    """The network interfaces in the VPC: all that runs in one has at least one."""
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    found = await aws.pages("ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=here)
    return _ids("NetworkInterfaceId", found)


def _ids(key: str, found: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(str(one[key]) for one in found))


def _bears(one: dict[str, Any], wanted: dict[str, str]) -> bool:
    return wanted.items() <= table(one.get("TagList")).items()
