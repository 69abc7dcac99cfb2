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
    name: str = ""
    """By which a person chooses it; empty for the end of a stream."""
    taken: datetime | None = None
    """When the copy was taken; null for the end of a stream."""
    covers_until: datetime | None = None
    """The last moment to which it can be restored, by the log that is kept with it."""
    size: int | None = None
    """Bytes on disk; null where it was not measured."""
    verified: datetime | None = None
    """When it was last proved to be whole; null when it never was."""
    proof: str = ""
    """How it was proved, in words."""
    until: datetime | None = None
    """Restore what was committed before this moment, and nothing later; null for all that it covers."""


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


class DivergedTable(Message):
    """Rows of one table that only the old site has."""

    table: str
    rows: int
    keys: tuple[str, ...] = ()
    """The first fifty of their primary keys, as text; never the other columns, which stand in the archive only."""


class Divergence(Message):
    """What a site has that the serving one never received: kept and named before anything there is overwritten."""

    component: str
    site: str
    diverged: bool
    since: str = ""
    """Position at which the two histories part."""
    until: str = ""
    """Where the old site's data ends."""
    bytes: int | None = None
    tables: tuple[DivergedTable, ...] = ()
    folder: str = ""
    """Where it was archived, on the old site's machine; empty when there was nothing to keep."""
    complete: bool = True
    """False when something was kept as a log only, and could not be told as rows."""
    detail: str = ""


class TableComparison(Message):
    """One table on both sides, at one and the same position of the log."""

    table: str
    rows_source: int
    rows_target: int
    equal: bool
    differing: tuple[str, ...] = ()
    """Where they differ, in words: the first chunks or keys."""


class Consistency(Message):
    """Whether two copies of a data component hold the same. Null means not measured; it never means equal."""

    component: str
    equal: bool | None
    position_source: str = ""
    position_target: str = ""
    tables: tuple[TableComparison, ...] = ()
    delta_bytes: int | None = None
    """What had still to be copied when it began."""
    method: str = ""
    at: datetime
    detail: str = ""


class Finding(Message):
    """Something that a person should know or mend."""

    code: str
    """Stable and short, such as FSYNC_OFF."""
    sentence: str
    next_step: str = ""
    blocking: bool = False
    """Whether a planned move must not start with it."""


class Refusal(Message):
    """Why a run must not start, by what was seen, and what to do instead."""

    code: Code
    sentence: str
    next_step: str
