"""What became of one call of a step: a definite success, a definite failure, or unknown. Nothing else.

A time-out is never a failure. The server stops waiting, but the attempt may still be running on a worker that was
frozen, and its effect may land later: whoever decides on it must first look again.
"""

from dataclasses import dataclass

from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutError

from workflows.model.failure import Code
from workflows.model.messages import StepResult
from workflows.model.verbs import Verb


@dataclass(frozen=True)
class Done:
    """The effect stands, read back from the world."""

    result: StepResult


@dataclass(frozen=True)
class Failed:
    """It is known that the effect does not stand."""

    code: str
    reason: str
    next_step: str = ""
    attempt: int = 0
    """Of the activity, from 1; 0 when it was not told."""


@dataclass(frozen=True)
class Unknown:
    """The effect may stand, now or later."""

    reason: str
    attempt: int = 1


Outcome = Done | Failed | Unknown

_AFTER_LOOKING = frozenset({Code.PROMOTE_REFUSED, Code.PRECONDITION_CHANGED, Code.STALE_EPOCH, Code.TARGET_UNFIT})
"""What a provider can only say once it has read what stands, the effect of every earlier attempt included."""


def settles(outcome: Failed, earlier_unknown: bool) -> bool:
    """Whether this failure also speaks for the attempts before it.

    A failure is definite for its own attempt only: "unreachable" in the second says nothing of a first whose reply
    was lost.
    """
    return outcome.code in _AFTER_LOOKING or (outcome.attempt == 1 and not earlier_unknown)


def classify(verb: Verb, error: ActivityError) -> Failed | Unknown:
    """Turn the failure of an activity into what is known of its effect."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        next_step, attempt = _details(cause)
        if cause.type == Code.OUTCOME_UNKNOWN and verb.mutates:
            return Unknown(cause.message, attempt)
        return Failed(cause.type or Code.INTERNAL, cause.message, next_step, attempt)
    if isinstance(cause, CancelledError):
        reason = "It was stopped before it was done."
        return Unknown(reason) if verb.mutates else Failed(Code.CANCELLED, reason)
    if isinstance(cause, TimeoutError):
        reason = f"No answer in time from the worker that does {verb.value} ({_which(cause)})."
        return Unknown(reason) if verb.mutates else Failed(Code.UNREACHABLE, reason, "See that the worker runs.")
    return Unknown(str(cause)) if verb.mutates else Failed(Code.INTERNAL, str(cause))


def _details(cause: ApplicationError) -> tuple[str, int]:
    """The next step and the attempt number that `activities.wire` puts beside the sentence."""
    if cause.details and isinstance(cause.details[0], dict):
        details = cause.details[0]
        return str(details.get("next_step", "")), int(details.get("attempt", 0))
    return "", 0


def _which(cause: TimeoutError) -> str:
    return cause.type.name.lower().replace("_", " ") if cause.type else "timeout"
