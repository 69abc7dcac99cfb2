"""What the bucket can be brought to: what it holds now, or any moment that its versions still tell of."""

from datetime import datetime
from typing import TYPE_CHECKING

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Lag, RecoveryPoint
from workflows.model.point_choice import Way, parse_choice

from .listing import Item, current, position, versions

if TYPE_CHECKING:
    from .provider import S3Provider


async def list_points(provider: "S3Provider", request: StepRequest) -> StepResult:
    """What is there now. Moments are not listed: there is one for each version."""
    point = await _now(provider, request)
    return StepResult(
        detail="What the bucket holds now; or any moment: `before` with a time.",
        changed=False,
        after={"points": 1},
        points=(point,),
    )


async def choose(provider: "S3Provider", request: StepRequest) -> StepResult:
    """The objects that are there; or the versions that stood at a moment."""
    try:
        choice = parse_choice(request.choice)
    except ValueError as error:
        raise PermanentError(
            Code.INVALID_INPUT, "The wanted recovery point cannot be understood.", f"It was {error}."
        ) from None
    if choice.way is Way.BEFORE and choice.before is not None:
        point = await _moment(provider, request, choice.before)
    elif choice.way is Way.LATEST:
        point = await _now(provider, request)
    else:
        raise PermanentError(
            Code.NOT_FOUND,
            f"A bucket has no recovery point {request.choice!r}.",
            "Choose `latest`, or `before` with a time.",
        )
    lost = in_words(point.expected_loss.seconds)
    return StepResult(
        detail=f"{point.proof}; expected loss: {lost}.",
        changed=False,
        after={"name": point.name, "position": point.position, "size": point.size},
        point=point,
        points=(point,),
    )


async def _now(provider: "S3Provider", request: StepRequest) -> RecoveryPoint:
    name = request.target.site
    items = await current(provider.aws(name, request), provider.settings, provider.site(name))
    return _point(request, list(items.values()), "stream", None)


async def _moment(provider: "S3Provider", request: StepRequest, at: datetime) -> RecoveryPoint:
    name = request.target.site
    found = await versions(provider.aws(name, request), provider.settings, provider.site(name))
    stood = [one for one in as_of(found, at).values() if one is not None]
    if not stood:
        raise PermanentError(
            Code.NOT_FOUND,
            f"At {name} no version is as old as {at:%Y-%m-%dT%H:%M:%SZ}.",
            "Choose a later moment: older versions were never there, or were removed.",
        )
    return _point(request, stood, "snapshot", at)


def _point(request: StepRequest, items: list[Item], kind: str, at: datetime | None) -> RecoveryPoint:
    newest = max((one.at for one in items), default=None)
    what = f"{len(items)} objects as of {at:%Y-%m-%dT%H:%M:%SZ}" if at else f"{len(items)} objects"
    return RecoveryPoint(
        component=request.target.name,
        site=request.target.site,
        kind=kind,
        position=position(items),
        # What has not come from the other side is not known here: of a moment, all later ones are lost.
        expected_loss=Lag(seconds=max(0.0, (now() - at).total_seconds()) if at else None),
        name=f"as-of-{at:%Y%m%dT%H%M%SZ}" if at else "",
        taken=at or newest,
        covers_until=at or newest,
        size=sum(one.size for one in items),
        proof=what,
        until=at,
    )


def as_of(found: dict[str, list[Item]], at: datetime) -> dict[str, Item | None]:
    """The version of each key that stood at the moment; None for one that was deleted then, or not made yet. S3 tells
    times in whole seconds: of a write and a deletion within one of them, the write is taken."""
    stood: dict[str, Item | None] = {}
    for key, ones in found.items():
        version = next((one for one in ones if one.at <= at), None)
        stood[key] = None if version is None or version.deleted else version
    return stood
