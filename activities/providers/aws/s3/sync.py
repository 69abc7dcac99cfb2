"""Bring the copy up to what serves: by the service's own replication where it is set up, by our copying where not."""

from typing import TYPE_CHECKING

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.waiting import until
from activities.providers.base import now
from activities.providers.marks import Mark
from workflows.model.base import bytes_in_words
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.plan import Mode

from . import diverged, marking, policy
from .copying import Copier
from .fence import stand_by
from .listing import Item, behind, current, position
from .settings import S3Site
from .standing import insist_on_versions, mismatch, serving, standby

if TYPE_CHECKING:
    from .provider import S3Provider

GRACE_SECONDS = 30.0


async def replicated(aws: Aws, source: S3Site, copy: S3Site) -> bool:
    """Whether an enabled rule of the service sends what is written at the source to the copy."""
    try:
        found = await aws.read("s3", "get_bucket_replication", Bucket=source.bucket)
    except Refused as error:
        if error.reason == "ReplicationConfigurationNotFoundError":
            return False
        raise
    rules = found["ReplicationConfiguration"].get("Rules", [])
    return any(
        rule.get("Status") == "Enabled" and rule["Destination"]["Bucket"].rpartition(":")[2] == copy.bucket
        for rule in rules
    )


async def sync_delta(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Bring what is new. In an unplanned move nothing of the lost site is asked: what is here is what there is.

    Raises:
        PermanentError: INCONSISTENT when the fenced source is not what it was when it was fenced.
    """
    name, origin = request.target.site, request.target.source
    fenced = any(proof.proven and proof.site == origin for proof in request.proofs)
    if request.mode is Mode.UNPLANNED and (fenced or request.accepted_risk is not None):
        return StepResult(detail="What is here is what the lost site has sent.", changed=False)
    await standby(provider, request, name)
    source = provider.site(origin)
    mark = await marking.read(provider, origin, request)
    items = await current(provider.aws(origin, request), provider.settings, source)
    if request.position and position(items.values()) != request.position:
        raise PermanentError(
            Code.INCONSISTENT,
            f"The fenced bucket at {origin} is not what it was when it was fenced.",
            "Find out who writes there, unfence, and move again.",
        )
    return await _bring(provider, request, origin, name, items=items, mark=mark)


async def _bring(
    provider: "S3Provider",
    request: StepRequest,
    origin: str,
    into: str,
    *,
    items: dict[str, Item],
    mark: Mark | None,
    wholly: bool = False,
) -> StepResult:
    """`mark` stood at the source before `items` were listed. `wholly`: also what the service's replication does not
    bring, since it was there before, or because the source never had what is to be deleted."""
    source, copy = provider.site(origin), provider.site(into)
    aws = provider.aws(into, request)
    by_service = await replicated(provider.aws(origin, request), source, copy)
    # Where rules go both ways they bring that too, and what we wrote to the copy would come back upon newer objects.
    by_us = not by_service or (wholly and not await replicated(aws, copy, source))
    new, gone = behind(provider.settings, items, await current(aws, provider.settings, copy))
    provider.within("deletions", len(gone), provider.settings.delete_cap)
    insist_on_versions(await aws.read("s3", "get_bucket_versioning", Bucket=copy.bucket), copy.bucket)
    provider.context.still_mine()
    await provider.register(into, request).claim({"new": len(new), "gone": len(gone)})
    if by_us:
        copier = Copier(aws, provider.settings, copy, provider.context.still_mine)
        await copier.copy(source.bucket, new, provider.context.heartbeat)
        await copier.delete(gone)
    if not by_service and mark is not None:
        provider.context.still_mine()
        await marking.put(provider, into, mark, request)
    if by_service or request.position:
        # Where the source is still written to, our own copy is not held to what was written meanwhile.
        settings = provider.settings
        await until(
            lambda: current(aws, settings, copy),
            lambda found: not any(behind(settings, items, found)),
            lambda found: f"{len(behind(settings, items, found)[0])} objects are still to come",
            provider.context,
            provider.patience,
        )
    size = sum(one.size for one in new)
    way = "were copied" if by_us else "came by the service's replication"
    return StepResult(
        detail=f"{len(new)} objects ({bytes_in_words(size)}) {way} to {copy.bucket}, {len(gone)} deletions followed.",
        changed=bool(new or gone),
        after={"copied": len(new), "deleted": len(gone), "bytes": size, "position": position(items.values())},
    )


# --- The way home ---


async def rebuild(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Make the old bucket a standby of the one that serves. Its versions stay.

    Raises:
        PermanentError: ROLE_MISMATCH, or PRECONDITION_CHANGED where something is not archived.
    """
    old, name = request.target.source, request.target.target
    if request.target.site != old or old == name:
        raise mismatch(f"The step acts on {request.target.site}, but {old} is the old site and {name} serves.")
    await serving(provider, request, name, old)
    await diverged.insist_on_archive(provider, request)
    provider.context.still_mine()
    stands = await policy.read(provider.aws(old, request), provider.site(old))
    await provider.register(old, request).claim({"role": stands.role, "statements": stands.ours})
    # First: nobody else may write there while it is being overwritten.
    stood_by = await stand_by(provider, request, old)
    mark = await marking.read(provider, name, request)
    items = await current(provider.aws(name, request), provider.settings, provider.site(name))
    done = await _bring(provider, request, name, old, items=items, mark=mark, wholly=True)
    return done.model_copy(
        update={"changed": done.changed or stood_by, "after": done.after | {"role": "standby"}},
    )


async def protect(provider: "S3Provider", request: StepRequest) -> StepResult:
    """Insist on a standby at `target.source` that follows within the runbook's period and `request.max_lag`.

    Raises:
        TemporaryError: NOT_PROTECTED.
    """
    old, name = request.target.source, request.target.target
    await standby(provider, request, old)
    lag, new, gone = await age(provider, request, name, old)
    if lag > period(request) + request.max_lag + GRACE_SECONDS:
        raise TemporaryError(
            Code.NOT_PROTECTED,
            f"{len(new)} objects have not come to {old}, the oldest since {lag:.0f} s.",
            "Synchronise it, then retry.",
            delay=5.0,
        )
    return StepResult(
        detail=f"{old} follows: {len(new)} objects and {len(gone)} deletions are to come.",
        changed=False,
        after={"lag_seconds": lag, "entries_behind": len(new) + len(gone)},
    )


async def age(
    provider: "S3Provider", request: StepRequest, origin: str, into: str
) -> tuple[float, list[Item], list[str]]:
    """Seconds since the oldest object was written that has not come, all of them, and the deletions."""
    items = await current(provider.aws(origin, request), provider.settings, provider.site(origin))
    copy = await current(provider.aws(into, request), provider.settings, provider.site(into))
    new, gone = behind(provider.settings, items, copy)
    oldest = min((one.at for one in new), default=None)
    return (max(0.0, (now() - oldest).total_seconds()) if oldest else 0.0), new, gone


def period(request: StepRequest) -> float:
    """Seconds between two synchronisations; 0 for what is copied all the time."""
    replication = request.target.component.replication
    return replication.period.total_seconds() if replication and replication.period else 0.0
