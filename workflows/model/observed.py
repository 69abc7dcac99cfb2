"""What was seen before and after an action: the facts on which a run decides."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from .base import Message
from .failure import Code


class Reach(StrEnum):
    """What one observer could tell of a component at a site."""

    SERVING = "serving"
    """Answers and does its job (a data component accepts writes; a compute component passes its checks)."""
    STANDBY = "standby"
    """Answers, and is not the one that serves (a replica in recovery; a stopped or not-ready service)."""
    REFUSED = "refused"
    """The host answered that nothing listens there: the process is gone."""
    SILENT = "silent"
    """No answer in time. It may be dead, slow, or only unreachable from here."""
    UNKNOWN = "unknown"
    """The observer itself could not be asked."""


class Observation(Message):
    """One look at one component at one site, by one observer."""

    component: str
    site: str
    observer: str
    reach: Reach
    at: datetime
    detail: str = ""
    facts: dict[str, Any] = {}
    """Provider facts, JSON values only. What a later compare-and-set or an undo needs stands here."""


class Lag(Message):
    """How far a replica is behind: null where it was not measured."""

    seconds: float | None = None
    bytes: int | None = None


class RecoveryPoint(Message):
    """A restorable moment of a data component."""

    component: str
    site: str
    kind: str
    """`stream` (a running replica) or `snapshot`."""
    position: str
    """The provider's own position, such as a PostgreSQL LSN."""
    timeline: int | None = None
    marker: int | None = None
    """Number of the newest marker that is in the data."""
    marker_at: datetime | None = None
    expected_loss: Lag = Lag()


class FenceProof(Message):
    """Why it is certain that the old site accepts no write. One proof belongs to one epoch."""

    component: str
    site: str
    epoch: int
    method: str
    proven: bool
    write_probe: Reach
    independent: bool = False
    """True when a path that does not go through the fenced host confirmed it (a power controller, a cloud API)."""
    position: str | None = None
    """Where the old site's data ends, when it could be read: the point that the new site must reach."""
    at: datetime
    detail: str = ""


class CheckResult(Message):
    """One check, after its last try."""

    name: str
    passed: bool
    tries: int
    seconds: float
    detail: str = ""


class Loss(Message):
    """What was lost, as the data itself tells. Null means not measured; it never means none."""

    seconds: float | None = None
    bytes: int | None = None
    transactions: int | None = None
    last_kept_marker: int | None = None
    first_lost_marker: int | None = None
    method: str = ""
    complete: bool = True
    """False when not every writer was back before the measurement ended."""


class Refusal(Message):
    """Why a run must not start, by what was seen, and what to do instead."""

    code: Code
    sentence: str
    next_step: str
