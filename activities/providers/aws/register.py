"""Who may act at a site, and what stood there before: one item in a DynamoDB table of that very region.

AWS's own calls carry no epoch, so that none of them could refuse a late one. The register can: its one write is
conditional, and it is made immediately before each effect. A call that was sent before a later run took the register
can still land after it; the window is the time of one call, and the lease of the application stands before all this.

Invariants: the epoch of an item only rises; what stood before a step is noted by its first attempt, before its effect,
and never changed. Which way a step took (`intend`) is the last one that was tried.
"""

import json
from typing import Any

from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest

from .calls import Aws
from .errors import Refused

_TAKE = "SET epoch = :e, notes = :fresh"
_TAKE_IF = "attribute_not_exists(epoch) OR epoch < :e"
_NOTE = "SET notes.#k = :note"
_NOTE_IF = "epoch = :e AND attribute_not_exists(notes.#k)"
_INTEND_IF = "epoch = :e"


class Register:
    """One component at one site."""

    def __init__(self, aws: Aws, request: StepRequest, site: str) -> None:
        target, bubble = request.target, request.target.bubble
        name = f"{request.ref.application}/{target.name}/{site}"
        self._aws = aws
        self._id = f"{name}/{bubble.name}" if bubble else name
        self._ref = request.ref

    async def claim(self, before: dict[str, Any]) -> dict[str, Any]:
        """Say that this step acts now. Answers what its first attempt found, which is `before` for the first.

        Raises:
            PermanentError: STALE_EPOCH, when a later run stands in the register.
        """
        note = {"S": json.dumps(before, sort_keys=True, default=str)}
        fresh = {"M": {self._ref.key: note}}
        if await self._write(_TAKE, _TAKE_IF, {":fresh": fresh}) or await self._write(
            _NOTE, _NOTE_IF, {":note": note}, key=self._ref.key
        ):
            return before
        return await self._noted_now() or before

    async def noted(self) -> dict[str, Any] | None:
        """What this step's first attempt found; None when it never came to act.

        Raises:
            PermanentError: STALE_EPOCH, when a later run stands in the register.
        """
        return await self._noted_now()

    async def intend(self, part: str, way: str) -> None:
        """Say which way is taken for a part of the effect, before it is taken and after `claim`, so that the attempt
        after a lost answer takes the same one.

        Raises:
            PermanentError: STALE_EPOCH, when a later run stands in the register.
        """
        key = f"{self._ref.key}#{part}"
        if not await self._write(_NOTE, _INTEND_IF, {":note": {"S": way}}, key=key):
            self._insist(await self._read())
            raise OutcomeUnknownError(f"{self._id} was taken out of the register meanwhile.", "It is tried again.")

    async def intended(self) -> dict[str, str]:
        """The last way of each part."""
        notes = (await self._read()).get("notes", {}).get("M", {})
        start = f"{self._ref.key}#"
        return {key.removeprefix(start): str(note["S"]) for key, note in notes.items() if key.startswith(start)}

    async def _noted_now(self) -> dict[str, Any] | None:
        item = await self._read()
        self._insist(item)
        if int(item.get("epoch", {}).get("N", "-1")) != self._ref.epoch:
            return None
        note = item.get("notes", {}).get("M", {}).get(self._ref.key)
        return None if note is None else dict(json.loads(note["S"]))

    async def _read(self) -> dict[str, Any]:
        table = self._aws.site.register_table
        found = await self._aws.read(
            "dynamodb", "get_item", TableName=table, Key={"id": {"S": self._id}}, ConsistentRead=True
        )
        item: dict[str, Any] = found.get("Item", {})
        return item

    async def _write(self, update: str, condition: str, values: dict[str, Any], key: str = "") -> bool:
        named = {"ExpressionAttributeNames": {"#k": key}} if key else {}
        try:
            await self._aws.repeatable(
                "dynamodb",
                "update_item",
                TableName=self._aws.site.register_table,
                Key={"id": {"S": self._id}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={":e": {"N": str(self._ref.epoch)}, **values},
                **named,
            )
        except Refused as error:
            if error.reason == "ConditionalCheckFailedException":
                return False
            if error.reason == "ResourceNotFoundException":
                raise _no_table(self._aws) from None
            raise
        return True

    def _insist(self, item: dict[str, Any]) -> None:
        stands = int(item.get("epoch", {}).get("N", "-1"))
        if stands > self._ref.epoch:
            raise PermanentError(
                Code.STALE_EPOCH,
                f"Epoch {stands} stands in the register for {self._id}, above epoch {self._ref.epoch} of this run: a"
                " later run has taken over.",
                "Look at the later run; this one must not go on.",
            )


def _no_table(aws: Aws) -> PermanentError:
    return PermanentError(
        Code.CONFIGURATION,
        f"The table {aws.site.register_table} is not in {aws.region}.",
        "Make it with infra/aws (a DynamoDB table whose key is `id`, a string), then retry.",
    )
