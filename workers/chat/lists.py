"""Answers that only their asker sees: help, states, runs, a report in short. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from workflows.model.base import in_words
from workflows.model.entity import ApplicationState
from workflows.model.report import Report

from .blocks import Shown, context, paragraphs, section, shown
from .card import state_words
from .text import code, safe

_HELP = """\
*Look*
`/dr status` where each application is active, and who holds it
`/dr runs [application]` the newest runs
`/dr plan application [failover|switchover|failback|reprotect|drill]` what it would do; starts nothing
`/dr report run|application` its report, sent to you
*Start*: shows the plan first, and starts nothing before you say so
`/dr failover application [--planned] [--to site] [--point latest] reason`
`/dr switchover application [--to site] [--at 2026-11-22T02:00Z] reason`
`/dr failback application [--at 2026-11-22T02:00Z] reason`
`/dr reprotect application reason`
`/dr drill application [--live] [--point latest] reason`
*Answer*: the buttons of the run's message do the same
`/dr approve run|application CODE [comment]`, `/dr reject run|application CODE [comment]`
`/dr retry|skip|accept-degraded run|application [step] [reason]`
`/dr pause|resume|abort run|application [reason]`, `/dr ack run|application [note]`"""


def help_text() -> Shown:
    """All commands."""
    return shown("What /dr can do", paragraphs(_HELP.splitlines()))


def states(found: Sequence[ApplicationState]) -> Shown:
    """Where each application is active, and what a person must know of it."""
    if not found:
        return _short("No application that you may look at had a run yet.")
    lines = [line for state in found for line in _state(state)]
    return shown(f"{len(found)} applications", paragraphs(lines))


def _state(state: ApplicationState) -> list[str]:
    last = f"; last run {state_words(state.last_outcome).lower()}" if state.last_outcome else ""
    at = f" at {_moment(state.last_ended)}" if state.last_outcome and state.last_ended else ""
    held = f"held by {code(state.lease.holder, 200)}" if state.lease else "no run"
    lines = [
        f"*{safe(state.application)}* is active at {safe(state.active_site or 'a site not known')}, "
        f"epoch {state.epoch}; {held}{last}{at}"
    ]
    if state.orphan:
        lines.append(f"    ⚠️ *ORPHANED*: {safe(state.orphan.told, 600)} {safe(state.orphan.left, 400)}")
    if not state.protected:
        lines.append(f"    ⚠️ runs *UNPROTECTED*; start {code(f'/dr reprotect {state.application}')}")
    if state.replication:
        well = "" if state.replication.healthy else "⚠️ NOT WELL: "
        lines.append(f"    {well}{safe(state.replication.sentence, 300)} (measured {_moment(state.replication.at)})")
    return lines


def runs(rows: Sequence[Mapping[str, Any]]) -> Shown:
    """The newest runs."""
    if not rows:
        return _short("There was no run yet that you may look at.")
    lines = []
    for row in rows:
        took = in_words((row["ended"] - row["started"]).total_seconds()) if row["ended"] else "open"
        state = state_words(row["state"] or row["status"])
        lines.append(f"{code(row['run'], 200)} {_moment(row['started'])}, {took}: *{safe(state, 40)}*")
    return shown(f"{len(rows)} runs", paragraphs(lines))


def report(found: Report) -> Shown:
    """A report in short."""
    said = [section(f"*{state_words(found.end_state)}.* {safe(found.summary, 2000)}")]
    said.append(context(f"{code(found.workflow_id, 200)}: the whole report is on its way to you."))
    return shown(safe(found.summary), said)


def _short(sentence: str) -> Shown:
    return shown(sentence, [section(sentence)])


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
