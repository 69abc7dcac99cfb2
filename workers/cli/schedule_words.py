"""The schedules and their differences in words, for a terminal of 80 columns. Colours only repeat what is written."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from workers.cli.tables import moment, plain
from workers.schedule_diff import RECORD, Action, Change, Entry
from workers.schedules import Status
from workflows.model.base import in_words, parse_duration

_MARKS = {Action.CREATE: ("+", "green"), Action.CHANGE: ("~", "yellow"), Action.REMOVE: ("-", "red")}
_NONE = "nothing"


def difference(entries: Sequence[Entry]) -> Text:
    """What apply would do, schedule by schedule and field by field."""
    text = Text()
    for entry in entries:
        if entry.action is not Action.UNCHANGED:
            _tell(text, entry)
    for entry in entries:
        if entry.live and entry.action is not Action.REMOVE and (entry.live.paused or entry.live.note_by_hand):
            text.append_text(plain(f"  {entry.id}: {kept(entry)}\n", "dim"))
    return text.append(summary(entries))


def summary(entries: Iterable[Entry]) -> str:
    """`1 to create, 2 to change (1 edited by hand), 0 to remove, 3 as they should be.`"""
    found = list(entries)
    count = {action: sum(entry.action is action for entry in found) for action in Action}
    if count[Action.UNCHANGED] == len(found):
        return f"Nothing to do: {len(found)} schedules are as they should be."
    by_hand = sum(entry.drift for entry in found if entry.action is Action.CHANGE)
    edited = f" ({by_hand} edited by hand)" if by_hand else ""
    return (
        f"{count[Action.CREATE]} to create, {count[Action.CHANGE]} to change{edited}, {count[Action.REMOVE]} to "
        f"remove, {count[Action.UNCHANGED]} as they should be."
    )


def kept(entry: Entry) -> str:
    """What a person set and apply leaves alone."""
    assert entry.live is not None
    if entry.live.held_by:
        return f"paused by the run {entry.live.held_by}, and goes on by itself"
    state = "stays paused" if entry.live.paused else "keeps its note"
    return f"{state}: {entry.live.note_by_hand}" if entry.live.note_by_hand else state


def change_words(change: Change) -> str:
    """One field, from what it is to what it becomes."""
    if change.field == RECORD:
        return "the record of the last apply is missing or old; it is written anew"
    return f"{change.field}: {_value(change.live)} -> {_value(change.wanted)}"


def drift_words(changes: Sequence[Change]) -> str:
    """Which fields were edited by hand; `seawall apply --dry-run` tells from what to what."""
    if changes[0].field == RECORD:
        return "DRIFT: not written by apply, or its record was lost in an edit"
    return f"DRIFT: edited by hand: {', '.join(change.field for change in changes)}"


def schedules_table(rows: Sequence[Status], now: datetime) -> RenderableType:
    """Each schedule with its next and its last run, and what a person did to it."""
    if not rows:
        return Text("There are no schedules yet. `seawall apply` makes them from the runbooks.")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("Schedule", "Next (UTC)", "Last (UTC)", "State"):
        table.add_column(name, overflow="fold", no_wrap=name in ("Next (UTC)", "Last (UTC)"))
    for row in rows:
        schedule = plain(row.id, "bold").append(f"\nevery {every_words(row.every)}", "not bold dim")
        table.add_row(schedule, plain(_next(row, now)), plain(_last(row)), _state(row))
    return table


def every_words(text: str) -> str:
    """`91d` as "91 days"; what is no plain interval as it stands."""
    try:
        return in_words(parse_duration(text).total_seconds())
    except ValueError:
        return text or "calendar"


def _value(text: str | None) -> str:
    return _NONE if text is None else text or "empty"


def _tell(text: Text, entry: Entry) -> None:
    mark, style = _MARKS[entry.action]
    text.append_text(plain(f"{mark} {entry.action.value} {entry.id}\n", style))
    if entry.action is Action.CREATE and entry.wanted:
        every = in_words(entry.wanted.every.total_seconds())
        text.append_text(plain(f"    starts {entry.wanted.workflow} every {every} with {entry.wanted.input}\n"))
    if entry.action is Action.REMOVE:
        text.append("    its runbook is gone, or asks for it no longer\n")
        return
    for change in entry.changes:
        by_hand = " (edited by hand)" if change.by_hand else ""
        text.append_text(plain(f"    {change_words(change)}{by_hand}\n"))


def _next(row: Status, now: datetime) -> str:
    if row.paused:
        return "paused"
    if row.next_run is None:
        return "never"
    return (
        f"{moment(row.next_run)}\nin {in_words(max(0.0, round((row.next_run - now.astimezone(UTC)).total_seconds())))}"
    )


def _last(row: Status) -> str:
    return f"{moment(row.last_run)}\n{row.last_outcome}" if row.last_run else "none"


def _state(row: Status) -> Text:
    lines = [plain("PAUSED", "bold yellow") if row.paused else plain("on", "green")]
    if row.held_by:
        lines.append(plain(f"by the run {row.held_by}; it goes on by itself"))
    if row.note:
        lines.append(plain(row.note))
    if row.missed:
        lines.append(plain(f"{row.missed} missed", "yellow"))
    if row.drift:
        lines.append(plain(drift_words(row.drift), "bold yellow"))
    return Text("\n").join(lines)
