"""What a replica can be brought to: what it holds, a moment of its point-in-time recovery, or a backup.

Backups and the log of point-in-time recovery belong to the replica's own region, so that the lost one is not asked.
"""

from typing import TYPE_CHECKING

from activities.providers.aws import storage_points
from activities.providers.aws.calls import Aws
from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.point_choice import Way, parse_choice, pick

from .look import standing

if TYPE_CHECKING:
    from .provider import DynamoProvider

CONTINUOUS = "point-in-time"


async def found(provider: "DynamoProvider", request: StepRequest) -> list[RecoveryPoint]:
    """All of them, the stream first."""
    name = request.target.site
    aws, table = provider.aws(name, request), provider.site(name).table
    stands = await standing(aws, table)
    points = await _continuous(aws, request, table) + await _backups(aws, request, table)
    if stands.status != "ACTIVE":
        return points
    stream = _point(request, "stream", f"{table}: {stands.items} items", "")
    return [stream.model_copy(update={"size": stands.size, "proof": "the replica is active"}), *points]


def _point(request: StepRequest, kind: str, position: str, name: str) -> RecoveryPoint:
    return RecoveryPoint(
        component=request.target.name, site=request.target.site, kind=kind, position=position, name=name
    )


async def _continuous(aws: Aws, request: StepRequest, table: str) -> list[RecoveryPoint]:
    told = await aws.read("dynamodb", "describe_continuous_backups", TableName=table)
    log = told["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if log.get("PointInTimeRecoveryStatus") != "ENABLED":
        return []
    until = log["LatestRestorableDateTime"]
    behind = Lag(seconds=max(0.0, (now() - until).total_seconds()))
    point = _point(request, "snapshot", until.isoformat(), CONTINUOUS)
    return [
        point.model_copy(
            update={"taken": log["EarliestRestorableDateTime"], "covers_until": until, "expected_loss": behind}
        )
    ]


async def _backups(aws: Aws, request: StepRequest, table: str) -> list[RecoveryPoint]:
    listed = await aws.pages("dynamodb", "list_backups", "BackupSummaries", TableName=table)
    points = []
    for one in listed:
        if one["BackupStatus"] != "AVAILABLE":
            continue
        at = one["BackupCreationDateTime"]
        details = {
            "taken": at,
            "covers_until": at,
            "size": one.get("BackupSizeBytes"),
            "verified": at,
            "proof": "AVAILABLE, as DynamoDB says of it",
            "expected_loss": Lag(seconds=max(0.0, (now() - at).total_seconds())),
        }
        points.append(_point(request, "snapshot", one["BackupArn"], one["BackupName"]).model_copy(update=details))
    return points


async def choose(provider: "DynamoProvider", request: StepRequest) -> StepResult:
    """What `request.choice` means. A moment is brought back to the second by point-in-time recovery."""
    points = await found(provider, request)
    try:
        choice = parse_choice(request.choice)
    except ValueError as error:
        raise PermanentError(
            Code.INVALID_INPUT, "The wanted recovery point cannot be understood.", f"It was {error}."
        ) from None
    logs = [one for one in points if one.name == CONTINUOUS]
    point = pick(choice, logs if choice.way is Way.BEFORE else points)
    if point is None:
        raise PermanentError(
            Code.NOT_FOUND,
            f"There is no recovery point {request.choice!r} at {request.target.site}.",
            storage_points.words([one for one in points if one.taken]),
        )
    if point.until is not None:
        lost = max(0.0, (now() - point.until).total_seconds())
        point = point.model_copy(update={"expected_loss": Lag(seconds=lost)})
    return StepResult(
        detail=f"{point.name or 'What the replica holds'}; expected loss: {in_words(point.expected_loss.seconds)}.",
        changed=False,
        after={"name": point.name, "position": point.position},
        point=point,
        points=tuple(points),
    )
