"""The report of a run: the workflow's result, and what is written to the report store."""

from datetime import datetime
from typing import Any

from .base import Message
from .entity import DrillSummary
from .notices import NoticeRecord
from .observed import Consistency, Divergence, FenceProof, Finding, Loss, Observation
from .plan import Mode, Operation
from .progress import ParkedStep, RunState, StepRecord


class ApprovalRecord(Message):
    """One answer to a gate."""

    step: str
    approver: str
    decision: str
    """`approved`, `rejected`, `expired`, or `risk accepted`."""
    at: datetime
    comment: str = ""
    code: str = ""
    proof: str = ""
    """By what it was proved, in words; empty where the name is a claim."""
    facts_sha256: str = ""
    """Of the facts that the request showed in that second."""


class OperatorAction(Message):
    """Something a person did to the run: retry, skip, accept degraded, abort, pause, resume, acknowledge, cancel."""

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


class Scorecard(Message):
    """What a drill showed, and what it did not."""

    kind: str
    """`isolated` or `live`."""
    real: int
    """Steps that were done as they would be in a recovery."""
    simulated: int
    """Steps that were only shown."""
    skipped: int
    """Steps that were not reached, or left out."""
    fidelity: float | None
    """Share of the steps that were done for real, 0 to 1; null when there was no step."""
    canaries: dict[str, str] = {}
    """For each production endpoint, what the bubble met when it tried to reach it."""
    leftovers: int | None = None
    """What stands of the bubble after its end; null when it was not counted."""
    findings: tuple[Finding, ...] = ()
    """What to mend."""
    compared_with: DrillSummary | None = None
    """The drill before this one."""
    rta_change_seconds: float | None = None
    """Slower (positive) or faster than that one; null when either was not measured."""


class Report(Message):
    """What was asked, what was done, how long it took, what was lost, and what is left to do."""

    schema_version: int = 1
    """Version of this form. Fields are only ever added."""
    workflow_id: str
    """The run's workflow id, such as failover/shop/2026-11-22T14-05Z."""
    run_id: str
    """Temporal's run id of the execution that wrote the report."""
    application: str
    """The application that was recovered."""
    operation: Operation
    """What the run did."""
    mode: Mode
    """Whether the source site was left in a planned way."""
    end_state: RunState
    """How the run ended; PARKED is a run that waits for people."""
    code: str = ""
    """Why, when the run was refused, compensated or parked."""
    summary: str
    """One or two sentences for people."""
    requested_by: str
    """Who asked for the run, as the client claimed."""
    reason: str
    """Why it was asked for."""
    owner: str = ""
    """Who answers for the runbook."""
    source: str = ""
    """The site that was left."""
    target: str = ""
    """The site that was moved to."""
    epoch: int | None = None
    """The epoch that every change of this run carried; null when no lease was taken."""
    runbook_sha256: str = ""
    """SHA-256 of the runbook that was used."""
    plan_sha256: str = ""
    """SHA-256 of the plan to which the approvals are bound."""
    clock: Clock
    """When each clock started and stopped."""
    rta: Times = Times()
    """Actual recovery times in seconds, by clock."""
    rta_seconds: float | None = None
    """Declared to verified through the public name."""
    rpa: Loss = Loss()
    """What was lost, as the data itself tells."""
    rpa_seconds: float | None = None
    """Seconds of data lost; null = not measured."""
    rpa_bytes: int | None = None
    """Bytes of data lost; null = not measured."""
    lost_transactions: int | None = None
    """Acknowledged transactions lost; null = not measured."""
    objectives: tuple[Objective, ...] = ()
    """Each promise beside its measurement."""
    steps: tuple[StepRecord, ...] = ()
    """Every step of the plan, in plan order."""
    observations: tuple[Observation, ...] = ()
    """What was seen before the run decided."""
    fence_proofs: tuple[FenceProof, ...] = ()
    """Why it is certain that the old site accepts no write."""
    approvals: tuple[ApprovalRecord, ...] = ()
    """Who answered which gate, and how."""
    actions: tuple[OperatorAction, ...] = ()
    """What people did to the run."""
    notices: tuple[NoticeRecord, ...] = ()
    """Who was told of what, and whether it was delivered."""
    parked: tuple[ParkedStep, ...] = ()
    """Steps that wait for an answer."""
    standing: tuple[str, ...] = ()
    """Effects that stand, in words."""
    left_to_do: tuple[str, ...] = ()
    """What people still have to do."""
    not_proven: tuple[str, ...] = ()
    """What this report does not show."""
    protected: bool | None = None
    """Whether replication runs away from the serving site now; null when the run did not touch it."""
    divergences: tuple[Divergence, ...] = ()
    """What only the old site had, and where it is kept."""
    comparisons: tuple[Consistency, ...] = ()
    """Both sites compared, before and after."""
    findings: tuple[Finding, ...] = ()
    """What a person should know or mend."""
    scorecard: Scorecard | None = None
    """Of a drill."""
    extra: dict[str, Any] = {}
    """Further facts that have no field of their own yet."""


class WriteReportRequest(Message):
    """Write a report to the store."""

    report: Report


class WrittenReport(Message):
    """Where it was written."""

    files: tuple[str, ...]
