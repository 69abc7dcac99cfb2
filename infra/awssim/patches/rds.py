"""RDS: a promoted replica has no source any more, and a replica takes its time."""

from typing import Any

from moto.rds.exceptions import DBInstanceNotFoundError, RDSClientError
from moto.rds.models import DBInstance, RDSBackend

from infra.awssim.patches.registry import Function, patch
from infra.awssim.states import DB_INSTANCE


@patch(RDSBackend, "promote_read_replica", "rds", "PromoteReadReplica")
def promote_read_replica(original: Function, this: Any, db_kwargs: Any) -> Any:
    """A promoted replica and its source forget each other; only a replica is promoted: `InvalidDBInstanceState`."""
    name = db_kwargs["DBInstanceIdentifier"]
    replica = this.databases.get(name)
    if replica is None:
        raise DBInstanceNotFoundError(name)
    if not replica.is_replica:
        raise RDSClientError("InvalidDBInstanceState", f"DB Instance {name} is not a read replica.")
    _part(this, replica)
    promoted = original(this, db_kwargs)
    promoted.source_db_instance_identifier = None
    return promoted


@patch(RDSBackend, "create_db_instance_read_replica", "rds", "CreateDBInstanceReadReplica")
def create_db_instance_read_replica(original: Function, this: Any, db_kwargs: Any) -> Any:
    """A replica is `creating` for as long as an instance is; moto makes it as a copy of its source, which is done."""
    replica = original(this, db_kwargs)
    DB_INSTANCE.begin(replica, None, "available")
    return replica


@patch(DBInstance, "remove_replica", "rds", "DeleteDBInstance")
def remove_replica(original: Function, this: Any, replica: Any) -> None:
    """A replica in another region is forgotten by its source too."""
    del original
    names = (replica.db_instance_identifier, replica.db_instance_arn)
    this.replicas = [name for name in this.replicas if name not in names]


def _part(backend: Any, replica: Any) -> None:
    try:
        source = backend.find_db_from_id(replica.source_db_instance_identifier)
    except DBInstanceNotFoundError:
        return
    source.remove_replica(replica)
