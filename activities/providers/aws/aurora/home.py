"""What can be told of a secondary, and the way home: Aurora takes the old cluster in again by itself."""

from typing import TYPE_CHECKING

from activities.providers.aws.isolation import entrances
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Consistency, Divergence, Finding, Lag, RecoveryPoint
from workflows.model.plan import Mode

from . import topology
from .topology import Look

if TYPE_CHECKING:
    from .provider import AuroraProvider


async def choose(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """The end of what the secondary has received: the only point that a global database can be brought to."""
    if request.choice != "latest":
        raise PermanentError(
            Code.UNSUPPORTED,
            "A global database fails over to its newest state, and to no other.",
            "Choose `latest`; an earlier moment is a restore by hand, to a cluster of its own.",
        )
    point = await _point(provider, request)
    return StepResult(
        detail=f"The secondary, {point.position}: expected loss: {in_words(point.expected_loss.seconds)}.",
        changed=False,
        after={"position": point.position},
        point=point,
        points=(point,),
    )


async def list_points(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """The one point that there is."""
    point = await _point(provider, request)
    return StepResult(detail=f"The secondary, {point.position}.", changed=False, points=(point,))


async def _point(provider: "AuroraProvider", request: StepRequest) -> RecoveryPoint:
    site = request.target.site
    measured = await topology.lag(provider.aws(site, request), provider.site(site).cluster)
    return RecoveryPoint(
        component=request.target.name,
        site=site,
        kind="stream",
        position=f"measured {measured.at:%Y-%m-%dT%H:%M:%SZ}" if measured else "not measured",
        expected_loss=Lag(seconds=measured.value if measured else None),
    )


async def catch_up(request: StepRequest) -> StepResult:
    """There is nothing to do: a switchover brings all over as its first part, and a lost region sends nothing more."""
    if request.mode is Mode.PLANNED:
        return StepResult(detail="The switchover brings the rest over before the writer moves.", changed=False)
    return StepResult(detail="There is nobody to receive from; what has arrived is here.", changed=False)


async def measure_lag(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """By CloudWatch, in the region of the secondary.

    Raises:
        PermanentError: REPLICA_FROZEN, when nothing was measured for five minutes.
    """
    site = await _secondary(provider, request)
    measured = await topology.lag(provider.aws(site, request), provider.site(site).cluster)
    if measured is None:
        raise PermanentError(
            Code.REPLICA_FROZEN,
            f"Nothing tells that the cluster at {site} follows: no lag was measured lately.",
            "Look at the global database in RDS, and at the metric AuroraGlobalDBRPOLag.",
        )
    return StepResult(
        detail=f"The cluster at {site} is {in_words(measured.value)} behind, measured {measured.at:%H:%M:%S} UTC.",
        changed=False,
        after={"lag_seconds": measured.value, "lag_bytes": None},
    )


async def _secondary(provider: "AuroraProvider", request: StepRequest) -> str:
    """The site that follows."""
    target = await provider.look(request.target.target, request)
    return request.target.source if target.writes else request.target.target


async def compare(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """Could the database live at the other site as well as it does here?"""
    sites = (request.target.source, request.target.target)
    here, there = [await provider.look(site, request) for site in sites]
    found: list[Finding] = []
    if here.cluster.engine_version != there.cluster.engine_version:
        versions = f"{here.cluster.engine_version} at {sites[0]}, {there.cluster.engine_version} at {sites[1]}"
        words = f"The engine is {versions}; Aurora moves the writer only between equal ones."
        found.append(Finding(code="VERSION_DIFFERS", sentence=words, next_step="Upgrade the older.", blocking=True))
    for site, look in zip(sites, (here, there), strict=True):
        if not look.cluster.instances:
            words = f"The cluster at {site} has no instance, so nobody would be served."
            found.append(Finding(code="HEADLESS", sentence=words, next_step="Add an instance.", blocking=True))
        if await entrances(provider.aws(site, request), provider.site(site).isolation_group):
            words = f"The isolation group at {site} lets somebody in, so it fences nothing off."
            found.append(Finding(code="FENCE_OPEN", sentence=words, next_step="Remove its rules.", blocking=True))
    blocking = sum(one.blocking for one in found)
    return StepResult(
        detail=f"{len(found)} findings, {blocking} of them against a planned move.",
        changed=False,
        findings=tuple(found),
    )


async def verify(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """That one follows the other. Whether they hold the same rows Aurora does not tell, so that `equal` is null."""
    site = await _secondary(provider, request)
    found = await provider.look(site, request)
    if found.member is None or found.member.writer:
        raise PermanentError(
            Code.INCONSISTENT, f"The cluster at {site} follows nobody.", "Reprotect first, so that it does."
        )
    detail = f"the cluster at {site} is a secondary, {'in step' if found.member.in_step else 'being built anew'}"
    verdict = Consistency(
        component=request.target.name,
        equal=None,
        method="what RDS says of the global database; no row was compared",
        at=now(),
        detail=detail,
    )
    return StepResult(detail=f"Not measured row by row: {detail}.", changed=False, consistency=verdict)


async def archive(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """Name the snapshot that Aurora takes of the old volume before it builds the cluster anew, if it could."""
    site = request.target.source
    place, aws = provider.site(site), provider.aws(site, request)
    listed = await aws.pages(
        "rds",
        "describe_db_cluster_snapshots",
        "DBClusterSnapshots",
        DBClusterIdentifier=place.cluster,
        SnapshotType="automated",
    )
    prefix = f"rds:unplanned-global-failover-{place.cluster}"
    kept = [one for one in listed if one["DBClusterSnapshotIdentifier"].startswith(prefix)]
    newest = max(kept, key=lambda one: one["SnapshotCreateTime"], default=None)
    detail = (
        f"{newest['DBClusterSnapshotIdentifier']} holds the old volume, for as long as backups are kept"
        if newest
        else "Aurora has kept no snapshot of an old volume, so that nothing is known of what only it had"
    )
    found = Divergence(
        component=request.target.name,
        site=site,
        diverged=newest is not None,
        folder=newest["DBClusterSnapshotArn"] if newest else "",
        complete=False,
        detail=detail,
    )
    return StepResult(detail=f"{detail}.", changed=False, divergence=found)


async def rebuild(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """Wait until the old cluster follows: after a failover Aurora takes it in again once its region is back."""
    source, target = request.target.source, request.target.target
    writer = await provider.look(target, request)
    if writer.member is None or not writer.member.writer:
        raise PermanentError(
            Code.ROLE_MISMATCH,
            f"{writer.cluster.name} at {target} is not the writer of the global database; there is nothing to follow.",
            "Look which site serves, and ask again.",
        )
    old = await provider.look(source, request)
    if old.member is None:
        raise PermanentError(
            Code.TARGET_UNFIT,
            f"{old.cluster.name} at {source} left the global database, and Aurora takes in no cluster that has data.",
            "Keep what it has, then add the region to the global database by hand.",
        )
    found = await _follows(provider, request, source)
    return StepResult(
        detail=f"{found.cluster.name} at {source} follows {writer.cluster.name} at {target}.",
        changed=False,
        after=found.facts(),
    )


async def _follows(provider: "AuroraProvider", request: StepRequest, site: str) -> Look:
    async def seen() -> Look:
        return await provider.look(site, request)

    def done(one: Look) -> bool:
        member = one.member
        return member is not None and not member.writer and member.in_step and one.cluster.status == "available"

    return await until(
        seen,
        done,
        lambda one: f"{one.cluster.name} is {one.cluster.status}, and is taken in again by Aurora",
        provider.context,
        provider.patience,
    )


async def protect(provider: "AuroraProvider", request: StepRequest) -> StepResult:
    """Wait until a lag within the limit is measured; global databases are asynchronous, so nothing relies on it."""
    site = request.target.source

    async def seen() -> float | None:
        measured = await topology.lag(provider.aws(site, request), provider.site(site).cluster)
        return measured.value if measured else None

    behind = await until(
        seen,
        lambda seconds: seconds is not None and seconds <= request.max_lag,
        lambda seconds: f"the cluster at {site} is {in_words(seconds)} behind",
        provider.context,
        provider.patience,
    )
    return StepResult(
        detail=f"The cluster at {site} is {in_words(behind)} behind.", changed=False, after={"lag_seconds": behind}
    )
