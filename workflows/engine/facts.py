"""What an approver must know, as of now: what would be lost, what the old site looks like, what will be touched,
what undo costs, and what could not be proved."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from workflows.model.base import in_words
from workflows.model.observed import Observation, Reach
from workflows.model.plan import Mode, Operation, Phase
from workflows.model.progress import StepState
from workflows.model.runbook import Runbook
from workflows.model.verbs import Verb

from .gate import Facts
from .ledger import Ledger

MOST_FINDINGS = 5
"""Of the preflight: twenty servers without their images would leave no room for anything else."""


def approval_facts(ledger: Ledger, runbook: Runbook, now: datetime, preflight_awaited: bool = False) -> Facts:
    """The rows of an approval request, the most important first."""
    if ledger.operation is Operation.REPROTECT:
        return tuple(_reprotect_facts(ledger))
    if ledger.operation is Operation.DRILL:
        return tuple(_round_trip_facts(ledger))
    calm = ledger.operation in (Operation.SWITCHOVER, Operation.FAILBACK)
    rows = [
        *_warnings(ledger),
        *(("Would be lost", line) for line in _expected_loss(ledger, runbook)),
        *_loss_request(ledger, runbook),
        *([] if calm else [("RTO", _rto(ledger.clock.declared, runbook.objectives.rto, now))]),
        *(("Preflight", line) for line in _preflight(ledger, preflight_awaited)),
        *(("Old site", line) for line in _old_site(ledger)),
        *(("Compared", line) for line in _compared(ledger)),
        *(("Finding", line) for line in _findings(ledger)),
        ("Will be touched", _touched(ledger)),
        ("Undo", "Everything, until a promote is asked for. After that a run only goes forward."),
        *(("Not proved", line) for line in _not_proved(ledger)),
        *(("Others run", line) for line in _others(ledger)),
    ]
    return tuple(rows)


def _rto(declared: datetime, rto: timedelta, now: datetime) -> str:
    end = declared + rto
    left = (end - now).total_seconds()
    rest = f"{in_words(left)} left" if left > 0 else f"over since {in_words(-left)}"
    return f"{in_words(rto.total_seconds())}, ends at {end:%H:%M:%S} UTC ({rest} at {now:%H:%M:%S})"


def _others(ledger: Ledger) -> Iterable[str]:
    """Recoveries of other applications: they want the same people, and perhaps the same room at the other site."""
    others = ledger.lease.others if ledger.lease else ()
    if others is None:
        yield "not known: Temporal did not tell"
    elif others:
        yield ", ".join(others)


def _warnings(ledger: Ledger) -> Iterable[tuple[str, str]]:
    """What is out of the ordinary about this run."""
    if ledger.overridden:
        yield "Despite the evidence", ledger.overridden
    if ledger.flapping is not None:
        yield (
            "Second failover",
            f"The last one ended at {ledger.flapping:%H:%M:%S} UTC: two different people must agree.",
        )
    adopted = ledger.lease.adopted if ledger.lease else None
    if adopted is not None:
        standing = adopted.ending.standing
        told = "; ".join(standing) if standing else "nothing" if standing is not None else "not known"
        yield "Takes over", f"{adopted.holder} ({adopted.ending.how}). What it left: {told}"


def loss_beyond_rpo(ledger: Ledger, runbook: Runbook) -> str | None:
    """The greatest expected loss, in words, when it is more than the RPO; None when it is not, or not known."""
    if ledger.mode is Mode.PLANNED or ledger.operation is Operation.DRILL:
        return None
    points = [result.point for result in ledger.results.values() if result.point is not None]
    losses = [point.expected_loss.seconds for point in points if point.expected_loss.seconds is not None]
    worst = max(losses, default=0.0)
    return in_words(worst) if worst > runbook.objectives.rpo.total_seconds() else None


def _loss_request(ledger: Ledger, runbook: Runbook) -> Iterable[tuple[str, str]]:
    loss = ledger.gate.loss_to_accept if ledger.gate else loss_beyond_rpo(ledger, runbook)
    if loss is not None and ledger.gate is not None:
        example = f'{{"by": "you", "code": "{ledger.gate.code}", "loss": "{loss}"}}'
        yield "More than the RPO", f"Besides the approval somebody must send accept_data_loss: {example}"


def _reprotect_facts(ledger: Ledger) -> Iterable[tuple[str, str]]:
    source = ledger.source
    yield "Overwritten", f"the copy at {source}; {ledger.target} serves and is not touched"
    for found in ledger.divergences:
        if not found.diverged:
            yield "Only there", f"{found.component}: nothing that {ledger.target} has not"
            continue
        rows = ", ".join(f"{table.rows} rows of {table.table}" for table in found.tables) or "not told as rows"
        whole = "" if found.complete else " (NOT ALL COULD BE TOLD AS ROWS)"
        yield "Only there", f"{found.component}: {rows}{whole}; kept in {found.folder}"
    yield "Undo", "None: from the first overwritten byte this only goes forward. What only it had is kept."


def _round_trip_facts(ledger: Ledger) -> Iterable[tuple[str, str]]:
    yield "Users", f"are moved to {ledger.target} and back to {ledger.source}: two short outages, no loss"
    yield "Undo", "Each leg undoes itself before its promote. After the first leg the second one is the way back."


def _compared(ledger: Ledger) -> Iterable[str]:
    for step_id, result in ledger.results.items():
        lag = result.after.get("lag_seconds") if step_id.endswith(f".{Verb.MEASURE_LAG}") else None
        if isinstance(lag, int | float):
            behind = result.after.get("lag_bytes")
            size = f", {behind:,} bytes to copy" if isinstance(behind, int) else ""
            yield f"{step_id.partition('.')[0]}: a marker took {in_words(lag)} to arrive{size}"
    for found in ledger.comparisons:
        rows = sum(table.rows_source for table in found.tables)
        verdict = {True: "equal", False: "DIFFERENT", None: "not measured"}[found.equal]
        yield f"{found.component}: {len(found.tables)} tables, {rows:,} rows: {verdict}"


def _preflight(ledger: Ledger, awaited: bool) -> Iterable[str]:
    """What a recovery at the target would stumble over, as far as it is known."""
    found = ledger.preflight
    if awaited:
        yield f"{ledger.target} has not answered yet"
    if found is not None and not found:
        yield f"{ledger.target} lacks nothing that was looked for"
    for finding in (found or ())[:MOST_FINDINGS]:
        yield f"{'WOULD STOP IT: ' if finding.blocking else ''}{finding.sentence} {finding.next_step}".strip()
    if len(found or ()) > MOST_FINDINGS:
        yield f"and {len(found or ()) - MOST_FINDINGS} more: see the report"


def _findings(ledger: Ledger) -> Iterable[str]:
    shown = ledger.preflight or ()
    return (f"{one.sentence} {one.next_step}".strip() for one in ledger.findings if one not in shown)


def _expected_loss(ledger: Ledger, runbook: Runbook) -> list[str]:
    if ledger.mode is Mode.PLANNED:
        return ["Nothing: the old site is stopped cleanly and its last write is waited for."]
    lines = []
    for name in (step.component for step in ledger.plan.steps if step.phase is Phase.PIVOT) if ledger.plan else ():
        point = ledger.point(name or "")
        if point is None:
            promoted = ledger.plan is not None and f"{name}.{Verb.CHOOSE_RECOVERY_POINT}" not in ledger.records
            lines.append(f"{name}: decided already, it was promoted before" if promoted else f"{name}: not known yet")
            continue
        loss = point.expected_loss
        size = "" if not loss.bytes else f", {loss.bytes:,} bytes"
        amount = "nothing that was acknowledged" if loss.seconds == 0 else f"{in_words(loss.seconds)}{size}"
        promised = runbook.objectives.rpo.total_seconds()
        over = " MORE THAN THE RPO" if loss.seconds is not None and loss.seconds > promised else ""
        lines.append(f"{name}: {amount} (RPO {in_words(promised)}){over}")
    return lines


_REACH_WORDS: Mapping[Reach, str] = {
    Reach.SERVING: "serves",
    Reach.STANDBY: "answers, and does not serve",
    Reach.REFUSED: "refuses connections: its process is gone",
    Reach.SILENT: "gives no answer",
    Reach.UNKNOWN: "could not be asked",
}


def _old_site(ledger: Ledger) -> list[str]:
    """One line for each thing that was seen, with all who saw it."""
    seen: dict[tuple[str, Reach], list[str]] = {}
    for look in ledger.observations:
        if look.site == ledger.source:
            seen.setdefault((look.component, look.reach), []).append(look.observer)
    return [
        f"{component} {_REACH_WORDS[reach]} (seen by {', '.join(dict.fromkeys(observers))})"
        for (component, reach), observers in seen.items()
    ]


def _touched(ledger: Ledger) -> str:
    if ledger.plan is None:
        return "not known yet"
    effects = [step.words for step in ledger.plan.steps if step.verb.mutates]
    done = [record.words for record in ledger.in_state(StepState.DONE) if record.words in effects]
    rest = [words for words in effects if words not in done]
    return "; ".join(rest)


def _not_proved(ledger: Ledger) -> list[str]:
    def blind(look: Observation) -> bool:
        return look.site == ledger.source and look.reach in (Reach.SILENT, Reach.UNKNOWN)

    return [
        f"Whether {look.component} at {look.site} is dead: {look.observer} got no answer"
        for look in ledger.observations
        if blind(look)
    ]
