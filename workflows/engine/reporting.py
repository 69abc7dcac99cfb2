"""Turns the ledger of a run into its progress view and its report. Unmeasured stays null; null is never a pass."""

from datetime import datetime, timedelta

from workflows.model.base import in_words
from workflows.model.failure import Code
from workflows.model.observed import Loss
from workflows.model.plan import Operation, Phase
from workflows.model.progress import ProgressView, RunState, StepRecord, StepState
from workflows.model.report import Objective, Report, Times

from .details import headline
from .ledger import Ledger
from .scorecard import scorecard, simulated


def progress(ledger: Ledger, now: datetime) -> ProgressView:
    """What a watcher shows."""
    runbook = ledger.loaded.runbook if ledger.loaded else None
    gate = ledger.gate
    open_gate = gate and any(record.id == gate.step for record in ledger.in_state(StepState.WAITING))
    view = ProgressView(
        application=ledger.application,
        operation=ledger.operation,
        mode=ledger.mode,
        state=ledger.state,
        workflow_id=ledger.workflow_id,
        epoch=ledger.lease.epoch if ledger.lease else None,
        source=ledger.source,
        target=ledger.target,
        declared=ledger.clock.declared,
        now=ledger.clock.ended or now,
        rto_seconds=runbook.objectives.rto.total_seconds() if runbook else None,
        steps=tuple(ledger.records.values()),
        gate=gate.view() if gate and open_gate else None,
        parked=tuple(ledger.parked.values()),
        headline=ledger.end_reason,
        acknowledged=ledger.acknowledged,
        escalates=bool(runbook and runbook.notices.escalation and not ledger.acknowledged),
    )
    return view.model_copy(update={"headline": headline(view)})


def report(ledger: Ledger) -> Report:
    """The report of a run as it stands; final when its end state is one of the four."""
    loaded, plan, loss = ledger.loaded, ledger.plan, loss_of(ledger)
    times = times_of(ledger)
    return Report(
        workflow_id=ledger.workflow_id,
        run_id=ledger.run_id,
        application=ledger.application,
        operation=ledger.operation,
        mode=ledger.mode,
        end_state=ledger.state,
        code=ledger.end_code,
        summary=_summary(ledger, times, loss),
        requested_by=ledger.requested_by,
        reason=ledger.reason,
        owner=f"{loaded.runbook.owner.name} <{loaded.runbook.owner.email}>" if loaded else "",
        source=ledger.source,
        target=ledger.target,
        epoch=ledger.lease.epoch if ledger.lease else None,
        runbook_sha256=loaded.sha256 if loaded else "",
        plan_sha256=plan.hash if plan else "",
        clock=ledger.clock,
        rta=times,
        rta_seconds=times.from_declared,
        rpa=loss,
        rpa_seconds=loss.seconds,
        rpa_bytes=loss.bytes,
        lost_transactions=loss.transactions,
        objectives=_objectives(ledger, times, loss),
        steps=tuple(ledger.records.values()),
        observations=tuple(ledger.observations),
        fence_proofs=ledger.proofs,
        approvals=tuple(ledger.approvals),
        actions=tuple(ledger.actions),
        notices=tuple(ledger.notices),
        parked=tuple(ledger.parked.values()),
        standing=ledger.standing(),
        left_to_do=_left_to_do(ledger),
        not_proven=_not_proven(ledger, times, loss),
        protected=ledger.protected,
        divergences=ledger.divergences,
        comparisons=ledger.comparisons,
        findings=ledger.findings,
        scorecard=scorecard(ledger, times.from_declared) if ledger.operation is Operation.DRILL else None,
    )


def times_of(ledger: Ledger) -> Times:
    """Seconds to the check that passed through the public name. In a drill they count from when the clones stood."""
    clock = ledger.clock

    def since(start: datetime | None) -> float | None:
        return (clock.verified - start).total_seconds() if clock.verified and start else None

    return Times(
        from_detected=since(clock.detected),
        from_declared=since(ledger.count_from or clock.declared),
        from_approved=since(clock.approved),
    )


def loss_of(ledger: Ledger) -> Loss:
    """The worst over all data components; null as soon as one of them was not measured. Of an isolated drill: what
    would be lost by taking the recovery points that its clones were made of."""
    plan = ledger.plan
    if ledger.bubble is not None:
        seconds = [result.point.expected_loss.seconds for result in ledger.results.values() if result.point]
        known = [second for second in seconds if second is not None]
        whole = bool(seconds) and len(known) == len(seconds)
        return Loss(seconds=max(known) if whole else None, method="markers, at the recovery point")
    losses = [result.loss for result in ledger.results.values() if result.loss is not None]
    data = {step.component for step in plan.steps if step.phase is Phase.PIVOT} if plan else set()
    if not losses or len(losses) < len(data):
        return Loss()
    if len(losses) == 1:
        return losses[0]

    def worst(values: list[float | None]) -> float | None:
        return max((v for v in values if v is not None), default=None) if None not in values else None

    transactions = [loss.transactions for loss in losses]
    sizes = [loss.bytes for loss in losses]
    return Loss(
        seconds=worst([loss.seconds for loss in losses]),
        bytes=None if None in sizes else sum(size for size in sizes if size is not None),
        transactions=None if None in transactions else sum(count for count in transactions if count is not None),
        method="; ".join(dict.fromkeys(loss.method for loss in losses)),
        complete=all(loss.complete for loss in losses),
    )


def _objectives(ledger: Ledger, times: Times, loss: Loss) -> tuple[Objective, ...]:
    if ledger.loaded is None or ledger.state is RunState.REFUSED:
        return ()
    if ledger.operation is Operation.REPROTECT:
        return ()
    promised = ledger.loaded.runbook.objectives
    agreed = ledger.operation in (Operation.SWITCHOVER, Operation.FAILBACK)
    return (
        _objective("RTO", promised.rto, interruption(ledger) if agreed else times.from_declared),
        _objective("RPO", promised.rpo, loss.seconds),
    )


