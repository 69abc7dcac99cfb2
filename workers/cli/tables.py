"""Tables for the terminal. Colours only repeat what the words say, and everything fits 80 columns."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from workflows.model.base import in_words
from workflows.model.messages import ApplicationState, RunState

# A name or a message from elsewhere must not move the cursor, colour the terminal or reverse the text.
_UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STATE_STYLES = {
    RunState.RECOVERED: "green",
    RunState.RECOVERED_DEGRADED: "yellow",
    RunState.COMPENSATED: "yellow",
    RunState.REFUSED: "red",
    RunState.PARKED: "bold red",
    RunState.AWAITING_APPROVAL: "bold yellow",
    RunState.PAUSED: "yellow",
    RunState.COMPENSATING: "yellow",
}


@dataclass(frozen=True)
class RunRow:
    """One run in the list of runs."""

    workflow_id: str
    application: str
    state: RunState | str
    started: datetime
    ended: datetime | None = None
    rta_seconds: float | None = None
    lost_transactions: int | None = None


@dataclass(frozen=True)
class DoctorRow:
    """One thing that was looked at; `good` is None when it could not be told."""

    name: str
    good: bool | None
    detail: str
    mend: str = ""
    """The command that mends it."""


def plain(text: str, style: str = "") -> Text:
    """The text as it is: neither markup nor control characters in it have any effect."""
    return Text(_UNSAFE.sub("\ufffd", text), style=style)


def state_text(state: RunState | str) -> Text:
    """A state in words, coloured."""
    style = _STATE_STYLES.get(RunState(state), "") if state in RunState.__members__ else ""
    return plain(str(state).replace("_", " ").lower(), style)


def moment(at: datetime | None, absent: str = "-") -> str:
    """`2026-11-22 14:05` in UTC."""
    if at is None:
        return absent
    return f"{at if at.tzinfo is None else at.astimezone(UTC):%Y-%m-%d %H:%M}"


def runs_table(rows: Sequence[RunRow]) -> RenderableType:
    """Runs, as the caller ordered them; RTA and loss only when a row has one of them."""
    if not rows:
        return Text("No run was found. Start one with: seawall failover APP --reason '...'")
    # A caller that has read no reports knows neither figure: "not measured" would then be untrue.
    figures = any(row.rta_seconds is not None or row.lost_transactions is not None for row in rows)
    columns = ("RTA", "Lost") if figures else ()
    table = _table("Run, started (UTC)", "State", *columns, folds=("Run, started (UTC)",))
    for row in rows:
        took = in_words((row.ended - row.started).total_seconds()) if row.ended else "open"
        run = plain(row.workflow_id, "bold").append(f"\n{moment(row.started)}, {took}", "not bold dim")
        lost = "not measured" if row.lost_transactions is None else str(row.lost_transactions)
        table.add_row(run, state_text(row.state), *((in_words(row.rta_seconds), lost) if figures else ()))
    return table


def status_table(states: Sequence[ApplicationState]) -> RenderableType:
    """Where each application is active, who holds it, and how its last run ended."""
    if not states:
        return Text("No application is known yet: the first run of a runbook makes it known.")
    table = _table("Application", "Active", "Epoch", "Protected", "Last run", folds=("Application", "Active"))
    for state in states:
        protected = Text("yes", "green") if state.protected else Text("NO", "bold red")
        now = f"\nrun {state.lease.holder}" if state.lease else "\nno run"
        name = plain(state.application, "bold")
        name.append_text(plain(now, "not bold yellow" if state.lease else "not bold dim"))
        last = state.last_outcome.replace("_", " ").lower() or "none"
        table.add_row(
            name,
            plain(state.active_site or "not known"),
            str(state.epoch),
            protected,
            plain(f"{last}\n{moment(state.last_ended, '')}".strip()),
        )
    return table


def doctor_table(rows: Iterable[DoctorRow]) -> RenderableType:
    """What was looked at; below it, a command for each thing that is missing."""
    found = list(rows)
    table = _table("", "What", "Seen", folds=("What", "Seen"))
    for row in found:
        mark = {True: Text("ok", "green"), False: Text("MISSING", "bold red"), None: Text("unknown", "yellow")}[
            row.good
        ]
        table.add_row(mark, plain(row.name, "bold"), plain(row.detail))
    missing = [row for row in found if row.good is not True and row.mend]
    if not missing:
        return table
    mend = Table.grid(padding=(0, 2))
    for row in missing:
        mend.add_row(plain(row.name, "bold"), plain(row.mend))
    return Group(table, Text(""), Text("To mend it:"), mend)


def _table(*columns: str, folds: tuple[str, ...]) -> Table:
    """Only the named columns fold; nothing that a person must copy is ever cut."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name not in folds)
    return table
