"""Recovery points of storage: a list of copies, each whole or not offered at all."""

from collections.abc import Sequence
from datetime import datetime

from activities.providers.base import now
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import RecoveryPoint
from workflows.model.point_choice import Way, parse_choice, pick
from workflows.model.runbook import Snapshots


def chosen(request: StepRequest, found: Sequence[RecoveryPoint], incomplete: Sequence[str] = ()) -> StepResult:
    """What `request.choice` means among whole copies. There is no log between two of them: a moment means the last copy
    that was whole before it.

    Args:
        request: of the step.
        found: whole copies.
        incomplete: names of those that are not, which are told and never taken.
    """
    try:
        choice = parse_choice(request.choice)
    except ValueError as error:
        raise PermanentError(
            Code.INVALID_INPUT, "The wanted recovery point cannot be understood.", f"It was {error}."
        ) from None
    if choice.way is Way.BEFORE and choice.before is not None:
        point = _newest([one for one in found if one.taken and one.taken <= choice.before])
    else:
        point = pick(choice, found)
    if point is None:
        raise PermanentError(
            Code.NOT_FOUND,
            f"There is no recovery point {request.choice!r} at {request.target.site}.",
            words(found, incomplete),
        )
    return StepResult(
        detail=f"{point.name} of {point.taken:%Y-%m-%dT%H:%M:%SZ}; expected loss: "
        f"{in_words(point.expected_loss.seconds)}.{_left_out(incomplete)}",
        changed=False,
        after={"name": point.name, "position": point.position, "incomplete": list(incomplete)},
        point=point,
        points=tuple(found),
    )


def listed(found: Sequence[RecoveryPoint], incomplete: Sequence[str] = ()) -> StepResult:
    """All of them, the newest first."""
    ordered = sorted(found, key=_taken, reverse=True)
    return StepResult(
        detail=words(ordered, incomplete),
        changed=False,
        after={"points": len(ordered), "incomplete": list(incomplete)},
        points=tuple(ordered),
    )


def unwanted(found: Sequence[RecoveryPoint], rule: Snapshots, at: datetime) -> list[RecoveryPoint]:
    """Which may go: neither among the newest, nor young, nor the newest verified."""
    ordered = sorted(found, key=_taken, reverse=True)
    verified = next((point for point in ordered if point.verified), None)
    return [point for point in ordered[rule.keep :] if point is not verified and at - _taken(point) > rule.keep_for]


def words(found: Sequence[RecoveryPoint], incomplete: Sequence[str] = ()) -> str:
    """What there is, with ages."""
    if not found:
        return f"There is no whole recovery point.{_left_out(incomplete)}"
    told = [f"{point.name} (age {in_words((now() - _taken(point)).total_seconds())})" for point in found[:10]]
    more = f", and {len(found) - 10} more" if len(found) > 10 else ""
    return f"There are: {'; '.join(told)}{more}.{_left_out(incomplete)}"


def _left_out(incomplete: Sequence[str]) -> str:
    return f" Not whole, and never taken: {', '.join(incomplete[:10])}." if incomplete else ""


def _taken(point: RecoveryPoint) -> datetime:
    assert point.taken is not None
    return point.taken


def _newest(found: Sequence[RecoveryPoint]) -> RecoveryPoint | None:
    return max(found, key=_taken, default=None)
