"""What can be restored at a site: the replica that runs there, and the snapshots that Seawall has brought.

A snapshot that somebody else has taken is no recovery point: nothing tells whether its instance was serving then.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from activities.providers.aws.tags import PREFIX
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.point_choice import Choice, Way, parse_choice, pick

from . import lag, snapshot
from .snapshot import Snapshot
from .wanted import moves_as_planned, streams

if TYPE_CHECKING:
    from .provider import RdsProvider


async def kept(provider: "RdsProvider", request: StepRequest, site: str) -> list[Snapshot]:
    """The whole snapshots of this component in the region of a site, the newest first."""
    aws = provider.aws(site, request)
    found: dict[str, Snapshot] = {}
    for name in sorted({place.instance for place in provider.settings.sites.values()}):
        for one in await aws.pages(
            "rds", "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=name, SnapshotType="manual"
        ):
            read = snapshot.read(one)
            if _ours(request, read) and read.whole and read.taken:
                found[read.name] = read
    return sorted(found.values(), key=lambda one: (one.taken, one.name), reverse=True)


def _ours(request: StepRequest, found: Snapshot) -> bool:
    wanted = {f"{PREFIX}application": request.ref.application, f"{PREFIX}component": request.target.name}
    return wanted.items() <= found.tags.items() and snapshot.ARCHIVE not in found.tags


async def copies(provider: "RdsProvider", request: StepRequest) -> list[RecoveryPoint]:
    """They as recovery points, with what taking each would lose."""
    found = [snapshot.as_point(request, one) for one in await kept(provider, request, request.target.site)]
    return [point.model_copy(update={"expected_loss": _age(point)}) for point in found]


def _age(point: RecoveryPoint) -> Lag:
    return Lag(seconds=max(0.0, (now() - point.taken).total_seconds()) if point.taken else None)


async def stream(provider: "RdsProvider", request: StepRequest) -> RecoveryPoint | None:
    """The end of what the replica at `target.site` has received; None when no replica is there."""
    site = request.target.site
    found = await provider.look(request, site)
    if found is None or not found.source:
        return None
    aws = provider.aws(site, request)
    measured = await lag.of_replica(aws, found.name)
    seconds = measured.value if measured else None
    if request.outage is not None and (held := await lag.held(aws, found.name, request.outage)):
        # What the replica says of itself grows for as long as the source is gone; no more is lost by waiting.
        seconds = lag.missing(held, request.outage)
    return RecoveryPoint(
        component=request.target.name,
        site=site,
        kind="stream",
        position=f"measured {measured.at:%Y-%m-%dT%H:%M:%SZ}" if measured else "not measured",
        expected_loss=Lag(seconds=seconds),
    )


async def list_points(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """The replica, where one runs, and every snapshot."""
    found = await copies(provider, request)
    running = await stream(provider, request) if streams(request) else None
    points = ([running] if running else []) + found
    return StepResult(
        detail=words(points),
        changed=False,
        after={"points": len(points), "copies": len(found), "stream": running is not None},
        points=tuple(points),
    )


async def choose(provider: "RdsProvider", request: StepRequest) -> StepResult:
    """The point that `request.choice` means."""
    choice = _understood(request.choice)
    if choice.way is Way.LATEST and moves_as_planned(request) and not streams(request):
        raise PermanentError(
            Code.TARGET_UNFIT,
            "Snapshots alone cannot move this database without loss: what was written after the newest stays behind.",
            "Name a recovery point to accept that, or set up continuous replication.",
        )
    found: list[RecoveryPoint] = []
    if streams(request) and (running := await stream(provider, request)):
        found.append(running)
    elif streams(request) and choice.way is Way.LATEST:
        raise _no_replica(request)
    if choice.way is not Way.LATEST or not found:
        found += await copies(provider, request)
    point = pick(choice, found)
    if point is None:
        raise _nothing(request, choice, found)
    what = point.name or f"The replica, {point.position},"
    return StepResult(
        detail=f"{what}: expected loss: {in_words(point.expected_loss.seconds)}.",
        changed=False,
        after={"name": point.name, "position": point.position},
        point=point,
        points=tuple(found),
    )


def _understood(text: str) -> Choice:
    try:
        return parse_choice(text)
    except ValueError as error:
        raise PermanentError(
            Code.INVALID_INPUT, "The wanted recovery point cannot be understood.", f"Say it otherwise: {error}."
        ) from None


def _no_replica(request: StepRequest) -> PermanentError:
    """A replica that is gone must not turn a promotion into a restore of old data unasked."""
    return PermanentError(
        Code.TARGET_UNFIT,
        f"The instance at {request.target.site} is no replica, though the runbook says that it streams.",
        "Look at it; to go back to a snapshot, name one.",
    )


def _nothing(request: StepRequest, choice: Choice, found: Sequence[RecoveryPoint]) -> PermanentError:
    site = request.target.site
    if choice.way is Way.BEFORE:
        sentence = f"No snapshot at {site} is of exactly {choice.before:%Y-%m-%dT%H:%M:%SZ}; RDS can go to no other."
        return PermanentError(Code.TARGET_UNFIT, sentence, f"Choose one by its name. {words(found)}")
    what = f"named {choice.name!r}" if choice.way is Way.NAMED else f"that is {choice.way}"
    return PermanentError(Code.NOT_FOUND, f"There is no recovery point {what} at {site}.", words(found))


def words(points: Sequence[RecoveryPoint]) -> str:
    """What there is, with ages."""
    told = [_word(point) for point in points[:10]]
    more = f", and {len(points) - 10} more" if len(points) > 10 else ""
    return f"There are: {'; '.join(told)}{more}." if told else "There is no recovery point."


def _word(point: RecoveryPoint) -> str:
    if point.kind == "stream":
        return f"the replica, {point.position}"
    proof = "verified" if point.verified else "not verified"
    return f"{point.name} (age {in_words(point.expected_loss.seconds)}, {proof})"
