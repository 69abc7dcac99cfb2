"""Progress views of made-up runs: at the gate, at the promote, parked, ended."""

from typing import Any

from tests.support.sample_reports import APPROVED_AFTER, DECLARED, RUN, at, parked, parked_step, recovered, steps
from workflows.model.plan import Mode, Operation
from workflows.model.progress import GateView, ProgressView, RunState, StepRecord, StepState


def gate(**more: Any) -> GateView:
    """An open gate."""
    fields: dict[str, Any] = {
        "step": "approve",
        "code": "K7Q4",
        "question": "Fail shop over from primary to recovery, and accept the loss of the writes that never arrived?",
        "facts": (("Source", "silent for 2 of 2 observers"), ("Expected loss", "0.4 s, 1,184 bytes")),
        "approvers": ("anna", "ben"),
        "required": 1,
        "expires": at(1800),
        "on_silence": "reject",
    }
    return GateView.model_validate({**fields, **more})


def view(state: RunState, records: tuple[StepRecord, ...], now: float, **more: Any) -> ProgressView:
    """The progress of a run, so many seconds after declared."""
    fields: dict[str, Any] = {
        "application": "shop",
        "operation": Operation.FAILOVER,
        "mode": Mode.UNPLANNED,
        "state": state,
        "workflow_id": RUN,
        "epoch": 7,
        "source": "primary",
        "target": "recovery",
        "declared": DECLARED,
        "now": at(now),
        "rto_seconds": 900.0,
        "steps": records,
    }
    return ProgressView.model_validate({**fields, **more})


def waiting_view() -> ProgressView:
    """A run at its gate."""
    records = steps(until="db.fence", approve={"state": StepState.WAITING, "ended": None})
    return view(RunState.AWAITING_APPROVAL, records, 125.0, gate=gate())


def running_view() -> ProgressView:
    """A run at its promote."""
    running = {"state": StepState.RUNNING, "ended": None, "attempts": 2, "detail": "waits for the end of recovery"}
    return view(RunState.RUNNING, steps(until="db.health_check", db__promote=running), APPROVED_AFTER + 2.0)


def parked_view() -> ProgressView:
    """A run that waits for an answer."""
    return view(RunState.PARKED, parked().steps, APPROVED_AFTER + 400, parked=(parked_step(),))


def ended_view() -> ProgressView:
    """A run that is over."""
    return view(RunState.RECOVERED, recovered().steps, APPROVED_AFTER + 6)
