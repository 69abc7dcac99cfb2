"""What is known of one seed after it: frozen facts that the checker judges, and nothing that can act.

Times are UTC. An operation of a client ends `ok`, `fail` (refused, with a sentence) or `info` (nobody knows).
"""

from datetime import datetime
from typing import Any

from pydantic import Field

from workflows.model.base import Message
from workflows.model.entity import ApplicationState
from workflows.model.progress import ProgressView
from workflows.model.report import Report

Pair = tuple[str, str]


class EffectRecord(Message):
    """One thing that really changed. `workflow`, `step`, `verb` and `epoch` say whose effect it is; the key is what
    the engine itself made of them."""

    verb: str
    site: str
    component: str
    key: str
    epoch: int
    workflow: str
    step: str
    run: str
    at: datetime


class WritersAt(Message):
    """Who accepted writes from a moment on."""

    at: datetime
    pairs: tuple[Pair, ...]
    verb: str = ""
    """Of the effect by which it came to this; empty where the world itself did."""


class Event(Message):
    """One event of a Temporal history, as far as a rule speaks of it."""

    id: int
    at: datetime
    kind: str
    """`scheduled`, `started`, `completed`, `failed`, `timed-out`, `canceled` (of an activity), `accepted`, `answered`
    (of an update), `signaled`, `cancel-requested`, `task-completed`, `task-failed`, or how the run was closed."""
    name: str = ""
    """The activity's type or the update's name."""
    activity: str = ""
    """The activity's id: the step's, with `.undo` behind it for an undo; empty for a look or bookkeeping."""
    queue: str = ""
    scheduled: int = 0
    """Of an answer to an activity: the event by which it was scheduled."""
    code: str = ""
    said: str = ""
    attempt: int = 0
    input: dict[str, Any] = {}


class Operation(Message):
    """What a client asked, and what became of it."""

    name: str
    by: str = ""
    at: datetime
    outcome: str
    said: str = ""
    run: str = ""
    """The execution that was asked."""
    code: str = ""
    """The code that the request carried."""
    must_fail: bool = False
    """Whether the scenario says that it has to be refused."""
    why: str = ""
    """What is wrong with it, when it must fail."""


class RunRecord(Message):
    """One execution of a run: a reset makes another one."""

    workflow: str
    run: str
    kind: str
    leg: int
    """Which leg of the scenario it belongs to, from 0."""
    status: str
    """As the server says: `COMPLETED`, `CANCELED`, `TERMINATED`, `FAILED`, `TIMED_OUT`, `RUNNING`."""
    events: tuple[Event, ...] = ()
    view: ProgressView | None = None
    """What it showed of itself in the end."""
    report: Report | None = None
    """What stands in the report store; the workflow's result where nothing stands there."""
    codes: tuple[str, ...] = ()
    """The codes that its gate showed."""
    since: datetime
    """When this execution began; what is older in its history was copied by a reset."""
    reset_from: str = ""
    """The execution that a reset took it from."""
    terminated_by_us: bool = False
    rival: bool = False
    """Started beside the leg's own run, by which it may not be disturbed."""


class Wanted(Message):
    """What a leg of the scenario must come to."""

    leg: int
    ends: tuple[str, ...]
    """End states of which its run must have one."""
    codes: tuple[str, ...] = ()
    """With one of these codes; any when empty."""
    refusal: bool = False
    starts: int = 1
    """How many were started at once; all but one must be refused as busy."""


class Record(Message):
    """Everything that is known of one seed."""

    seed: int
    scenario: str
    kind: str
    approvers: tuple[str, ...]
    required: int
    requester: str
    proofs: dict[str, tuple[str, ...]] | None = None
    """Every proof that people's own devices made, by person; None where the runbook takes a name for its word."""
    told: bool = False
    """Whether people were to be told, by channels that are dead."""
    rpo_seconds: float
    sites: tuple[str, ...] = ("primary", "recovery")
    effects: tuple[EffectRecord, ...]
    rehearsed: tuple[EffectRecord, ...]
    writers: tuple[WritersAt, ...]
    stood: dict[str, int] = {}
    """Epochs that stood in the world before the first run."""
    routes: tuple[str, ...]
    operations: tuple[Operation, ...]
    runs: tuple[RunRecord, ...]
    entity: ApplicationState | None
    wanted: tuple[Wanted, ...]
    serving: tuple[Pair, ...]
    standby: tuple[Pair, ...]
    running: tuple[Pair, ...]
    rows: dict[str, tuple[str, ...]]
    """What each copy holds, by `component@site`."""
    written: tuple[str, ...]
    """Rows that clients were told had been written."""
    archived: tuple[str, ...]
    wiped: tuple[str, ...]
    bubbles: tuple[str, ...]
    leaks: tuple[str, ...] = ()
    """Where the secret of the world was found."""
    wall_seconds: float = 0.0
    histories: dict[str, bytes] = Field(default={}, exclude=True, repr=False)
    """Temporal's own, whole, by execution."""