def interruption(ledger: Ledger) -> float | None:
    """Seconds from the first step that users may notice to the check through the public name: what a planned move costs
    them. The wait for people and for the agreed time is none of it."""
    noticed = [
        record.started for record in ledger.records.values() if record.phase == Phase.COMMIT.value and record.started
    ]
    verified = ledger.clock.verified
    return (verified - min(noticed)).total_seconds() if verified and noticed else None


def _objective(name: str, promised: timedelta, measured: float | None) -> Objective:
    limit = promised.total_seconds()
    return Objective(
        name=name,
        promised_seconds=limit,
        measured_seconds=measured,
        met=None if measured is None else measured <= limit,
    )


def _summary(ledger: Ledger, times: Times, loss: Loss) -> str:
    where = f"{ledger.application} from {ledger.source} to {ledger.target}" if ledger.target else ledger.application
    match ledger.state:
        case RunState.RECOVERED | RunState.RECOVERED_DEGRADED if ledger.operation is Operation.REPROTECT:
            archived = sum(table.rows for found in ledger.divergences for table in found.tables)
            kept = f" {archived} rows that only {ledger.source} had are archived." if archived else ""
            return f"{ledger.application}: {ledger.source} follows {ledger.target} again.{kept}"
        case RunState.RECOVERED | RunState.RECOVERED_DEGRADED if ledger.operation is Operation.DRILL:
            return (
                f"Drill of {where}: passed, {in_words(times.from_declared)} to recover; "
                f"{in_words(loss.seconds)} of data would be lost."
            )
        case RunState.RECOVERED | RunState.RECOVERED_DEGRADED:
            degraded = " with parts left out" if ledger.state is RunState.RECOVERED_DEGRADED else ""
            lost = "not measured" if loss.transactions is None else f"{loss.transactions} transactions"
            return (
                f"{where}: recovered{degraded} in {in_words(times.from_declared)} from declared; "
                f"lost: {lost}, {in_words(loss.seconds)} of data."
            )
        case RunState.COMPENSATED if standing := ledger.standing():
            left = "; ".join(standing)
            return f"{where}: not done; undone but for what a person left standing: {left}. {ledger.end_reason}"
        case RunState.COMPENSATED:
            return f"{where}: not done, and everything that was begun is undone. {ledger.end_reason}"
        case RunState.REFUSED if ledger.end_code == Code.LEASE_LOST and (standing := ledger.standing()):
            return f"{where}: stopped, nothing was undone. What stands: {'; '.join(standing)}. {ledger.end_reason}"
        case RunState.REFUSED:
            return f"{where}: refused, nothing was changed. {ledger.end_reason}"
        case RunState.PARKED:
            return f"{where}: parked, waiting for a person. " + " ".join(p.reason for p in ledger.parked.values())
        case _:
            return f"{where}: {ledger.state.value.lower().replace('_', ' ')}."


def _left_to_do(ledger: Ledger) -> tuple[str, ...]:
    left = [f"{record.words}: {record.detail}" for record in ledger.in_state(StepState.SKIPPED) if _matters(record)]
    if ledger.protected is False and ledger.state in (RunState.RECOVERED, RunState.RECOVERED_DEGRADED):
        left.append(
            f"{ledger.application} runs unprotected at {ledger.target}: start a reprotect, which rebuilds replication "
            f"to {ledger.source}, before anything else, and keep {ledger.source} fenced until then."
        )
    adopted = ledger.lease.adopted if ledger.lease else None
    if adopted is not None and ledger.state in (RunState.COMPENSATED, RunState.REFUSED):
        stands = "; ".join(adopted.ending.standing or ()) or "not known, so look at both sites"
        left.append(f"This run took over {adopted.holder}, and what that one did was not undone: {stands}.")
    if ledger.state is RunState.PARKED:
        left += [f"{parked.step}: answer with {' or '.join(parked.actions)}" for parked in ledger.parked.values()]
    return tuple(left)


def _matters(record: StepRecord) -> bool:
    return record.phase == Phase.FORWARD.value


def _not_proven(ledger: Ledger, times: Times, loss: Loss) -> tuple[str, ...]:
    if ledger.state not in (RunState.RECOVERED, RunState.RECOVERED_DEGRADED):
        return ()
    if ledger.operation is Operation.REPROTECT:
        return tuple(
            f"That {c.component} is equal at both sites: {c.detail}" for c in ledger.comparisons if not c.equal
        )
    if ledger.operation is Operation.DRILL:
        return _not_shown(ledger)
    gaps = []
    if times.from_declared is None:
        gaps.append("That users reach the application through its public name: it was not verified.")
    if loss.seconds is None:
        gaps.append("How much data was lost in seconds: no marker ledger was readable.")
    if loss.transactions is None:
        gaps.append("How many transactions were lost: the runbook names no sequence, or it could not be read.")
    elif not loss.complete:
        gaps.append("That no further transaction was lost: not every writer was back when they were counted.")
    if ledger.overridden:
        gaps.append(f"That {ledger.source} was down: {ledger.overridden}")
    gaps += [f"That {proof.site} refuses writes: {proof.detail}" for proof in ledger.proofs if not proof.proven]
    return tuple(gaps)


def _not_shown(ledger: Ledger) -> tuple[str, ...]:
    """What a drill does not show."""
    gaps = [f"That {record.words} works: a drill only shows it." for record in simulated(ledger)]
    if ledger.count_from is not None:
        gaps.append("How long people take to decide, and how long a clone takes to make: neither is counted.")
    return tuple(gaps)
