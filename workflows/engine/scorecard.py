"""The scorecard of a drill, from what happened. Pure; unmeasured stays null."""

from workflows.model.entity import DrillSummary
from workflows.model.failure import Code
from workflows.model.observed import Finding
from workflows.model.plan import Mode
from workflows.model.progress import StepRecord, StepState
from workflows.model.report import Scorecard
from workflows.model.verbs import Verb

from .ledger import Ledger


def scorecard(ledger: Ledger, rta_seconds: float | None) -> Scorecard:
    """What the drill showed, and what it did not."""
    real = [record for record in _rehearsed(ledger) if _done(record)]
    shown = simulated(ledger)
    total = len(_rehearsed(ledger)) + len(shown)
    last = ledger.last_drill
    before = last.rta_seconds if last else None
    return Scorecard(
        kind="live" if ledger.mode is Mode.PLANNED else "isolated",
        real=len(real),
        simulated=len(shown),
        skipped=total - len(real) - len(shown),
        fidelity=round(len(real) / total, 3) if total else None,
        canaries=_canaries(ledger),
        leftovers=_leftovers(ledger),
        findings=tuple(_findings(ledger)),
        compared_with=last,
        rta_change_seconds=None if rta_seconds is None or before is None else rta_seconds - before,
    )


def summary(ledger: Ledger, rta_seconds: float | None, rpa_seconds: float | None) -> DrillSummary | None:
    """What the next drill is compared with; null while this one has not ended."""
    if ledger.clock.ended is None:
        return None
    return DrillSummary(
        workflow_id=ledger.workflow_id,
        live=ledger.mode is Mode.PLANNED,
        ended=ledger.clock.ended,
        end_state=ledger.state.value,
        rta_seconds=rta_seconds,
        rpa_seconds=rpa_seconds,
        fidelity=scorecard(ledger, rta_seconds).fidelity,
    )


def simulated(ledger: Ledger) -> list[StepRecord]:
    """The steps that the drill only shows."""
    return [record for record in ledger.records.values() if record.kind == Verb.SIMULATE.value]


_SCENERY = (Verb.OPEN_BUBBLE, Verb.PROVE_ISOLATION, Verb.CLOSE_BUBBLE, Verb.GATE)
"""What belongs to the drill and not to the recovery that it rehearses."""


def _rehearsed(ledger: Ledger) -> list[StepRecord]:
    shown = simulated(ledger)
    return [r for r in ledger.records.values() if r.kind not in _SCENERY and r not in shown]


def _done(record: StepRecord) -> bool:
    return record.state is StepState.DONE


def _canaries(ledger: Ledger) -> dict[str, str]:
    for result in ledger.results.values():
        found = result.after.get("canaries")
        if isinstance(found, dict):
            return {str(name): str(verdict) for name, verdict in found.items()}
        if isinstance(found, list):
            return {str(one.get("canary", one)): str(one.get("inside", "")) for one in found if isinstance(one, dict)}
    return {}


def _leftovers(ledger: Ledger) -> int | None:
    if ledger.bubble is None:
        return None
    counted = [*ledger.results.values(), *ledger.undone.values()]
    left = [r.after["leftovers"] for r in counted if isinstance(r.after.get("leftovers"), int)]
    return left[-1] if left else None


def _findings(ledger: Ledger) -> list[Finding]:
    broken = ledger.in_state(StepState.FAILED, StepState.UNKNOWN, StepState.UNDO_FAILED)
    found = [_broken(record, f"{record.words}: {record.detail}") for record in broken if record.code != Code.CANCELLED]
    # What failed and was undone tells of its undo; why it failed stands in the reason of the drill's end.
    undone = [record for record in ledger.in_state(StepState.UNDONE) if record.code]
    return [*ledger.findings, *found, *(_broken(record, ledger.end_reason) for record in undone)]


def _broken(record: StepRecord, sentence: str) -> Finding:
    return Finding(
        code=record.code or "FAILED",
        sentence=sentence,
        next_step="A recovery would have failed here: mend it, and drill again.",
        blocking=True,
    )
