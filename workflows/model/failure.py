"""How things go wrong: one closed list of codes, and the few error classes that cross a seam.

An activity raises one of these; `activities.errors` puts it on the wire as an `ApplicationError` whose type is
the code, so that nobody ever branches on the text of a message.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why something was refused or failed. Values are part of the contract: add, never rename."""

    INVALID_INPUT = "INVALID_INPUT"
    RUNBOOK_NOT_FOUND = "RUNBOOK_NOT_FOUND"
    RUNBOOK_INVALID = "RUNBOOK_INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    APPLICATION_BUSY = "APPLICATION_BUSY"
    ALREADY_ACTIVE = "ALREADY_ACTIVE"
    LEASE_LOST = "LEASE_LOST"
    STALE_EPOCH = "STALE_EPOCH"
    SOURCE_HEALTHY = "SOURCE_HEALTHY"
    OBSERVERS_DISAGREE = "OBSERVERS_DISAGREE"
    TOO_FEW_OBSERVERS = "TOO_FEW_OBSERVERS"
    SOURCE_BACK = "SOURCE_BACK"
    TOO_SOON = "TOO_SOON"
    SOURCE_UNREACHABLE = "SOURCE_UNREACHABLE"
    TARGET_UNFIT = "TARGET_UNFIT"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    ABORTED = "ABORTED"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    FENCE_UNPROVEN = "FENCE_UNPROVEN"
    PROMOTE_REFUSED = "PROMOTE_REFUSED"
    PRECONDITION_CHANGED = "PRECONDITION_CHANGED"
    CHECK_FAILED = "CHECK_FAILED"
    ROLE_MISMATCH = "ROLE_MISMATCH"
    NOT_PROTECTED = "NOT_PROTECTED"
    INCONSISTENT = "INCONSISTENT"
    REPLICA_FROZEN = "REPLICA_FROZEN"
    ISOLATION_UNPROVEN = "ISOLATION_UNPROVEN"
    PREEMPTED = "PREEMPTED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    UNREACHABLE = "UNREACHABLE"
    THROTTLED = "THROTTLED"
    CAPACITY = "CAPACITY"
    PERMISSION = "PERMISSION"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    CONFIGURATION = "CONFIGURATION"
    INTERNAL = "INTERNAL"


class SeawallError(Exception):
    """A failure a person can act on.

    Args:
        code: why, from the closed list.
        sentence: what happened, for people; never a secret in it.
        next_step: what to do about it; empty where the sentence says it all.
    """

    def __init__(self, code: Code, sentence: str, next_step: str = "") -> None:
        super().__init__(f"{sentence} {next_step}".strip())
        self.code = code
        self.sentence = sentence
        self.next_step = next_step


class PermanentError(SeawallError):
    """Trying again will not help, and it is known that nothing was changed."""


class TemporaryError(SeawallError):
    """Trying again may help, and it is known that nothing was changed.

    `delay` is how many seconds to wait first; None leaves it to the retry policy.
    """

    def __init__(self, code: Code, sentence: str, next_step: str = "", delay: float | None = None) -> None:
        super().__init__(code, sentence, next_step)
        self.delay = delay


class OutcomeUnknownError(SeawallError):
    """The call may or may not have taken effect. The next attempt looks before it acts."""

    def __init__(self, sentence: str, next_step: str = "") -> None:
        super().__init__(Code.OUTCOME_UNKNOWN, sentence, next_step)
