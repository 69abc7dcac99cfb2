"""DynamoDB: a global table has replicas, and a tag has one value."""

import copy
from typing import Any

from moto.dynamodb.exceptions import MockValidationException, ResourceNotFoundException
from moto.dynamodb.models import DynamoDBBackend, Table, dynamodb_backends
from moto.dynamodb.responses import DynamoHandler

from infra.awssim.patches.registry import Function, patch

_REGIONS = "replicas/regions"
"""In a table's own `__dict__`: the regions of all its replicas, one set for all of them."""


@patch(DynamoHandler, "update_table", "dynamodb", "UpdateTable")
def update_table(original: Function, this: Any) -> Any:
    """A new replica is a table of the same name in its region; the replicas share their items, without any delay."""
    backend, name = this.dynamodb_backend, this.body["TableName"]
    for update in this.body.get("ReplicaUpdates") or ():
        if created := update.get("Create"):
            _replicate(backend, backend.get_table(name), created["RegionName"])
    return original(this)


def _replicate(backend: Any, table: Any, region: str) -> None:
    other = dynamodb_backends[backend.account_id][region]
    if table.name in other.tables:
        raise MockValidationException(f"Replica specified in the Replica Update already exists: {region}")
    regions = vars(table).setdefault(_REGIONS, {backend.region_name})
    twin = copy.copy(table)
    twin.table_arn = table.table_arn.replace(f":{backend.region_name}:", f":{region}:")
    twin.tags = []
    other.tables[table.name] = twin
    regions.add(region)


@patch(Table, "describe", "dynamodb", "DescribeTable")
def describe(original: Function, this: Any, base_key: str = "TableDescription") -> Any:
    """A table names its replicas in the other regions, which are active at once."""
    found = original(this, base_key=base_key)
    regions = vars(this).get(_REGIONS, set()) - {this.table_arn.split(":")[3]}
    if regions:
        found[base_key]["Replicas"] = [{"RegionName": one, "ReplicaStatus": "ACTIVE"} for one in sorted(regions)]
    return found


@patch(DynamoDBBackend, "tag_resource", "dynamodb", "TagResource")
def tag_resource(original: Function, this: Any, arn: str, tags: dict[str, str]) -> None:
    """A tag that is set again has its new value only; an unknown table is refused: `ResourceNotFoundException`."""
    del original
    for table in this.tables.values():
        if table.table_arn == arn:
            kept = [one for one in table.tags if one["Key"] not in tags]
            table.tags = kept + [{"Key": key, "Value": value} for key, value in tags.items()]
            return
    raise ResourceNotFoundException
