"""Values of a report as people read them. Null is "not measured" everywhere: never zero, never a pass."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from workflows.model.base import in_words
from workflows.model.plan import Mode, Operation, Phase
from workflows.model.progress import RunState, StepRecord, StepState
from workflows.model.report import Objective, Report
from workflows.model.verbs import Verb

NOT_MEASURED = "not measured"
_LONGEST_VALUE = 300
# Control characters break terminals and XML; bidirectional overrides can make a text read as another one.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

END_STATES = {
    RunState.RECOVERED: ("Recovered", "good"),
    RunState.RECOVERED_DEGRADED: ("Recovered, degraded", "warn"),
    RunState.COMPENSATED: ("Undone", "warn"),
    RunState.REFUSED: ("Refused", "bad"),
    RunState.PARKED: ("Parked: it waits for people", "bad"),
}
_DONE = {
    Operation.SWITCHOVER: "Moved",
    Operation.FAILBACK: "Moved home",
    Operation.REPROTECT: "Protected again",
}
STATE_TONES = {
    StepState.DONE: "good",
    StepState.RUNNING: "busy",
    StepState.WAITING: "wait",
    StepState.FAILED: "bad",
    StepState.UNKNOWN: "bad",
    StepState.UNDO_FAILED: "bad",
    StepState.UNDOING: "warn",
    StepState.UNDONE: "warn",
    StepState.SKIPPED: "idle",
    StepState.PENDING: "idle",
}
_NO_WORK = frozenset({Verb.GATE.value, Verb.WINDOW.value, Verb.SIMULATE.value, Verb.ROUND_TRIP.value})


def clean(text: str) -> str:
    """The text without characters that could disturb a page or a terminal."""
    return _UNSAFE.sub("\ufffd", text)


def as_utc(moment: datetime) -> datetime:
    """The same moment in UTC; a time without a zone is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def stamp(moment: datetime | None, absent: str = "did not happen") -> str:
    """A moment with its date, to the millisecond: `2026-11-22 14:05:09.284 UTC`."""
    if moment is None:
        return absent
    moment = as_utc(moment)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def time_of_day(moment: datetime | None, day: datetime, absent: str) -> str:
    """A moment without its date when it is on the UTC day of `day`."""
    if moment is None:
        return absent
    text = stamp(moment).removesuffix(" UTC")
    return text.partition(" ")[2] if as_utc(moment).date() == as_utc(day).date() else text


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from start to end; None when either is missing."""
    return None if start is None or end is None else (as_utc(end) - as_utc(start)).total_seconds()


def is_work(step: StepRecord) -> bool:
    """Whether the step called a provider: waits, shown steps and the legs of a live drill do not."""
    return step.kind not in _NO_WORK


def is_simulated(step: StepRecord) -> bool:
    """Whether a drill only showed this step."""
    return step.kind == Verb.SIMULATE


def duration(step: StepRecord) -> float | None:
    """Seconds that the step took; None when it did not start or did not end."""
    return seconds_between(step.started, step.ended)


def state_words(report: Report) -> tuple[str, str]:
    """The end state in words, and its tone. A state that is no end is shown as it is."""
    if report.end_state is RunState.RECOVERED and report.operation is Operation.DRILL:
        missed = any(one.met is False for one in report.objectives)
        return ("Passed, but a promise was missed", "warn") if missed else ("Passed", "good")
    if report.end_state is RunState.COMPENSATED and report.operation is Operation.DRILL:
        return "Did not pass", "bad"
    if report.end_state is RunState.RECOVERED and report.operation in _DONE:
        return _DONE[report.operation], "good"
    if report.end_state is RunState.RECOVERED_DEGRADED and report.operation is not Operation.FAILOVER:
        return "Went through, with parts left out", "warn"
    return END_STATES.get(report.end_state, (report.end_state.value.replace("_", " ").capitalize(), "busy"))


def is_live(report: Report) -> bool:
    """Whether this is a drill that moves users: only such a one moves anything as planned. A run that was refused at
    once has its mode already, while its scorecard may not know yet what it was to be."""
    return report.operation is Operation.DRILL and report.mode is Mode.PLANNED


def operation_words(report: Report) -> str:
    """`Failover`, `Planned failover` or `Isolated drill`."""
    if report.operation is Operation.DRILL:
        return "Live drill" if is_live(report) else "Isolated drill"
    planned = report.mode is Mode.PLANNED and report.operation is Operation.FAILOVER
    return f"Planned {report.operation.value}" if planned else report.operation.value.capitalize()


def protected_words(protected: bool | None) -> tuple[str, str]:
    """Whether replication runs away from the serving site, in words, and its tone."""
    if protected is None:
        return "not touched", "idle"
    return ("protected", "good") if protected else ("UNPROTECTED", "bad")


def diverged_rows(report: Report) -> int | None:
    """Rows that only the old site has; null when nobody looked, or when nothing of the log could be told as rows."""
    found = [one for one in report.divergences if one.diverged]
    untold = any(not one.complete for one in found) and not any(one.tables for one in found)
    return None if untold or not report.divergences else sum(table.rows for one in found for table in one.tables)


def diverged_bytes(report: Report) -> int | None:
    """Bytes of log that only the old site has; null as soon as one component's were not measured."""
    sizes = [one.bytes if one.diverged else 0 for one in report.divergences]
    return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)


