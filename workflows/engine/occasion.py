"""From the ledger of a run to what a message is about. Pure."""

from datetime import datetime

from workflows.model.base import in_words
from workflows.model.notices import Event
from workflows.model.plan import Mode, Operation

from . import reporting
from .ledger import Ledger
from .notice_words import Occasion


def occasion(ledger: Ledger, event: Event, drill: bool, now: datetime) -> Occasion:
    """What is known now; the run has read its runbook."""
    assert ledger.loaded is not None
    objectives = ledger.loaded.runbook.objectives
    view = reporting.progress(ledger, now)
    since = [one.since for one in ledger.parked.values()]
    if ledger.gate is not None and (record := ledger.records.get(ledger.gate.step)) is not None and record.started:
        since = since or [record.started]
    planned = ledger.operation in (Operation.SWITCHOVER, Operation.FAILBACK)
    took = reporting.interruption(ledger) if planned else reporting.times_of(ledger).from_declared
    return Occasion(
        event=event,
        drill=drill,
        application=ledger.application,
        operation=ledger.operation,
        mode=ledger.mode,
        source=ledger.source,
        target=ledger.target,
        run=ledger.workflow_id,
        now=now,
        declared=ledger.clock.declared,
        rto=objectives.rto,
        rpo=objectives.rpo,
        loss=_loss(ledger),
        verified=ledger.clock.verified,
        took=took,
        requested_by=ledger.requested_by,
        reason=ledger.reason,
        summary=reporting.report(ledger).summary if ledger.state.ended else "",
        gate=view.gate,
        parked=view.parked,
        since=min(since, default=None),
    )


def _loss(ledger: Ledger) -> str:
    """What was measured; before that, what the recovery points promise."""
    measured = reporting.loss_of(ledger)
    if measured.seconds is not None:
        count = "" if measured.transactions is None else f", {measured.transactions} transactions"
        return f"{in_words(measured.seconds)}{count}"
    if ledger.mode is Mode.PLANNED and not ledger.state.ended:
        return "nothing, it is a planned move"
    seconds = [result.point.expected_loss.seconds for result in ledger.results.values() if result.point is not None]
    known = [second for second in seconds if second is not None]
    if not known or len(known) < len(seconds):
        return "not measured" if ledger.state.ended else "not known yet"
    return in_words(max(known))
