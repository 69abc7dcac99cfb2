"""The way home: the old site is protected again when a whole, young set of the serving volumes is in its region."""

from typing import TYPE_CHECKING

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import look, snapshot
from .sets import stored

if TYPE_CHECKING:
    from .provider import EbsProvider


async def rebuild(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """A set of what serves at `target.target`, in the region of `target.source`. The old volumes stay as they are:
    nothing is overwritten, so nothing has to be archived.

    Raises:
        PermanentError: ROLE_MISMATCH when the old volumes are in use.
    """
    old, serving = request.target.source, request.target.target
    stands = await look.standing(provider.aws(old, request), provider.site(old))
    if stands.in_use:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"The volumes at {old} hang at instances that are not stopped.",
            "Stop them: two sites must not write to one set.",
        )
    return await snapshot.take(provider, request.model_copy(update={"before": None}), serving, old)


async def protect(provider: "EbsProvider", request: StepRequest) -> StepResult:
    """Insist on a whole set in the region of `target.source`, not older than two of the runbook's intervals.

    Raises:
        PermanentError: NOT_PROTECTED.
    """
    old = request.target.source
    place = provider.site(old)
    sets = await stored(provider.aws(old, request), request)
    newest = max((one.taken for one in sets if not one.flaw(place)), default=None)
    replication = request.target.component.replication
    every = replication.snapshots.every if replication and replication.snapshots else None
    age = (now() - newest).total_seconds() if newest else None
    if age is None or (every and age > 2 * every.total_seconds()):
        raise PermanentError(
            Code.NOT_PROTECTED,
            f"There is no whole set at {old} that is young enough (the newest: {in_words(age)} old).",
            "Take one (rebuild_replica), then retry.",
        )
    return StepResult(
        detail=f"The newest whole set at {old} is {in_words(age)} old.", changed=False, after={"lag_seconds": age}
    )
