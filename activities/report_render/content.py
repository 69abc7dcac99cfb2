"""What a report says, as tables and lists; the HTML and the Markdown are two shapes of this one content."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from workflows.model.base import in_words
from workflows.model.plan import Operation
from workflows.model.report import Report

from . import words


@dataclass(frozen=True)
class Cell:
    """One value; `tone` (good, warn, bad, busy, wait, idle) only repeats in colour what the text says."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Section:
    """One part of the report: a table, or a list when it has no columns."""

    key: str
    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""
    empty: str = "None."


@dataclass(frozen=True)
class Number:
    """One of the big numbers: what was measured beside what was promised."""

    label: str
    measured: str
    more: str
    promised: str
    verdict: str
    tone: str


def cells(*values: str | Cell) -> tuple[Cell, ...]:
    """One row."""
    return tuple(
        Cell(words.clean(one.text), one.tone) if isinstance(one, Cell) else Cell(words.clean(one)) for one in values
    )


def table(
    key: str, title: str, columns: tuple[str, ...], rows: Iterable[Iterable[str | Cell]], *, empty: str, note: str = ""
) -> Section:
    """A section that is a table; the sentence `empty` stands where it has no row."""
    heads = tuple(words.clean(name) for name in columns)
    return Section(key, words.clean(title), heads, tuple(cells(*row) for row in rows), note, empty)


def facts(key: str, title: str, rows: Iterable[tuple[str, str | Cell]]) -> Section:
    """A section of names and their values."""
    return table(key, title, ("", ""), rows, empty="None.")


def listed(key: str, title: str, items: Iterable[str], empty: str, note: str = "") -> Section:
    """A section that is a list of sentences."""
    return Section(key, title, rows=tuple(cells(item) for item in items), empty=empty, note=note)


def title(report: Report) -> str:
    """`Failover of shop from primary to recovery`."""
    return words.clean(f"{words.operation_words(report)} of {report.application}{_route(report)}")


def _route(report: Report) -> str:
    if not report.source or not report.target:
        return ""
    match report.operation:
        case Operation.REPROTECT:
            return f" at {report.source}, from {report.target}"
        case Operation.DRILL if words.is_live(report):
            return f" from {report.source} to {report.target} and back"
        case Operation.DRILL:
            return f" at {report.target}"
    return f" from {report.source} to {report.target}"


def asked(report: Report) -> Section:
    """What was asked, by whom and why."""
    rows = (
        ("Operation", title(report)),
        ("Asked by", report.requested_by),
        ("Reason", report.reason),
        ("Owner of the runbook", report.owner or "not stated"),
        ("Run", report.workflow_id),
        ("Reason code", report.code or "no reason code"),
    )
    return facts("asked", "What was asked", rows)


def numbers(report: Report) -> tuple[Number, ...]:
    """The achieved recovery time and data loss beside the promises; of a planned move, how long users were without."""
    move = report.operation in (Operation.SWITCHOVER, Operation.FAILBACK)
    return (*((_interruption(report),) if move else ()), _recovery_time(report), _data_loss(report))


def _interruption(report: Report) -> Number:
    return Number(
        "Interruption: first step that users may notice, to verified",
        in_words(words.interruption(report)),
        "by the run's own clock, not by any client's",
        "",
        "",
        "",
    )


def _recovery_time(report: Report) -> Number:
    promise = words.objective(report, "RTO")
    kept, tone = words.verdict(promise.met if promise else None)
    return Number(
        f"Recovery time (RTA): {_counted_from(report)}",
        in_words(report.rta_seconds),
        f"from approved: {in_words(report.rta.from_approved)}",
        f"promised (RTO): {in_words(promise.promised_seconds)}" if promise else "no RTO in the report",
        kept,
        tone,
    )


def _isolated(report: Report) -> bool:
    return report.operation is Operation.DRILL and not words.is_live(report)


