"""Settings of `aws.dynamodb`."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import Duration

TableName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.-]{3,240}$", description="A DynamoDB table.", examples=["shop-orders"])
]


class DynamoSite(AwsSite):
    """The replica of a site. A replica takes writes at every site: which of them the application uses is told by the
    tag `seawall:serving`, which is the epoch of the promotion. The table at home carries it from the start (`0`)."""

    table: TableName


class DynamoSettings(AwsSettings):
    """One replica a site."""

    sites: dict[str, DynamoSite]
    frozen_after: Duration = timedelta(seconds=30)
    """The replication latency from which on the replica counts as frozen."""
    window: Duration = timedelta(minutes=10)
    """How far back the metric of the latency is looked at; CloudWatch has it once a minute."""
