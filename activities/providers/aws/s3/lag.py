"""How far the copy is behind: a marker of our own where the service replicates, else what has not been brought."""

import json
from typing import TYPE_CHECKING, Any

from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepRequest, StepResult

from .standing import body
from .sync import GRACE_SECONDS, age, period, replicated

if TYPE_CHECKING:
    from .provider import S3Provider

MARKER = "marker.json"


async def measure_lag(provider: "S3Provider", request: StepRequest) -> StepResult:
    """See `Provider.measure_lag`.

    Raises:
        PermanentError: REPLICA_FROZEN.
    """
    origin, into = request.target.source, request.target.target
    source, copy = provider.site(origin), provider.site(into)
    if await replicated(provider.aws(origin, request), source, copy):
        return await _by_marker(provider, request, origin, into)
    lag, new, gone = await age(provider, request, origin, into)
    if lag > period(request) + GRACE_SECONDS:
        raise _frozen(f"{len(new)} objects have not come to {into}, the oldest since {in_words(lag)}.")
    return StepResult(
        detail=f"{len(new)} objects and {len(gone)} deletions are to come; {in_words(lag)} behind.",
        changed=False,
        after={
            "lag_seconds": lag,
            "lag_bytes": sum(one.size for one in new),
            "marker": None,
            "replica_claims": {"replication": "own"},
        },
    )


async def _by_marker(provider: "S3Provider", request: StepRequest, origin: str, into: str) -> StepResult:
    source, copy, key = provider.site(origin), provider.site(into), f"{provider.settings.own}{MARKER}"
    here, there = provider.aws(origin, request), provider.aws(into, request)
    written = now()
    mark = json.dumps({"at": written.isoformat(), "key": request.ref.key}).encode()
    provider.context.still_mine()
    # Sent again it is the same marker: a second version of it means nothing.
    await here.repeatable("s3", "put_object", Bucket=source.bucket, Key=key, Body=mark)
    try:
        await until(
            lambda: body(there, copy, key),
            lambda found: found == mark,
            lambda _: f"the marker of {written:%H:%M:%S} has not come to {copy.bucket}",
            provider.context,
            provider.settings.frozen_after.total_seconds(),
        )
    except OutcomeUnknownError:
        raise _frozen(
            f"A marker written at {origin} did not come to {into} within "
            f"{in_words(provider.settings.frozen_after.total_seconds())}."
        ) from None
    head = await here.read("s3", "head_object", Bucket=source.bucket, Key=key)
    lag = (now() - written).total_seconds()
    claims: dict[str, Any] = {"replication": "service", "marker_status": head.get("ReplicationStatus")}
    return StepResult(
        detail=f"A marker came to {into} within {in_words(lag)}.",
        changed=False,
        after={"lag_seconds": lag, "lag_bytes": None, "marker": written.isoformat(), "replica_claims": claims},
    )


def _frozen(sentence: str) -> PermanentError:
    return PermanentError(
        Code.REPLICA_FROZEN, sentence, "Look why it is not synchronised, whatever it says of itself; do not move to it."
    )