def _counted_from(report: Report) -> str:
    if report.operation is not Operation.DRILL:
        return "declared to verified"
    return "first leg, declared to verified" if words.is_live(report) else "rehearsed, without making the clones"


def _data_loss(report: Report) -> Number:
    promise = words.objective(report, "RPO")
    kept, tone = words.verdict(promise.met if promise else None)
    size = words.counted(words.loss_bytes(report), "")
    count = words.counted(words.loss_transactions(report), "")
    return Number(
        "Data loss (RPA), if this recovery point were taken" if _isolated(report) else "Data loss (RPA)",
        words.at_least(report, words.lost(words.loss_seconds(report))),
        f"acknowledged transactions: {words.at_least(report, count)}; bytes: {words.at_least(report, size)}",
        f"promised (RPO): at most {in_words(promise.promised_seconds)}" if promise else "no RPO in the report",
        kept,
        tone,
    )


def measured(report: Report) -> Section:
    """Every measurement, with how it was made."""
    loss = report.rpa
    rows = [
        cells("Recovery time from detected", in_words(report.rta.from_detected)),
        cells("Recovery time from declared (RTA)", in_words(report.rta_seconds)),
        cells("Recovery time from approved", in_words(report.rta.from_approved)),
        cells("From the first step that users may notice to verified", in_words(words.interruption(report))),
        cells("Data lost, in time (RPA)", words.at_least(report, words.lost(words.loss_seconds(report)))),
        cells("Data lost, in bytes", words.at_least(report, words.counted(words.loss_bytes(report), "bytes"))),
        cells(
            "Acknowledged transactions lost",
            words.at_least(report, words.counted(words.loss_transactions(report), "transactions")),
        ),
        cells("Newest marker kept", words.value(loss.last_kept_marker)),
        cells("Oldest marker lost", _lost_marker(report)),
        cells("How the loss was measured", loss.method or words.NOT_MEASURED),
    ]
    note = "Measured by the run itself and in the data, not by any client."
    if not loss.complete:
        note += " Not every writer was back when the loss was counted: the true loss may be larger."
    return Section("measured", "What was measured", ("Measurement", "Value"), tuple(rows), note)


def _lost_marker(report: Report) -> str:
    loss = report.rpa
    if loss.first_lost_marker is None and loss.last_kept_marker is not None and words.loss_seconds(report) == 0:
        return "none"
    return words.value(loss.first_lost_marker)


def objectives(report: Report) -> Section:
    """Each promise against its measurement."""
    return table(
        "objectives",
        "Promises",
        ("Promise", "Promised", "Measured", "Kept"),
        (
            (one.name, in_words(one.promised_seconds), in_words(one.measured_seconds), Cell(*words.verdict(one.met)))
            for one in report.objectives
        ),
        empty="The report holds no promise to compare with.",
    )


def clocks(report: Report) -> Section:
    """When each clock started and stopped."""
    clock = report.clock
    rebuilt = report.operation is Operation.REPROTECT
    rows = [
        ("Detected", clock.detected, "someone or something noticed the outage"),
        ("Declared", clock.declared, "the run was asked for"),
        ("Approved", clock.approved, "the last consent that was needed"),
        ("Point of no return", clock.pivot, "the first rebuilt copy" if rebuilt else "the first accepted promote"),
        ("Verified", clock.verified, "the application passed its check through the public name"),
        ("Ended", clock.ended, "the run ended"),
    ]
    return table(
        "clocks",
        "Clocks",
        ("Clock", "Time", "After declared", "Meaning"),
        ((name, words.stamp(at), _after(report, at), meaning) for name, at, meaning in rows),
        empty="No clock ran.",
        note="All times are UTC.",
    )


def _after(report: Report, at: datetime | None) -> str:
    if at is None:
        return "-"
    seconds = words.seconds_between(report.clock.declared, at) or 0.0
    if seconds == 0:
        return "the start"
    return f"{words.to_the_second(-seconds)} before" if seconds < 0 else words.to_the_second(seconds)
