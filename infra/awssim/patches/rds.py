"""RDS: replicas and their sources know of each other, names are given once, and things take their time."""

from typing import Any

from moto.rds.exceptions import DBInstanceAlreadyExists, DBInstanceNotFoundError, RDSClientError
from moto.rds.models import DBInstance, RDSBackend, rds_backends

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
    DB_INSTANCE.begin(promoted, "replica", "available")
    return promoted


@patch(RDSBackend, "create_db_instance_read_replica", "rds", "CreateDBInstanceReadReplica")
def create_db_instance_read_replica(original: Function, this: Any, db_kwargs: Any) -> Any:
    """It has a free name (`DBInstanceAlreadyExists`), a source with backups (`InvalidDBInstanceState`), none itself.

    A replica is `creating` for as long as an instance is; moto makes it as a copy of its source, which is done.
    """
    if db_kwargs["db_instance_identifier"] in this.databases:
        raise DBInstanceAlreadyExists()
    source = this.find_db_from_id(db_kwargs["source_db_instance_identifier"])
    if not source.backup_retention_period:
        raise RDSClientError("InvalidDBInstanceState", "Automated backups are not enabled for this database instance.")
    replica = original(this, db_kwargs)
    replica.backup_retention_period = 0
    replica.tags = list(db_kwargs.get("tags") or [])
    DB_INSTANCE.begin(replica, None, "available")
    return replica


@patch(RDSBackend, "modify_db_instance", "rds", "ModifyDBInstance")
def modify_db_instance(original: Function, this: Any, db_instance_identifier: str, db_kwargs: Any) -> Any:
    """A new name is one that nobody has (`DBInstanceAlreadyExists`); replicas and source go on under it."""
    name = db_kwargs.get("new_db_instance_identifier")
    if name and name in this.databases:
        raise DBInstanceAlreadyExists()
    old = this.databases[db_instance_identifier].db_instance_arn if db_instance_identifier in this.databases else ""
    changed = original(this, db_instance_identifier, db_kwargs)
    if name:
        _rename_in_others(this, (old, db_instance_identifier), (changed.db_instance_arn, name))
    return changed


@patch(RDSBackend, "copy_db_snapshot", "rds", "CopyDBSnapshot")
def copy_db_snapshot(original: Function, this: Any, source_db_snapshot_identifier: str, *args: Any, **kw: Any) -> Any:
    """Only a snapshot that is whole is copied: `InvalidDBSnapshotState`."""
    _insist_on_whole(this.get_db_snapshot(source_db_snapshot_identifier))
    return original(this, source_db_snapshot_identifier, *args, **kw)


@patch(RDSBackend, "restore_db_instance_from_db_snapshot", "rds", "RestoreDBInstanceFromDBSnapshot")
def restore_db_instance_from_db_snapshot(original: Function, this: Any, from_snapshot_id: str, overrides: Any) -> Any:
    """Only a snapshot that is whole is restored (`InvalidDBSnapshotState`), to an instance that follows nobody."""
    _insist_on_whole(this.get_db_snapshot(from_snapshot_id))
    restored = original(this, from_snapshot_id, overrides)
    restored.tags = list(overrides.get("tags") or [])
    restored.source_db_instance_identifier = None
    return restored


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


def _insist_on_whole(snapshot: Any) -> None:
    if snapshot.status != "available":
        text = f"Snapshot {snapshot.db_snapshot_identifier} is {snapshot.status}, and not available."
        raise RDSClientError("InvalidDBSnapshotState", text)


def _rename_in_others(backend: Any, old: tuple[str, str], new: tuple[str, str]) -> None:
    """By its ARN in other regions, by its name in its own."""
    names = dict(zip(old, new, strict=True))
    for region in rds_backends[backend.account_id].values():
        known = names if region is backend else {old[0]: new[0]}
        for other in region.databases.values():
            other.source_db_instance_identifier = known.get(
                other.source_db_instance_identifier, other.source_db_instance_identifier
            )
            other.replicas = [known.get(one, one) for one in other.replicas]
