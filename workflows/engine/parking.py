"""What a step that can go neither way shows, and which answers are safe. Pure: it decides by phase and outcome only."""

from datetime import datetime

from workflows.model.failure import Code
from workflows.model.plan import Phase, Step
from workflows.model.progress import ParkedStep

from .gate import code_for
from .ledger import Ledger
from .outcome import Failed, Unknown


def park(
    step: Step, outcome: Failed | Unknown, ledger: Ledger, since: datetime, *, past_pivot: bool, stopping: bool
) -> ParkedStep:
    """The parked step as it stands now; made anew when the pivot is passed, since other answers are safe then."""
    unproven = isinstance(outcome, Failed) and outcome.code == Code.FENCE_UNPROVEN
    asks_risk = unproven and not past_pivot and not stopping
    actions = ["retry"]
    if asks_risk:
        actions.append("accept_split_brain_risk")
    if stopping:
        actions.append("skip")
    elif not past_pivot:
        actions.append("abort")
    elif step.phase is not Phase.PIVOT:
        actions += ["skip", "accept_degraded"]
    assert ledger.plan is not None
    proofs = ledger.loaded.runbook.approvals.proofs if ledger.loaded else ()
    return ParkedStep(
        step=step.id,
        code=Code.OUTCOME_UNKNOWN if isinstance(outcome, Unknown) else outcome.code,
        reason=outcome.reason,
        standing=ledger.standing(),
        actions=tuple(actions),
        risk_code=code_for(ledger.run_id, f"{step.id}/risk", ledger.plan.hash) if asks_risk else "",
        proofs=tuple(kind.value for kind in proofs) if asks_risk else (),
        since=since,
    )
