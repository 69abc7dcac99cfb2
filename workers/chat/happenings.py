"""What is said in the thread of a run: once each, in the order in which it happened. Pure.

Each is read off one view of the run, so that nothing has to be remembered: what was said stands in the thread.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from workflows.engine.authority import START
from workflows.engine.sentences import clock, names, title
from workflows.model.base import in_words
from workflows.model.progress import ProgressView, RunState
from workflows.model.report import Report

from .blocks import Shown, section, shown
from .card import Asked, passed, question, state_words
from .text import code, safe


@dataclass(frozen=True)
class Happening:
    """One message of a thread."""

    key: str
    text: str
    loud: bool = False
    """Somebody is wanted: the channel is shown it too, since an edit notifies nobody."""

    @property
    def message(self) -> Shown:
        """As it is posted."""
        return shown(self.text, [section(self.text)])


def happenings(view: ProgressView, asked: Asked | None) -> Iterator[Happening]:
    """All that has happened in the run and can still be seen, the oldest first."""
    if asked:
        by = f"{safe(asked.by, 80)} asked for it: {safe(asked.reason, 500)}"
        # Not where to: that is not known yet when some runs begin, and what is said once is not mended.
        what = f"{view.operation.value.capitalize()} of {view.application}"
        yield Happening("begun", f"{safe(what)} began at {clock(view.declared)} UTC. {by}")
    if gate := question(view):
        wanted = f"Approval is wanted of {safe(names(gate.approvers))} until {clock(gate.expires)} UTC."
        how = f"Answer with the buttons above, or with {code(f'/dr approve {view.workflow_id} {gate.code}')}."
        yield Happening(f"gate {gate.code}", f"⏳ *{safe(gate.question, 500)}* {wanted} {how}", loud=True)
    if passed(view):
        yield Happening("pivot", f"🔒 {safe(title(view))} is past its point of no return. It only goes forward now.")
    for one in view.parked:
        text = f"❌ *{safe(one.step, 80)} is parked* since {clock(one.since)} UTC: {safe(one.reason, 800)}"
        yield Happening(
            f"parked {one.step} {one.since.isoformat()}", f"{text} Answer with the buttons above.", loud=True
        )
    if view.acknowledged:
        yield Happening(f"acknowledged {view.acknowledged}", f"👤 {safe(view.acknowledged, 200)} sees to it.")
    if view.state is RunState.COMPENSATING:
        yield Happening("undoing", f"↩️ {safe(title(view))} is undoing what it began.")


def deeds(report: Report) -> Iterator[Happening]:
    """What people have answered so far, as the report keeps it: who approved, who retried, and why."""
    for one in report.approvals:
        if one.step != START:
            mark = {"approved": "👍", "rejected": "👎"}.get(one.decision, "👤")
            yield _deed(mark, one.approver, one.decision, one.comment, one.at)
    for act in report.actions:
        if act.action != "acknowledge":
            step = f" {act.step}" if act.step else ""
            yield _deed("👤", act.by, f"{act.action.replace('_', ' ')}{step}", act.reason, act.at)


def _deed(mark: str, by: str, what: str, reason: str, at: datetime) -> Happening:
    said = f"{mark} {safe(by, 80)}, {clock(at)} UTC: {safe(what, 120)}"
    return Happening(f"deed {at.isoformat()} {by} {what}"[:300], said + (f". {safe(reason, 500)}" if reason else ""))


def ending(report: Report, lost: str) -> Happening:
    """How it ended; `lost` is how, when that was from outside."""
    said = safe(report.summary, 1500)
    took = [
        f"RTA {in_words(one.measured_seconds)} of {in_words(one.promised_seconds)} promised"
        for one in report.objectives
        if one.name.upper().startswith("RTO")
    ]
    state = f"was {lost} from outside" if lost else state_words(report.end_state)
    parts = [f"🏁 *{state}.* {said}", *took]
    if report.left_to_do:
        parts.append(f"Left to do: {safe('; '.join(report.left_to_do), 800)}")
    return Happening("ended", "\n".join(parts), loud=True)
