"""Is an application ready to be recovered? Pure: its runbook, its state and the time go in, findings come out."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from workflows.model.base import format_duration, in_words
from workflows.model.entity import ApplicationState, DrillSummary
from workflows.model.observed import Finding
from workflows.model.progress import RunState
from workflows.model.runbook import Runbook

STALE = timedelta(minutes=5)
"""A replication that was not measured for so long is not known to work."""


def posture(runbook: Runbook, state: ApplicationState, now: datetime) -> tuple[Finding, ...]:
    """What stands against a recovery now, the gravest first."""
    return tuple(sorted(_findings(runbook, state, now), key=lambda finding: not finding.blocking))


def _findings(runbook: Runbook, state: ApplicationState, now: datetime) -> Iterator[Finding]:
    if state.orphan:
        yield Finding(
            code="ORPHANED",
            sentence=f"{state.orphan.holder} was {state.orphan.ending.how} and did not give the lease back.",
            next_step=f"`seawall status {runbook.application}` tells what stands; then adopt or release it.",
            blocking=True,
        )
    if not state.protected:
        yield Finding(
            code="UNPROTECTED",
            sentence=f"{runbook.application} runs at {state.active_site} without a replica.",
            next_step=f"Start `seawall reprotect {runbook.application}`.",
            blocking=True,
        )
    yield from _replication(state, now)
    yield from _review(runbook, now)
    yield from _drill(runbook.drills.isolated_every, "isolated", state.last_drill, now)
    if runbook.drills.live_every is not None:
        yield from _drill(runbook.drills.live_every, "live", state.last_live_drill, now)


def _replication(state: ApplicationState, now: datetime) -> Iterator[Finding]:
    seen = state.replication
    if seen is None or now - seen.at > STALE:
        age = "never" if seen is None else f"last {in_words((now - seen.at).total_seconds())} ago"
        yield Finding(
            code="REPLICATION_NOT_MEASURED",
            sentence=f"How far the copy is behind was measured {age}.",
            next_step="See that the schedule of Replicate runs: `seawall schedules`.",
        )
    elif not seen.healthy:
        yield Finding(code="REPLICATION_UNHEALTHY", sentence=seen.sentence, next_step="Mend it.", blocking=True)


def _review(runbook: Runbook, now: datetime) -> Iterator[Finding]:
    due = runbook.review.last + runbook.review.interval
    if now.date() > due:
        yield Finding(
            code="REVIEW_OVERDUE",
            sentence=f"The runbook's review was due on {due}.",
            next_step=f"{runbook.owner.name} reviews it and writes today's date.",
        )


def _drill(every: timedelta, sort: str, last: DrillSummary | None, now: datetime) -> Iterator[Finding]:
    next_step = f"Start one: `seawall drill`{' with --live' if sort == 'live' else ''}."
    if last is None:
        yield Finding(code="NEVER_DRILLED", sentence=f"There was no {sort} drill yet.", next_step=next_step)
    elif last.end_state != RunState.RECOVERED:
        yield Finding(
            code="DRILL_FAILED",
            sentence=f"The last {sort} drill ended {last.end_state} ({last.workflow_id}).",
            next_step="Mend what its report names, and drill again.",
            blocking=True,
        )
    elif now - last.ended > every:
        yield Finding(
            code="DRILL_OVERDUE",
            sentence=f"The last {sort} drill is older than {format_duration(every)}.",
            next_step=next_step,
        )
