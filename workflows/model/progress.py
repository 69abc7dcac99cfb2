"""What a run shows of itself, and what the workflows that are no runs answer."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from .base import Message
from .entity import ReplicationState
from .observed import CheckResult, Finding
from .plan import Mode, Operation, Plan, Step


class RunState(StrEnum):
    """Where a run is. The five end states, and the stations on the way."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    WAITING_FOR_AGREED_TIME = "WAITING_FOR_AGREED_TIME"
    PAUSED = "PAUSED"
    PARKED = "PARKED"
    COMPENSATING = "COMPENSATING"
    RECOVERED = "RECOVERED"
    RECOVERED_DEGRADED = "RECOVERED_DEGRADED"
    COMPENSATED = "COMPENSATED"
    REFUSED = "REFUSED"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in this run."""
        return self in _ENDED


_ENDED = frozenset({RunState.RECOVERED, RunState.RECOVERED_DEGRADED, RunState.COMPENSATED, RunState.REFUSED})


class StepState(StrEnum):
    """Where a step is."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    """For people."""
    DONE = "done"
    FAILED = "failed"
    """And it is known that its effect does not stand."""
    UNKNOWN = "unknown"
    """Its effect may stand; being read back."""
    SKIPPED = "skipped"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"


class StepRecord(Message):
    """One step of a run, as shown and as reported."""

    id: str
    component: str | None
    site: str
    kind: str
    """The verb."""
    words: str
    phase: str
    state: StepState = StepState.PENDING
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    provider_seconds: float | None = None
    detail: str = ""
    code: str = ""
    undo: str = ""
    """What undoing it would mean, or meant."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    checks: tuple[CheckResult, ...] = ()


class GateView(Message):
    """What an approver must know, as of this second."""

    step: str
    code: str
    question: str
    facts: tuple[tuple[str, str], ...] = ()
    approvers: tuple[str, ...]
    required: int
    approved_by: tuple[str, ...] = ()
    expires: datetime
    on_silence: str
    loss: str = ""
    """The loss beyond the RPO that somebody must still accept by `accept_data_loss`, in words."""
    proofs: tuple[str, ...] = ()
    """By which of these an answer has to be proved; none where a name is enough."""


class ParkedStep(Message):
    """A step that can go neither way by itself, and what is safe to do next."""

    step: str
    code: str
    reason: str
    standing: tuple[str, ...] = ()
    """Effects that stand now, in words."""
    actions: tuple[str, ...] = ()
    """Updates that answer it, of `retry`, `skip`, `accept_degraded`, `abort`, `accept_split_brain_risk`."""
    risk_code: str = ""
    """The code that `accept_split_brain_risk` wants, where that is one of the actions."""
    proofs: tuple[str, ...] = ()
    """By which of these that acceptance has to be proved."""
    since: datetime


class ProgressView(Message):
    """The answer of the query `progress`: all that a watcher shows."""

    application: str
    operation: Operation
    mode: Mode
    state: RunState
    workflow_id: str
    epoch: int | None = None
    source: str = ""
    target: str = ""
    declared: datetime
    now: datetime
    rto_seconds: float | None = None
    steps: tuple[StepRecord, ...] = ()
    gate: GateView | None = None
    parked: tuple[ParkedStep, ...] = ()
    headline: str = ""
    """One sentence: what is happening, or what is awaited from whom."""
    acknowledged: str = ""
    """Who sees to all that waits for people, and since when."""
    escalates: bool = False
    """Whether others are called while something waits and nobody acknowledges it."""


class ReplicationReport(Message):
    """The result of `Replicate`."""

    application: str
    active_site: str
    skipped: str = ""
    """Why nothing was done, such as a run that holds the application; empty when it was."""
    state: ReplicationState | None = None
    steps: tuple[StepRecord, ...] = ()


class PostureReport(Message):
    """The result of `Posture`."""

    application: str
    at: datetime
    ready: bool
    """Whether nothing blocking was found."""
    findings: tuple[Finding, ...] = ()
    active_site: str = ""
    protected: bool = True


class CompiledStep(Message):
    """A step with what an operator wants to know before starting: used by `seawall plan`."""

    step: Step
    earliest: float
    on_critical_path: bool


class CompiledPlan(Message):
    """A plan with its critical path."""

    plan: Plan
    steps: tuple[CompiledStep, ...]
    expected_seconds: float
    approvals_after_seconds: float = 0.0
