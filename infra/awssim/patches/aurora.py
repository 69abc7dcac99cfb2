"""Aurora global databases: one writer, which moves by a switchover or a failover that takes its time."""

import time
from typing import Any

from moto.core.responses import ActionResult
from moto.rds.exceptions import DBClusterNotFoundError, InvalidDBClusterStateFault, RDSClientError
from moto.rds.models import GlobalCluster, RDSBackend
from moto.rds.responses import RDSResponse

from infra.awssim.patches.registry import Function, patch
from infra.awssim.states import GLOBAL_CLUSTER, delay

Moving = tuple[Any, Any, bool, float]
"""From whom, to whom, whether data may be lost, and since when."""


@patch(RDSBackend, "create_global_cluster", "rds", "CreateGlobalCluster")
def create_global_cluster(original: Function, this: Any, *args: Any, **kwargs: Any) -> Any:
    """The cluster that a global database is made of is its writer."""
    made = original(this, *args, **kwargs)
    for member in made.members:
        member.is_writer = True
    return made


@patch(RDSResponse, "describe_global_clusters", "rds", "DescribeGlobalClusters")
def describe_global_clusters(original: Function, this: Any) -> Any:
    """The one that is asked for (`GlobalClusterNotFoundFault`), with its FailoverState while the writer moves."""
    del original
    wanted = this.params.get("GlobalClusterIdentifier")
    found = [_find(this, wanted)] if wanted else this.global_backend.describe_global_clusters()
    return ActionResult({"GlobalClusters": [_shown(one) for one in found]})


@patch(RDSResponse, "switchover_global_cluster", "rds", "SwitchoverGlobalCluster")
def switchover_global_cluster(original: Function, this: Any) -> Any:
    """The writer moves to a secondary (`DBClusterNotFoundFault`) after the delay `rds.global-cluster`; both stay."""
    del original
    return _move(this, loses=False)


@patch(RDSResponse, "failover_global_cluster", "rds", "FailoverGlobalCluster")
def failover_global_cluster(original: Function, this: Any) -> Any:
    """As a switchover, or with AllowDataLoss; then the old writer is `pending-resync` for as long again."""
    del original
    return _move(this, loses=bool(this.params.get("AllowDataLoss")))


def _find(response: Any, name: str) -> Any:
    found = response.global_backend.global_clusters.get(name.lower())
    if found is None:
        raise RDSClientError("GlobalClusterNotFoundFault", f"Global cluster {name} not found.")
    return found


def _move(response: Any, loses: bool) -> ActionResult:
    found, arn = (
        _find(response, response.params["GlobalClusterIdentifier"]),
        response.params["TargetDbClusterIdentifier"],
    )
    if _moving(found):
        raise RDSClientError("InvalidGlobalClusterStateFault", f"{found.global_cluster_identifier} is moving already.")
    target = next((member for member in found.members if member.db_cluster_arn == arn), None)
    if target is None:
        raise DBClusterNotFoundError(arn)
    if target.is_writer:
        raise InvalidDBClusterStateFault(f"{arn} is the primary cluster already.")
    source = next(member for member in found.members if member.is_writer)
    vars(found)["moving"] = (source, target, loses, time.monotonic())
    return ActionResult({"GlobalCluster": _shown(found)})


def _moving(found: Any) -> Moving | None:
    """The move that is under way. One that is over has moved the writer."""
    moving: Moving | None = vars(found).get("moving")
    if moving is None or time.monotonic() - moving[3] < delay(GLOBAL_CLUSTER):
        return moving
    source, target, loses, since = moving
    source.is_writer, target.is_writer = False, True
    vars(found)["moving"] = None
    if loses:
        vars(found)["resyncing"] = (source, since)
    return None


def _shown(found: GlobalCluster) -> dict[str, Any]:
    moving = _moving(found)
    shown = {
        "GlobalClusterIdentifier": found.global_cluster_identifier,
        "GlobalClusterArn": found.global_cluster_arn,
        "GlobalClusterResourceId": found.global_cluster_resource_id,
        "Status": found.status,
        "Engine": found.engine,
        "EngineVersion": found.engine_version,
        "StorageEncrypted": found.storage_encrypted,
        "DeletionProtection": found.deletion_protection,
        "GlobalClusterMembers": [_member(found, member) for member in found.members],
    }
    if moving:
        source, target, loses, _ = moving
        shown["Status"] = "failing-over" if loses else "switching-over"
        shown["FailoverState"] = {
            # The model's enumeration lacks `switching-over`, which its documentation names.
            "Status": "failing-over" if loses else "pending",
            "FromDbClusterArn": source.db_cluster_arn,
            "ToDbClusterArn": target.db_cluster_arn,
            "IsDataLossAllowed": loses,
        }
    return shown


def _member(found: Any, member: Any) -> dict[str, Any]:
    who, since = vars(found).get("resyncing") or (None, 0.0)
    late = member is who and time.monotonic() - since < 2 * delay(GLOBAL_CLUSTER)
    readers = [other.db_cluster_arn for other in found.members if not other.is_writer]
    return {
        "DBClusterArn": member.db_cluster_arn,
        "IsWriter": member.is_writer,
        "Readers": readers if member.is_writer else [],
        "SynchronizationStatus": "pending-resync" if late else "connected",
    }
