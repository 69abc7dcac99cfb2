"""How far a replica is behind, as CloudWatch tells it; measured nowhere else.

RDS for PostgreSQL tells the age of the newest transaction that was replayed (RDS user guide, "Monitoring read
replicas"): while nobody writes, it grows to the five minutes between two heartbeats of RDS's own, though nothing is
missing. So what a replica holds is judged by the moment that the lag leads back to, and not by the lag alone.
"""

from datetime import datetime, timedelta

from activities.providers.aws.calls import Aws
from activities.providers.aws.metrics import Datum, newest, since

FED_SECONDS = 60.0
"""A replica that is less behind was being fed a moment ago; the lag of one whose source is gone grows by itself."""

_BEFORE = timedelta(minutes=15)


async def of_replica(aws: Aws, name: str) -> Datum | None:
    """The newest `ReplicaLag` in seconds; None when there is none of the last five minutes, or when replication is
    broken, for which RDS reports -1."""
    found = await newest(aws, "AWS/RDS", "ReplicaLag", {"DBInstanceIdentifier": name})
    return None if found is None or found.value < 0 else found


def held_until(found: Datum) -> datetime:
    """All that was committed until then had been replayed within the datum's minute: of a minute it is the greatest
    lag, told at the minute's beginning."""
    return found.at - timedelta(seconds=found.value)


async def held(aws: Aws, name: str, ended: datetime) -> datetime | None:
    """The latest moment of which a replica is known to have had everything, also when it is a replica no more; None
    when nothing was measured in the quarter of an hour before its source `ended`, nor since."""
    found = await since(aws, "AWS/RDS", "ReplicaLag", {"DBInstanceIdentifier": name}, ended - _BEFORE)
    return max((held_until(one) for one in found if one.value >= 0), default=None)


def missing(held: datetime, ended: datetime) -> float:
    """Seconds that a replica which holds all until one moment lacks of a source that ended at another."""
    return max(0.0, (ended - held).total_seconds())


def receives(replicating: bool, found: Datum | None) -> bool:
    """Whether it was being fed when it was measured last."""
    return replicating and found is not None and found.value <= FED_SECONDS
