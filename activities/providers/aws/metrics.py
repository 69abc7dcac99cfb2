"""The newest datum of one metric of CloudWatch. AWS publishes once a minute, and late; no datum is not a zero."""

from datetime import datetime, timedelta
from typing import NamedTuple

from activities.providers.base import now

from .calls import Aws

YOUNG = timedelta(minutes=5)
"""Older data tell nothing of now."""


class Datum(NamedTuple):
    """One value, and the beginning of the minute over which it was taken."""

    value: float
    at: datetime


async def newest(
    aws: Aws, namespace: str, metric: str, dimensions: dict[str, str], young: timedelta = YOUNG
) -> Datum | None:
    """The newest datum, the greatest of its minute; None when there is none that is young enough."""
    found = await since(aws, namespace, metric, dimensions, now() - young)
    return max(found, key=lambda datum: datum.at, default=None)


async def since(
    aws: Aws, namespace: str, metric: str, dimensions: dict[str, str], beginning: datetime
) -> tuple[Datum, ...]:
    """All data from that moment on, each the greatest of its minute; of the newest, as many as one answer holds."""
    wanted = {
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }
    found = await aws.read(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=[{"Id": "newest", "MetricStat": {"Metric": wanted, "Period": 60, "Stat": "Maximum"}}],
        StartTime=beginning,
        EndTime=now() + timedelta(minutes=1),
        ScanBy="TimestampDescending",
    )
    return tuple(
        Datum(value, when)
        for answer in found.get("MetricDataResults", [])
        for value, when in zip(answer.get("Values", []), answer.get("Timestamps", []), strict=False)
    )
