"""Who may act at a site, and what stood there before: one item in a DynamoDB table of that very region.

AWS's own calls carry no epoch, so that none of them could refuse a late one. The register can: its one write is
conditional, and it is made immediately before each effect. A call that was sent before a later run took the register
can still land after it; the window is the time of one call, and the lease of the application stands before all this.

Invariants: the epoch of an item only rises; what stood before a step is noted by its first attempt, before its effect,
and never changed. Which way a step took (`intend`) is the last one that was tried.

An item of DynamoDB holds 400 KB, and a schedule replicates under one epoch for months. A claim therefore removes what
older runs noted: all of it with a new epoch, and under the same one all but the `KEPT_RUNS` that noted last. Nothing of
those is undone any more, since a run that can be undone holds the application, and nobody else replicates meanwhile.
"""

import json
from collections.abc import Mapping
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
KEPT_RUNS = 8
"""Of one epoch, besides the run that claims."""
FORGOTTEN_AT_ONCE = 100
"""Notes that one claim removes at most: an expression of DynamoDB has 4 KB and 300 operators ("Quotas")."""


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
        fresh = {"M": {self._ref.key: _note(before, turn=1)}}
        stands = await self._write(_TAKE, _TAKE_IF, {":fresh": fresh})
        if stands is None:
            return before
        noted = self._noted_in(stands)
        if noted is None:
            stands = await self._add(before, stands.get("notes", {}).get("M", {}))
            if stands is None:
                return before
            noted = self._noted_in(stands)
        if noted is None:
            raise self._gone()
        return noted

    async def _add(self, before: dict[str, Any], notes: Mapping[str, Any]) -> dict[str, Any] | None:
        """One note more, and those less that nobody needs; what stands instead when it was not written."""
        turns = {key: json.loads(note["S"])["turn"] for key, note in notes.items() if "#" not in key}
        names = {f"#o{number}": key for number, key in enumerate(_needless(notes, turns, self._ref.workflow_id))}
        removal = " REMOVE " + ", ".join(f"notes.{name}" for name in names) if names else ""
        note = _note(before, turn=1 + max(turns.values(), default=0))
        return await self._write(_NOTE + removal, _NOTE_IF, {":note": note}, {"#k": self._ref.key, **names})

    async def noted(self) -> dict[str, Any] | None:
        """What this step's first attempt found; None when it never came to act.

        Raises:
            PermanentError: STALE_EPOCH, when a later run stands in the register.
        """
        return self._noted_in(await self._read())

    async def intend(self, part: str, way: str) -> None:
        """Say which way is taken for a part of the effect, before it is taken and after `claim`, so that the attempt
        after a lost answer takes the same one.

        Raises:
            PermanentError: STALE_EPOCH, when a later run stands in the register.
        """
        key = f"{self._ref.key}#{part}"
        stands = await self._write(_NOTE, _INTEND_IF, {":note": {"S": way}}, {"#k": key})
        if stands is not None:
            self._insist(stands)
            raise self._gone()

    async def intended(self) -> dict[str, str]:
        """The last way of each part."""
        notes = (await self._read()).get("notes", {}).get("M", {})
        start = f"{self._ref.key}#"
        return {key.removeprefix(start): str(note["S"]) for key, note in notes.items() if key.startswith(start)}

    def _noted_in(self, item: dict[str, Any]) -> dict[str, Any] | None:
        self._insist(item)
        if int(item.get("epoch", {}).get("N", "-1")) != self._ref.epoch:
            return None
        note = item.get("notes", {}).get("M", {}).get(self._ref.key)
        return None if note is None else dict(json.loads(note["S"])["before"])

    async def _read(self) -> dict[str, Any]:
        table = self._aws.site.register_table
        found = await self._aws.read(
            "dynamodb", "get_item", TableName=table, Key={"id": {"S": self._id}}, ConsistentRead=True
        )
        item: dict[str, Any] = found.get("Item", {})
        return item

    async def _write(
        self, update: str, condition: str, values: dict[str, Any], names: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """None when it was written; what stands when the condition does not hold, told by that very call."""
        try:
            await self._aws.repeatable(
                "dynamodb",
                "update_item",
                TableName=self._aws.site.register_table,
                Key={"id": {"S": self._id}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={":e": {"N": str(self._ref.epoch)}, **values},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **({"ExpressionAttributeNames": dict(names)} if names else {}),
            )
        except Refused as error:
            if error.reason == "ConditionalCheckFailedException":
                return dict(error.item)
            if error.reason == "ResourceNotFoundException":
                raise _no_table(self._aws) from None
            raise
        return None

    def _gone(self) -> OutcomeUnknownError:
        return OutcomeUnknownError(f"{self._id} was taken out of the register meanwhile.", "It is tried again.")

    def _insist(self, item: dict[str, Any]) -> None:
        stands = int(item.get("epoch", {}).get("N", "-1"))
        if stands > self._ref.epoch:
            raise PermanentError(
                Code.STALE_EPOCH,
                f"Epoch {stands} stands in the register for {self._id}, above epoch {self._ref.epoch} of this run: a"
                " later run has taken over.",
                "Look at the later run; this one must not go on.",
            )


def _note(before: dict[str, Any], turn: int) -> dict[str, str]:
    """`turn` orders the notes of an item, so that no clock has to."""
    return {"S": json.dumps({"turn": turn, "before": before}, sort_keys=True, default=str)}


def _needless(notes: Mapping[str, Any], turns: Mapping[str, int], mine: str) -> list[str]:
    """The keys of what was noted by other runs than this one and the last few."""
    last: dict[str, int] = {}
    for key, turn in turns.items():
        last[_run(key)] = max(turn, last.get(_run(key), 0))
    kept = {mine, *sorted(set(last) - {mine}, key=lambda run: last[run])[-KEPT_RUNS:]}
    return [key for key in notes if _run(key) not in kept][:FORGOTTEN_AT_ONCE]


def _run(key: str) -> str:
    """The workflow of a key: all before the step and the epoch."""
    return key.partition("#")[0].rsplit(":", 2)[0]


def _no_table(aws: Aws) -> PermanentError:
    return PermanentError(
        Code.CONFIGURATION,
        f"The table {aws.site.register_table} is not in {aws.region}.",
        "Make it with infra/aws (a DynamoDB table whose key is `id`, a string), then retry.",
    )
