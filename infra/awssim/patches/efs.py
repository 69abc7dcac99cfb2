"""EFS's replication to another region: one source, one destination that is read-only until the replication is deleted.

No file is kept, so that nothing is copied: what the API tells is as if all were copied at the pace of one delay. With
`efs.replication` at n seconds a new replication is ENABLING for n seconds, the copy is always n seconds behind, and a
deletion takes n seconds. Source: EFS API reference and "Replicating EFS file systems" in the user guide.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from moto.efs import urls
from moto.efs.exceptions import EFSError, FileSystemNotFound
from moto.efs.models import EFSBackend, FileSystem, efs_backends
from moto.efs.responses import EFSResponse

from infra.awssim.patches.registry import Function, patch
from infra.awssim.states import EFS_REPLICATION, delay

_JSON = {"Content-Type": "application/json"}
for _part in ("replication-configuration", "protection"):
    urls.url_paths[f"/2015-02-01/file-systems/<file_system_id>/{_part}"] = urls.response.dispatch


@dataclass
class Replication:
    """One replication; both file systems have it, until it is deleted at both or at one of them."""

    source: FileSystem
    target: FileSystem
    made: float = field(default_factory=time.time)
    deleted: float | None = None
    """When it was asked for; None while nobody did."""

    def shown(self) -> dict[str, Any]:
        """As the API describes it."""
        young = time.time() - self.made < delay(EFS_REPLICATION)
        status = "DELETING" if self.deleted is not None else "ENABLING" if young else "ENABLED"
        told = {} if young else {"LastReplicatedTimestamp": time.time() - delay(EFS_REPLICATION)}
        destination = {
            "Status": status,
            "FileSystemId": self.target.file_system_id,
            "Region": _region(self.target),
            "OwnerId": self.target.owner_id,
            **told,
        }
        return {
            "SourceFileSystemId": self.source.file_system_id,
            "SourceFileSystemRegion": _region(self.source),
            "SourceFileSystemArn": self.source.file_system_arn,
            "OriginalSourceFileSystemArn": self.source.file_system_arn,
            "SourceFileSystemOwnerId": self.source.owner_id,
            "CreationTime": self.made,
            "Destinations": [destination],
        }


class NotReplicated(EFSError):
    """In the model's words."""

    code = 404

    def __init__(self, name: str) -> None:
        super().__init__("ReplicationNotFound", f"{name} has no replication configuration.")


class Refusal(EFSError):
    """In the model's words."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = status


@patch(FileSystem, "info_json", "efs", "CreateFileSystem", "DescribeFileSystems")
def info_json(original: Function, this: Any) -> Any:
    """A file system tells its replication overwrite protection: ENABLED, DISABLED, or REPLICATING as a destination."""
    shown: dict[str, Any] = original(this)
    return shown | {"FileSystemProtection": {"ReplicationOverwriteProtection": _protection(this)}}


@patch(EFSResponse, "update_file_system_protection", "efs", "UpdateFileSystemProtection")
def update_file_system_protection(original: Function, this: Any) -> Any:
    """It is set on what has no replication (`ReplicationAlreadyExists`)."""
    del original
    found = _find(this.efs_backend, this._get_param("FileSystemId"))
    if _replication(found):
        raise Refusal("ReplicationAlreadyExists", f"{found.file_system_id} is replicated.", 409)
    vars(found)["_protection"] = this._get_param("ReplicationOverwriteProtection")
    return json.dumps({"ReplicationOverwriteProtection": _protection(found)}), _JSON


@patch(EFSResponse, "create_replication_configuration", "efs", "CreateReplicationConfiguration")
def create_replication_configuration(original: Function, this: Any) -> Any:
    """Onto a file system that stands, once its protection is DISABLED (`BadRequest`); an encrypted one onto another."""
    del original
    source = _find(this.efs_backend, this._get_param("SourceFileSystemId"))
    (wanted,) = this._get_param("Destinations")
    backends = efs_backends[this.current_account]
    name = wanted.get("FileSystemId", "").rpartition("/")[2]
    target = backends[wanted.get("Region") or this.region].file_systems_by_id.get(name)
    if target is None:
        raise FileSystemNotFound(name)
    if _replication(source) or _replication(target):
        raise Refusal("BadRequest", "A file system can be part of only one replication configuration.")
    if _protection(target) != "DISABLED":
        raise Refusal("BadRequest", f"The replication overwrite protection of {name} is not disabled.")
    if source.encrypted and not target.encrypted:
        raise Refusal("ConflictException", "The source is encrypted and the destination is not.", 409)
    made = Replication(source, target)
    for one in (source, target):
        vars(one)["_replication"] = made
    return json.dumps(made.shown()), _JSON


@patch(EFSResponse, "describe_replication_configurations", "efs", "DescribeReplicationConfigurations")
def describe_replication_configurations(original: Function, this: Any) -> Any:
    """Of a file system of this very region, be it source or destination; `ReplicationNotFound` when it has none."""
    del original
    name = this._get_param("FileSystemId")
    all_ = [_find(this.efs_backend, name)] if name else list(this.efs_backend.file_systems_by_id.values())
    found = {id(made): made for one in all_ if (made := _replication(one))}
    if name and not found:
        raise NotReplicated(name)
    return json.dumps({"Replications": [made.shown() for made in found.values()]}), _JSON


@patch(EFSResponse, "delete_replication_configuration", "efs", "DeleteReplicationConfiguration")
def delete_replication_configuration(original: Function, this: Any) -> Any:
    """Asked in either region, by the source's id; after a while both, or the local one alone, are free and writable."""
    del original
    name = this._get_param("SourceFileSystemId")
    here = list(this.efs_backend.file_systems_by_id.values())
    made = next((one for one in map(_replication, here) if one and one.source.file_system_id == name), None)
    if made is None:
        raise NotReplicated(name) if name in this.efs_backend.file_systems_by_id else FileSystemNotFound(name)
    made.deleted = made.deleted or time.time()
    local = this._get_param("deletionMode") == "LOCAL_CONFIGURATION_ONLY"
    for one in (made.source, made.target):
        if local and one not in here:
            # What stays behind is told as it was, and can be reached by nobody.
            vars(one)["_replication"] = Replication(made.source, made.target, made.made)
    return "", {**_JSON, "status": 204}


@patch(EFSResponse, "delete_file_system_policy", "efs", "DeleteFileSystemPolicy")
def delete_file_system_policy(original: Function, this: Any) -> Any:
    """The default policy is in effect again."""
    del original
    _find(this.efs_backend, this._get_param("FileSystemId")).file_system_policy = None
    return "", {**_JSON, "status": 200}


def _find(backend: EFSBackend, name: str) -> Any:
    found = backend.file_systems_by_id.get(name)
    if found is None:
        raise FileSystemNotFound(name)
    return found


def _replication(found: Any) -> Replication | None:
    """What it takes part in. A deletion whose time is over has freed it, and protects it again."""
    made: Replication | None = vars(found).get("_replication")
    if made is None or made.deleted is None or time.time() - made.deleted < delay(EFS_REPLICATION):
        return made
    vars(found)["_replication"], vars(found)["_protection"] = None, "ENABLED"
    return None


def _protection(found: Any) -> str:
    made = _replication(found)
    if made and made.target is found:
        return "REPLICATING"
    return str(vars(found).get("_protection", "ENABLED"))


def _region(found: Any) -> str:
    return str(found.file_system_arn.split(":")[3])
