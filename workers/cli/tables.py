"""Tables for the terminal. Colours only repeat what the words say, and everything fits 80 columns."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from workflows.model.base import in_words
from workflows.model.entity import ApplicationState, DrillSummary, Orphan, ReplicationState
from workflows.model.progress import RunState

# A name or a message from elsewhere must not move the cursor, colour the terminal or reverse the text.
_UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STATE_STYLES = {
    RunState.RECOVERED: "green",
    RunState.RECOVERED_DEGRADED: "yellow",
    RunState.COMPENSATED: "yellow",
    RunState.REFUSED: "red",
    RunState.PARKED: "bold red",
    RunState.AWAITING_APPROVAL: "bold yellow",
    RunState.WAITING_FOR_AGREED_TIME: "yellow",
    RunState.PAUSED: "yellow",
    RunState.COMPENSATING: "yellow",
}

_STALE = timedelta(minutes=5)
"""A replication that was not measured for so long is not known to work."""


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
    """One thing that was looked at; `good` is None when it could not be told, or when somebody should look at it."""

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


def status_table(states: Sequence[ApplicationState], now: datetime | None = None) -> RenderableType:
    """Where each application is active, who holds it, how its last run ended, and below what a person must know of it:
    that it runs unprotected, how far its copy is behind, what rehearses it, and how its last drill ended."""
    if not states:
        return Text("No application is known yet: the first run of a runbook makes it known.")
    table = _table("Application", "Active", "Epoch", "Protected", "Last run", folds=("Application", "Active"))
    told = Table.grid(padding=(0, 2))
    told.add_column(overflow="fold")
    told.add_column(overflow="fold")
    for state in states:
        table.add_row(*_status_row(state))
        for number, line in enumerate(_told(state, now or datetime.now(UTC))):
            told.add_row(plain("" if number else state.application, "bold"), line)
    return Group(table, told) if told.row_count else table


def _status_row(state: ApplicationState) -> Iterable[RenderableType]:
    yield plain(state.application, "bold").append_text(
        plain(f"\nrun {state.lease.holder}", "not bold yellow") if state.lease else Text("\nno run", "not bold dim")
    )
    yield plain(state.active_site or "not known")
    yield str(state.epoch)
    if not state.protected:
        yield Text("UNPROTECTED", "bold white on red")
    else:
        # Of an application that no run has touched yet nobody knows whether anything follows it.
        yield Text("yes", "green") if state.last_run or state.replication else Text("not known", "yellow")
    last = state.last_outcome.replace("_", " ").lower() or "none"
    yield plain(f"{last}\n{moment(state.last_ended, '')}".strip())


def _told(state: ApplicationState, now: datetime) -> Iterable[Text]:
    if state.orphan:
        yield from _orphan(state, state.orphan)
    if not state.protected:
        where = f" at {state.active_site}" if state.active_site else ""
        yield plain(f"runs UNPROTECTED{where}. Start: seawall reprotect {state.application}", "bold red")
    if state.replication:
        yield _replication(state.replication, now)
    elif state.last_run:
        yield Text("replication: not measured yet. See: seawall schedules", "yellow")
    if state.rehearsal:
        yield plain(f"rehearsal running since {moment(state.rehearsal.since)}: {state.rehearsal.holder}", "cyan")
    for sort, drill in (("isolated", state.last_drill), ("live", state.last_live_drill)):
        if drill:
            yield _drill(sort, drill)


def _orphan(state: ApplicationState, orphan: Orphan) -> Iterable[Text]:
    yield plain(f"ORPHANED since {moment(orphan.noticed)} UTC. {orphan.told}", "bold red")
    yield plain(orphan.left, "red")
    yield plain(f"to go on from what stands: seawall adopt {state.application} --reason '...'")
    yield plain(
        "to free it, after looking at both sites: "
        f"seawall release {state.application} --active-site SITE --epoch {orphan.epoch} --reason '...'"
    )


def _replication(found: ReplicationState, now: datetime) -> Text:
    """What was measured, and how long ago: an old "well" is not known to hold now."""
    seconds = max((now - found.at).total_seconds(), 0.0)
    age = f"measured {in_words(seconds)} ago"
    stale = seconds > _STALE.total_seconds()
    style = "yellow" if stale else "green" if found.healthy else "bold red"
    health = "" if found.healthy else "NOT WELL: "
    doubt = ", TOO LONG AGO to be relied on" if stale else ""
    return plain(f"replication: {health}{found.sentence} ({age}{doubt})", style)


def _drill(sort: str, drill: DrillSummary) -> Text:
    passed = drill.end_state == RunState.RECOVERED
    outcome = "passed" if passed else f"DID NOT PASS ({drill.end_state.replace('_', ' ').lower()}, {drill.workflow_id})"
    rta = f"recovery took {in_words(drill.rta_seconds)}" if drill.rta_seconds is not None else "RTA not measured"
    return plain(f"last {sort} drill: {moment(drill.ended)} UTC, {outcome}, {rta}", "" if passed else "bold red")


def doctor_table(rows: Iterable[DoctorRow]) -> RenderableType:
    """What was looked at; below it, a command for each thing that is missing."""
    found = list(rows)
    table = _table("", "What", "Seen", folds=("What", "Seen"))
    for row in found:
        unsure = Text("look" if row.mend else "unknown", "yellow")
        mark = {True: Text("ok", "green"), False: Text("MISSING", "bold red"), None: unsure}[row.good]
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