def objective(report: Report, name: str) -> Objective | None:
    """The promise of that name (RTO, RPO), however it is written."""
    return next((one for one in report.objectives if one.name.strip().lower().startswith(name.lower())), None)


def verdict(met: bool | None) -> tuple[str, str]:
    """Whether a promise was kept, in words, and its tone."""
    if met is None:
        return NOT_MEASURED, "idle"
    return ("kept", "good") if met else ("missed", "bad")


def loss_seconds(report: Report) -> float | None:
    """Seconds of data lost."""
    return report.rpa.seconds if report.rpa_seconds is None else report.rpa_seconds


def loss_bytes(report: Report) -> int | None:
    """Bytes of data lost."""
    return report.rpa.bytes if report.rpa_bytes is None else report.rpa_bytes


def loss_transactions(report: Report) -> int | None:
    """Acknowledged transactions lost."""
    return report.rpa.transactions if report.lost_transactions is None else report.lost_transactions


def at_least(report: Report, text: str) -> str:
    """Says that a count of loss is only a lower bound, where it is."""
    return text if report.rpa.complete or text == NOT_MEASURED else f"at least {text}"


def lost(seconds: float | None) -> str:
    """A loss in seconds: nothing lost is `none`, so that it cannot be mistaken for a missing value."""
    return "none" if seconds == 0 else in_words(seconds)


def to_the_second(seconds: float) -> str:
    """A duration that keeps its seconds however long it is: moments after a long wait must stay apart."""
    if seconds < 3600:
        return in_words(seconds)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s"


def interruption(report: Report) -> float | None:
    """Seconds from the first step that users may notice to the check through the public name; null when either did not
    happen. What a planned move costs its users: the time in which people decide, or wait, is no part of it."""
    noticed = [step.started for step in report.steps if step.started and step.phase in (Phase.COMMIT, Phase.PIVOT)]
    first = min(noticed, key=lambda moment: seconds_between(report.clock.declared, moment) or 0.0, default=None)
    return seconds_between(first, report.clock.verified)


def counted(number: int | None, unit: str) -> str:
    """`1,234 bytes`; one transaction is not `1 transactions`."""
    if number is None:
        return NOT_MEASURED
    if number == 0:
        return "none"
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}".strip()


def value(raw: Any) -> str:
    """A provider fact in one line, cut when it is long (the JSON report has all of it)."""
    if raw is None:
        return NOT_MEASURED
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, sort_keys=True, default=str)
    text = " ".join(text.split()) or "(empty)"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} ... (cut; see the JSON report)"


def yes_no(flag: bool) -> str:
    """`yes` or `no`."""
    return "yes" if flag else "no"
