"""The report of a run: the workflow's result, and what is written to the report store."""

from datetime import datetime
from typing import Any

from .base import Message
from .messages import ParkedStep, RunState, StepRecord
from .observed import FenceProof, Loss, Observation
from .plan import Mode, Operation


class ApprovalRecord(Message):
    """One answer to a gate."""

    step: str
    approver: str
    decision: str
    """`approved`, `rejected`, `expired`, or `risk accepted`."""
    at: datetime
    comment: str = ""
    code: str = ""


class OperatorAction(Message):
    """Something a person did to the run: retry, skip, accept degraded, abort, pause, resume, cancel."""

    action: str
    by: str
    at: datetime
    step: str | None = None
    reason: str = ""


class Clock(Message):
    """The times from which recovery is counted, and when it was proved. All UTC; null = did not happen."""

    detected: datetime | None = None
    declared: datetime
    approved: datetime | None = None
    pivot: datetime | None = None
    verified: datetime | None = None
    ended: datetime | None = None


class Times(Message):
    """Actual recovery times in seconds. Null = not measured, never zero."""

    from_detected: float | None = None
    from_declared: float | None = None
    from_approved: float | None = None


class Objective(Message):
    """A promise held against a measurement."""

    name: str
    promised_seconds: float
    measured_seconds: float | None
    met: bool | None
    """Null when it was not measured."""


class Report(Message):
    """What was asked, what was done, how long it took, what was lost, and what is left to do."""

    schema_version: int = 1
    workflow_id: str
    run_id: str
    application: str
    operation: Operation
    mode: Mode
    end_state: RunState
    code: str = ""
    """Why, when the run was refused, compensated or parked."""
    summary: str
    """One or two sentences for people."""
    requested_by: str
    reason: str
    owner: str = ""
    source: str = ""
    target: str = ""
    epoch: int | None = None
    runbook_sha256: str = ""
    plan_sha256: str = ""
    clock: Clock
    rta: Times = Times()
    rta_seconds: float | None = None
    """Declared to verified through the public name."""
    rpa: Loss = Loss()
    rpa_seconds: float | None = None
    rpa_bytes: int | None = None
    lost_transactions: int | None = None
    objectives: tuple[Objective, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    observations: tuple[Observation, ...] = ()
    fence_proofs: tuple[FenceProof, ...] = ()
    approvals: tuple[ApprovalRecord, ...] = ()
    actions: tuple[OperatorAction, ...] = ()
    parked: tuple[ParkedStep, ...] = ()
    standing: tuple[str, ...] = ()
    """Effects that stand, in words."""
    left_to_do: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = ()
    """What this report does not show."""
    extra: dict[str, Any] = {}


class WriteReportRequest(Message):
    """Write a report to the store."""

    report: Report


class WrittenReport(Message):
    """Where it was written."""

    files: tuple[str, ...]
