"""What can be told of a copy, and the way home: the old file system becomes the copy of the one that serves."""

from typing import TYPE_CHECKING

from activities.providers.aws.landed import landed
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Consistency, Divergence, Finding, Lag, RecoveryPoint

from .look import Look, as_planned

if TYPE_CHECKING:
    from .provider import EfsProvider

UNKNOWN = "EFS cannot tell which files only the old file system has"


async def choose(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """The end of what the copy has received: the only point that a replication has."""
    if request.choice != "latest":
        raise PermanentError(
            Code.UNSUPPORTED,
            "A replicated file system fails over to its newest state, and to no other.",
            "Choose `latest`; an earlier moment is a restore by AWS Backup, to a file system of its own.",
        )
    point = await _point(provider, request)
    return StepResult(
        detail=f"The copy, {point.position}: expected loss: {in_words(point.expected_loss.seconds)}.",
        changed=False,
        after={"position": point.position},
        point=point,
        points=(point,),
    )


async def list_points(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """The one point that there is."""
    point = await _point(provider, request)
    return StepResult(detail=f"The copy, {point.position}.", changed=False, points=(point,))


async def _point(provider: "EfsProvider", request: StepRequest) -> RecoveryPoint:
    site = request.target.site
    found = await provider.look(site, request)
    last = found.replication.last if found.replication and found.follows else None
    return RecoveryPoint(
        component=request.target.name,
        site=site,
        kind="stream",
        position=f"as of {last:%Y-%m-%dT%H:%M:%SZ}" if last else "of an unknown time",
        covers_until=last,
        expected_loss=Lag(seconds=found.lag_seconds),
    )


async def measure_lag(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """How old the newest moment is of which EFS says that all before it has arrived. No marker is written: nobody of
    ours mounts the file system.

    Raises:
        PermanentError: REPLICA_FROZEN, when EFS itself says that the copy does not follow.
    """
    site, found = await _copy(provider, request)
    seconds, status = found.lag_seconds, found.replication.status if found.replication else "not replicated"
    if seconds is None or status != "ENABLED":
        raise PermanentError(
            Code.REPLICA_FROZEN,
            f"{found.it.id} at {site} does not follow: it is {status}.",
            "Look at the replication of both file systems in EFS.",
        )
    detail = f"{found.it.id} at {site} is {in_words(seconds)} behind at most, as EFS tells it."
    return StepResult(detail=detail, changed=False, after={"lag_seconds": seconds, "lag_bytes": None})


async def _copy(provider: "EfsProvider", request: StepRequest) -> tuple[str, Look]:
    """The site that follows; the old one once the roles were turned round."""
    target = await provider.look(request.target.target, request)
    if target.follows:
        return request.target.target, target
    return request.target.source, await provider.look(request.target.source, request)


async def compare(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """Could the files live at the other site as well as they do here?"""
    sites = (request.target.source, request.target.target)
    here, there = [await provider.look(site, request) for site in sites]
    found: list[Finding] = []
    if here.it.encrypted != there.it.encrypted:
        plain = sites[0] if there.it.encrypted else sites[1]
        words = f"The file system at {plain} is not encrypted, and the other one is; EFS copies only in one direction."
        found.append(
            Finding(
                code="ENCRYPTION_DIFFERS", sentence=words, next_step="Replicate to an encrypted one.", blocking=True
            )
        )
    if not there.it.mount_targets:
        words = f"{there.it.id} at {sites[1]} has no mount target, so that nobody could mount it."
        found.append(Finding(code="NO_MOUNT_TARGET", sentence=words, next_step="Add one a zone.", blocking=True))
    blocking = sum(one.blocking for one in found)
    return StepResult(
        detail=f"{len(found)} findings, {blocking} of them against a planned move.",
        changed=False,
        findings=tuple(found),
    )


async def verify(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """That one follows the other. Whether they hold the same files EFS does not tell, so that `equal` is null."""
    site, found = await _copy(provider, request)
    if not found.follows or found.replication is None:
        raise PermanentError(
            Code.INCONSISTENT, f"The file system at {site} follows nobody.", "Reprotect first, so that it does."
        )
    detail = f"{found.it.id} at {site} is {found.replication.status}, as of {found.facts()['last_replicated']}"
    verdict = Consistency(
        component=request.target.name,
        equal=None,
        method="what EFS says of the replication; no file was compared",
        at=now(),
        detail=detail,
    )
    return StepResult(detail=f"Not measured file by file: {detail}.", changed=False, consistency=verdict)


async def archive(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """Say what is known of what only the old file system has: nothing to keep behind a fence of this very run, and
    nothing at all otherwise. No file is copied."""
    site = request.target.source
    old = await provider.look(site, request)
    fenced = _fenced(request, old)
    detail = f"{old.it.id} was fenced by this run, and all before that has arrived" if fenced else UNKNOWN
    allowed = "" if fenced or old.follows else f"; `overwrite` is {str(provider.settings.overwrite).lower()}"
    found = Divergence(
        component=request.target.name,
        site=site,
        diverged=not (fenced or old.follows),
        complete=fenced or old.follows,
        detail=f"{detail}{allowed}",
    )
    return StepResult(detail=f"{detail}{allowed}.", changed=False, divergence=found)


def _fenced(request: StepRequest, old: Look) -> bool:
    """Whether this run fenced it before it promoted the copy that had caught up."""
    proofs = [one for one in request.proofs if one.proven and one.site == request.target.source]
    return request.ref.epoch in old.policy.fences and any(one.epoch == request.ref.epoch for one in proofs)


async def rebuild(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """Make the old file system the copy of the one that serves. It is read-only from its first moment.

    Raises:
        PermanentError: ROLE_MISMATCH when the other one does not serve, PRECONDITION_CHANGED where what only the old
            one has would be lost and the runbook does not say `overwrite`.
    """
    site, target = request.target.site, request.target.target
    old, serves = await provider.look(site, request), await provider.look(target, request)
    begun = old.follows and old.replication is not None and old.replication.source == serves.it.id
    again = await provider.register(site, request).noted() is not None
    if not (begun or again):
        if request.ref.epoch not in old.policy.fences:  # else it is as this very run left it
            as_planned(request, old)
        _may_overwrite(provider, request, serves, old)
    before = await provider.claim(request, old)
    if not begun:
        await _begin(provider, request, serves, old)
    with landed("The replication was created"):
        found = await until(
            lambda: provider.look(site, request),
            lambda one: one.follows and one.replication is not None and one.replication.status == "ENABLED",
            lambda one: f"{one.it.id} is {one.replication.status if one.replication else 'not yet a copy'}",
            provider.context,
            provider.settings.follows_within.total_seconds(),
        )
    return StepResult(
        detail=f"{found.it.id} at {site} follows {serves.it.id} at {target}.",
        changed=not begun,
        before=before,
        after=found.facts(),
    )


def _may_overwrite(provider: "EfsProvider", request: StepRequest, serves: Look, old: Look) -> None:
    source, target = request.target.source, request.target.target
    if source == target or request.target.site != source or serves.role != "primary":
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"{serves.it.id} at {target} does not serve ({serves.role}), so that nothing may follow it.",
            "Look which site serves, and ask again.",
        )
    if old.replication is not None:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"{old.it.id} at {source} still takes part in a replication with {old.replication.destination}.",
            "Delete that replication in EFS; where it cannot be, name another file system in the runbook.",
        )
    if not (_fenced(request, old) or provider.settings.overwrite):
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{UNKNOWN}, and a replication onto {old.it.id} at {source} would overwrite them.",
            "Take a recovery point of it by AWS Backup, then set `overwrite: true` in the runbook.",
        )


async def _begin(provider: "EfsProvider", request: StepRequest, serves: Look, old: Look) -> None:
    """Asked for in the region that serves; the old file system gives up its protection first."""
    there, here = (provider.aws(site, request) for site in (request.target.source, request.target.target))
    if old.it.protection == "ENABLED":
        provider.context.still_mine()
        await there.repeatable(
            "efs",
            "update_file_system_protection",
            FileSystemId=old.it.id,
            ReplicationOverwriteProtection="DISABLED",
        )
    with landed(f"The overwrite protection of {old.it.id} was disabled"):
        provider.context.still_mine()
        await here.change(
            "efs",
            "create_replication_configuration",
            SourceFileSystemId=serves.it.id,
            Destinations=[{"Region": there.region, "FileSystemId": old.it.id}],
        )


async def protect(provider: "EfsProvider", request: StepRequest) -> StepResult:
    """Wait until the copy is within the limit; EFS replicates behind the writes, so that nothing relies on it."""
    site = request.target.source

    def done(one: Look) -> bool:
        enabled = one.replication is not None and one.replication.status == "ENABLED"
        return enabled and one.lag_seconds is not None and one.lag_seconds <= request.max_lag

    found = await until(
        lambda: provider.look(site, request),
        done,
        lambda one: f"the copy at {site} is {in_words(one.lag_seconds)} behind",
        provider.context,
        provider.settings.follows_within.total_seconds(),
    )
    seconds = found.lag_seconds
    return StepResult(
        detail=f"The copy at {site} is {in_words(seconds)} behind at most.",
        changed=False,
        after={"lag_seconds": seconds},
    )
