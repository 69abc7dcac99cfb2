"""A table as it stands."""

from datetime import UTC, datetime
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.tags import PREFIX, table
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError

SERVING, ABANDONED = f"{PREFIX}serving", f"{PREFIX}abandoned"


class Standing(Strict):
    """What DescribeTable and its tags say."""

    name: str
    arn: str
    status: str
    created: datetime
    items: int
    size: int
    replicas: dict[str, str]
    """The state of each other replica, by its region."""
    source: str
    """The table that it was restored from; empty for any other."""
    tags: dict[str, str]

    @property
    def epoch(self) -> int | None:
        """Of the promotion under which it serves; None when it does not."""
        told = self.tags.get(SERVING, "")
        return int(told) if told.isdigit() else None

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "table": self.name,
            "status": self.status,
            "created": self.created.isoformat(),
            "replicas": self.replicas,
            "epoch": self.epoch,
            "items": self.items,
        }


async def maybe(aws: Aws, name: str) -> Standing | None:
    """The table; None when there is none."""
    try:
        found = (await aws.read("dynamodb", "describe_table", TableName=name))["Table"]
        tags = await aws.pages("dynamodb", "list_tags_of_resource", "Tags", ResourceArn=found["TableArn"])
    except Refused as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise
    return Standing(
        name=name,
        arn=found["TableArn"],
        status=found["TableStatus"],
        created=found["CreationDateTime"].astimezone(UTC),  # botocore gives this machine's own time zone.
        items=found.get("ItemCount", 0),
        size=found.get("TableSizeBytes", 0),
        replicas={one["RegionName"]: one.get("ReplicaStatus", "") for one in found.get("Replicas", [])},
        source=found.get("RestoreSummary", {}).get("SourceTableArn", ""),
        tags=table(tags),
    )


async def standing(aws: Aws, name: str) -> Standing:
    """The table. PermanentError(NOT_FOUND) when there is none."""
    found = await maybe(aws, name)
    if found is None:
        raise PermanentError(
            Code.NOT_FOUND,
            f"There is no table {name} in {aws.region}.",
            "Check `table` in the runbook, or create the replica with infra/aws.",
        )
    return found
