"""Whose the VPC is: one item of the site's register table for each VPC, so that it holds one drill at a time.

Invariant: the item changes hands only by its own removal, which is the last thing that closing does.
"""

from datetime import UTC, datetime
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Bubble, Ref


class Lease(Message):
    """What stands in the item."""

    bubble: str
    application: str
    run: str
    epoch: int
    expires: datetime


def of(ref: Ref, bubble: Bubble) -> Lease:
    """The lease that a run wants."""
    return Lease(
        bubble=bubble.name,
        application=ref.application,
        run=ref.workflow_id,
        epoch=ref.epoch,
        expires=bubble.expires.astimezone(UTC),
    )


class Leases:
    """The lease of one VPC."""

    def __init__(self, aws: Aws, vpc: str) -> None:
        self._aws = aws
        self._vpc = vpc
        self._key = {"id": {"S": f"bubble/{vpc}"}}

    async def read(self) -> Lease | None:
        """What stands; None when the VPC is free."""
        table = self._aws.site.register_table
        found = await self._aws.read("dynamodb", "get_item", TableName=table, Key=self._key, ConsistentRead=True)
        item: dict[str, Any] = found.get("Item", {})
        return Lease.model_validate_json(item["lease"]["S"]) if item else None

    def insist_on(self, stands: Lease | None, wanted: Lease) -> None:
        """It is free, or this very run's.

        Raises:
            PermanentError: PRECONDITION_CHANGED or STALE_EPOCH.
        """
        if stands is None or (stands.run, stands.bubble, stands.epoch) == (wanted.run, wanted.bubble, wanted.epoch):
            return
        if stands.application == wanted.application and stands.epoch > wanted.epoch:
            raise PermanentError(
                Code.STALE_EPOCH,
                f"Epoch {stands.epoch} holds {self._vpc}, above epoch {wanted.epoch} of this run.",
                "Look at the later run; this one must not go on.",
            )
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{self._vpc} holds the bubble {stands.bubble} of the run {stands.run}.",
            "That run closes it, or it is swept when its time is over.",
        )

    async def take(self, wanted: Lease) -> None:
        """Write it, if nothing stands. Sent once: when the answer is lost, the next attempt reads whose it is."""
        item = {**self._key, "run": {"S": wanted.run}, "lease": {"S": wanted.model_dump_json()}}
        condition = "attribute_not_exists(id)"
        table = self._aws.site.register_table
        try:
            await self._aws.change("dynamodb", "put_item", TableName=table, Item=item, ConditionExpression=condition)
        except Refused as error:
            if error.reason != "ConditionalCheckFailedException":
                raise
            self.insist_on(await self.read(), wanted)

    async def give_back(self, stands: Lease) -> None:
        """Remove it, if it is still that run's."""
        try:
            await self._aws.repeatable(
                "dynamodb",
                "delete_item",
                TableName=self._aws.site.register_table,
                Key=self._key,
                ConditionExpression="attribute_not_exists(id) OR #run = :run",
                ExpressionAttributeNames={"#run": "run"},
                ExpressionAttributeValues={":run": {"S": stands.run}},
            )
        except Refused as error:
            if error.reason != "ConditionalCheckFailedException":
                raise
