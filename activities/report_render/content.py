"""What a report says, as tables and lists; the HTML and the Markdown are two shapes of this one content."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from workflows.model.base import in_words
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


def listed(key: str, title: str, items: Iterable[str], empty: str, note: str = "") -> Section:
    """A section that is a list of sentences."""
    return Section(key, title, rows=tuple(cells(item) for item in items), empty=empty, note=note)


def title(report: Report) -> str:
    """`Failover of shop from primary to recovery`."""
    route = f" from {report.source} to {report.target}" if report.source and report.target else ""
    return words.clean(f"{words.operation_words(report)} of {report.application}{route}")


def asked(report: Report) -> Section:
    """What was asked, by whom and why."""
    return Section(
        "asked",
        "What was asked",
        ("", ""),
        tuple(
            cells(label, text)
            for label, text in (
                ("Operation", title(report)),
                ("Asked by", report.requested_by),
                ("Reason", report.reason),
                ("Owner of the runbook", report.owner or "not stated"),
                ("Run", report.workflow_id),
                ("Reason code", report.code or "no reason code"),
            )
        ),
    )


def numbers(report: Report) -> tuple[Number, ...]:
    """The achieved recovery time and data loss beside the promises."""
    return (_recovery_time(report), _data_loss(report))


def _recovery_time(report: Report) -> Number:
    promise = words.objective(report, "RTO")
    kept, tone = words.verdict(promise.met if promise else None)
    return Number(
        "Recovery time (RTA): declared to verified",
        in_words(report.rta_seconds),
        f"from approved: {in_words(report.rta.from_approved)}",
        f"promised (RTO): {in_words(promise.promised_seconds)}" if promise else "no RTO in the report",
        kept,
        tone,
    )


def _data_loss(report: Report) -> Number:
    promise = words.objective(report, "RPO")
    kept, tone = words.verdict(promise.met if promise else None)
    size = words.counted(words.loss_bytes(report), "")
    count = words.counted(words.loss_transactions(report), "")
    return Number(
        "Data loss (RPA)",
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
    return Section(
        "objectives",
        "Promises",
        ("Promise", "Promised", "Measured", "Kept"),
        tuple(
            cells(
                one.name,
                in_words(one.promised_seconds),
                in_words(one.measured_seconds),
                Cell(*words.verdict(one.met)),
            )
            for one in report.objectives
        ),
        empty="The report holds no promise to compare with.",
    )


def clocks(report: Report) -> Section:
    """When each clock started and stopped."""
    clock = report.clock
    rows = [
        ("Detected", clock.detected, "someone or something noticed the outage"),
        ("Declared", clock.declared, "the run was asked for"),
        ("Approved", clock.approved, "the last consent that was needed"),
        ("Point of no return", clock.pivot, "the first accepted promote"),
        ("Verified", clock.verified, "the application passed its check through the public name"),
        ("Ended", clock.ended, "the run ended"),
    ]
    return Section(
        "clocks",
        "Clocks",
        ("Clock", "Time", "After declared", "Meaning"),
        tuple(cells(name, words.stamp(at), _after(report, at), meaning) for name, at, meaning in rows),
        note="All times are UTC.",
    )


def _after(report: Report, at: datetime | None) -> str:
    if at is None:
        return "-"
    seconds = words.seconds_between(report.clock.declared, at) or 0.0
    if seconds == 0:
        return "the start"
    return f"{in_words(-seconds)} before" if seconds < 0 else in_words(seconds)
