"""How far a replica is behind, as CloudWatch tells it; measured nowhere else."""

from datetime import datetime

from activities.providers.aws.calls import Aws
from activities.providers.aws.metrics import Datum, newest

FED_SECONDS = 60.0
"""A replica that is less behind was being fed a moment ago; the lag of one whose source is gone grows by itself."""


async def of_replica(aws: Aws, name: str, since: datetime | None = None) -> Datum | None:
    """The newest `ReplicaLag` in seconds; None when there is none of the last five minutes (or that began after
    `since`), or when replication is broken, for which RDS reports -1."""
    found = await newest(aws, "AWS/RDS", "ReplicaLag", {"DBInstanceIdentifier": name})
    if found is None or found.value < 0 or (since is not None and found.at < since):
        return None
    return found


def receives(replicating: bool, found: Datum | None) -> bool:
    """Whether it was being fed when it was measured last."""
    return replicating and found is not None and found.value <= FED_SECONDS
