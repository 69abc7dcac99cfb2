"""How old the copy is. The source cannot be marked through rsync, so it is asked what it has that the copy lacks."""

from pathlib import Path
from typing import TYPE_CHECKING

from activities.providers.base import now
from activities.providers.volume import capacity
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult

from . import rsync, source

if TYPE_CHECKING:
    from .provider import FilesProvider

GRACE_SECONDS = 30.0


async def measure_capacity(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Room on the volume of the tree, at the worker that stands on it."""
    provider.insist_on_being_at(request.target.target)
    return capacity(Path(provider.site(request.target.target).path))


async def measure_lag(provider: "FilesProvider", request: StepRequest) -> StepResult:
    """Compare names, sizes and times with the source: where nothing differs the lag is zero, else it is the age of the
    copy, which holds all that was written before it began.

    Raises:
        PermanentError: REPLICA_FROZEN when something differs and the copy is older than its period allows.
    """
    name = request.target.target
    tree = provider.local(name)
    synced = tree.synced
    if synced is None or not tree.present or tree.primary:
        raise PermanentError(
            Code.REPLICA_FROZEN, f"There is no whole copy at {name}.", "Synchronise it; do not move to it."
        )
    origin = await source.origin(provider, request.target.source, request.ref)
    items = await rsync.compare(provider, origin.address, tree.path, contents=False)
    age = (now() - synced.began).total_seconds()
    marked = (now() - synced.marker_at).total_seconds() if synced.marker_at else None
    claims = {"synced_at": synced.began.isoformat(), "age_seconds": age, "marker_age_seconds": marked}
    if items and age > synced.period + synced.seconds + GRACE_SECONDS:
        raise PermanentError(
            Code.REPLICA_FROZEN,
            f"The copy of {request.target.name} at {name} is {in_words(age)} old, and should be brought up to date "
            f"every {in_words(synced.period)}; {len(items)} entries differ from {request.target.source}.",
            "Look why it is not synchronised; do not move to it.",
        )
    lag = age if items else 0.0
    return StepResult(
        detail=f"{len(items)} entries changed since the copy; {in_words(lag)} behind.",
        changed=False,
        after={
            "lag_seconds": lag,
            "lag_bytes": sum(item.size for item in items if item.file),
            "entries_behind": len(items),
            "marker": synced.marker,
            "replica_claims": claims,
        },
    )
