"""What people must know of a run who have to finish it without the run: the facts of the page for break-glass."""

from datetime import datetime

from .base import Message
from .observed import FenceProof, Observation, RecoveryPoint
from .plan import Plan
from .progress import RunState, StepRecord
from .runbook import Runbook


class HandOver(Message):
    """A run as it stood at one moment. Mode, operation and sites stand in the plan."""

    at: datetime
    workflow_id: str
    run_id: str
    state: RunState
    requested_by: str
    reason: str
    declared: datetime
    epoch: int
    runbook: Runbook
    plan: Plan
    steps: tuple[StepRecord, ...]
    """In the plan's order, without their facts before and after."""
    approved_by: tuple[str, ...] = ()
    """Who has agreed so far, at the gate."""
    observations: tuple[Observation, ...] = ()
    """The best look at each component at each site."""
    proofs: tuple[FenceProof, ...] = ()
    points: tuple[RecoveryPoint, ...] = ()
    """The recovery points that were chosen."""
    choice: str = "latest"
    """Which one was asked for."""


class WritePageRequest(Message):
    """Write the page of a run to the report store."""

    facts: HandOver


class WrittenPage(Message):
    """Where it was written."""

    files: tuple[str, ...]
