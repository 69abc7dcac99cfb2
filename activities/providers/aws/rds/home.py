"""What the control plane can tell of the two sides: whether they match, and how far one is behind the other."""

from typing import TYPE_CHECKING, NamedTuple

from activities.providers.aws.isolation import entrances
from activities.providers.aws.metrics import Datum, newest
from activities.providers.aws.waiting import until
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Consistency, Finding

from . import database, lag, points
from .database import Database
from .wanted import streams

if TYPE_CHECKING:
    from .provider import RdsProvider


class Pair(NamedTuple):
    """A replica and what it follows, with the sites where they are."""

    primary: Database
    primary_site: str
    replica: Database
    replica_site: str


async def pair(provider: "RdsProvider", request: StepRequest) -> Pair:
    """Which side follows which.

    Raises:
        PermanentError: INCONSISTENT, when neither follows the other.
    """
    first, second = request.target.source, request.target.target
    one = await database.insist(provider.aws(first, request), provider.instance(first))
    two = await database.insist(provider.aws(second, request), provider.instance(second))
    if database.replicates(two, one):
        return Pair(one, first, two, second)
    if database.replicates(one, two):
        return Pair(two, second, one, first)
    raise PermanentError(
        Code.INCONSISTENT,
        f"Neither does {two.name} at {second} follow {one.name} at {first}, nor the other way round.",
        "Reprotect first, so that one follows the other.",
    )


async def measure_lag(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """By CloudWatch: RDS lets nobody write a marker from outside.

    Raises:
        PermanentError: REPLICA_FROZEN, when nothing was measured for five minutes or replication is broken.
    """
    found = await pair(provider, request)
    measured = await lag.of_replica(provider.aws(found.replica_site, request), found.replica.name)
    if measured is None or not found.replica.replicating:
        raise PermanentError(
            Code.REPLICA_FROZEN,
            f"Nothing tells that {found.replica.name} at {found.replica_site} follows: no lag was measured lately.",
            "Look at its replication in RDS, and at the metric ReplicaLag.",
        )
    return StepResult(
        detail=f"{found.replica.name} is {in_words(measured.value)} behind, measured {measured.at:%H:%M:%S} UTC.",
        changed=False,
        after={"lag_seconds": measured.value, "lag_bytes": None, "measured": measured.at.isoformat()},
    )


async def measure_capacity(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Storage of the instance at `target.target`, where there is one; null where nothing is measured."""
    site = request.target.target
    aws = provider.aws(site, request)
    found = await database.look(aws, provider.instance(site))
    if found is None:
        nothing = dict.fromkeys(("free_bytes", "volume_bytes", "received_bytes"))
        return StepResult(detail="No instance stands there; snapshots have no volume.", changed=False, after=nothing)
    free = await newest(aws, "AWS/RDS", "FreeStorageSpace", {"DBInstanceIdentifier": found.name})
    told = f"{free.value:.0f} bytes are free" if free else "what is free was not measured"
    return StepResult(
        detail=f"Of {found.storage} bytes at {site} {told}.",
        changed=False,
        after={"free_bytes": int(free.value) if free else None, "volume_bytes": found.storage, "received_bytes": None},
    )


async def verify(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """That one follows the other. Whether they hold the same rows RDS does not tell, so that `equal` is null."""
    component, method = request.target.name, "what RDS and CloudWatch say of the replication; no row was compared"
    if not streams(request):
        detail = "there is no replica to compare with; snapshots are proved by drills"
    else:
        found = await pair(provider, request)
        measured = await lag.of_replica(provider.aws(found.replica_site, request), found.replica.name)
        behind = in_words(measured.value if measured else None)
        detail = f"{found.replica.name} at {found.replica_site} follows {found.primary.name}; lag: {behind}"
    verdict = Consistency(component=component, equal=None, method=method, at=now(), detail=detail)
    return StepResult(detail=f"Not measured row by row: {detail}.", changed=False, consistency=verdict)


async def protect(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Wait until the new replica is really fed. RDS's replicas are asynchronous: nothing is let rely on them."""
    if not streams(request):
        old = request.target.source
        turned = request.target.model_copy(update={"site": old})
        if not (kept := await points.kept(provider, request.model_copy(update={"target": turned}), old)):
            raise PermanentError(Code.NOT_PROTECTED, f"No snapshot stands at {old}.", "Take one, then retry.")
        return StepResult(detail=f"{kept[0].name} stands at {old}.", changed=False)

    begun = now()

    async def seen() -> Datum | None:
        found = await pair(provider, request)
        measured = await lag.of_replica(provider.aws(found.replica_site, request), found.replica.name)
        return measured if found.replica.replicating else None

    behind = await until(
        seen,
        # Of a source to which nobody writes the lag is that of its heartbeat: then that one arrived is the proof.
        lambda one: one is not None and (one.value <= request.max_lag or lag.held_until(one) >= begun),
        lambda one: f"the replica is {in_words(one.value if one else None)} behind",
        provider.context,
        provider.patience,
    )
    assert behind is not None
    return StepResult(
        detail=f"The replica at {request.target.source} is {in_words(behind.value)} behind.",
        changed=False,
        after={"lag_seconds": behind.value},
    )


async def compare(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """Could the database live at the other site as well as it does here?"""
    found: list[Finding] = []
    if streams(request):
        both = await pair(provider, request)
        found += _pair_findings(both)
    for site in (request.target.source, request.target.target):
        if await entrances(provider.aws(site, request), provider.site(site).isolation_group):
            sentence = f"The isolation group at {site} lets somebody in, so it fences nothing off."
            found.append(Finding(code="FENCE_OPEN", sentence=sentence, next_step="Remove its rules.", blocking=True))
    blocking = sum(one.blocking for one in found)
    return StepResult(
        detail=f"{len(found)} findings, {blocking} of them against a planned move.",
        changed=False,
        after={"findings": [one.code for one in found]},
        findings=tuple(found),
    )


def _pair_findings(both: Pair) -> list[Finding]:
    primary, replica = both.primary, both.replica
    found = []
    if primary.engine_version != replica.engine_version:
        versions = f"{primary.engine_version} at {both.primary_site}, {replica.engine_version} at {both.replica_site}"
        words = f"The engine is {versions}."
        found.append(Finding(code="VERSION_DIFFERS", sentence=words, next_step="Upgrade the older.", blocking=True))
    if primary.instance_class != replica.instance_class:
        words = f"The instance is a {primary.instance_class} here and a {replica.instance_class} there."
        found.append(Finding(code="CLASS_DIFFERS", sentence=words, next_step="Change it if it should carry the load."))
    if not primary.encrypted:
        words = "The database is not encrypted at rest."
        found.append(Finding(code="NOT_ENCRYPTED", sentence=words, next_step="Restore it from an encrypted copy."))
    if replica.status != "available":
        words = f"The replica is {replica.status}."
        found.append(Finding(code="REPLICA_NOT_READY", sentence=words, next_step="Wait until it is.", blocking=True))
    return found
