"""What a message says: a subject and a few lines for somebody who was asleep a minute ago. Pure.

Responders read what is asked of them and the command that answers; stakeholders what happens and what it costs; the
status page what a user may know, which is neither sites nor names nor reasons.

Every message is plain text of bounded length in which nothing is left that a terminal, a pager or a mail header could
take for a command: names and reasons were typed by people, and one of them may be hostile.
"""

import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from workflows.model.base import in_words
from workflows.model.entity import Orphan
from workflows.model.notices import ENDS, MOST_BODY, Audience, Event, NoticeText, Tone
from workflows.model.plan import Mode, Operation
from workflows.model.progress import GateView, ParkedStep

MOST_SUBJECT = 120
DRILL = "DRILL"

_MOST_LINE = 300
_MOST_PARKED = 3
_MOST_READ = 4000
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode: controls, what makes a text read in another order or hides in it, and line separators."""
_TONES: Mapping[Event, Tone] = {
    Event.WAITING_FOR_APPROVAL: "warning",
    Event.PARKED: "failure",
    Event.RECOVERED: "success",
    Event.DEGRADED: "warning",
    Event.COMPENSATED: "warning",
    Event.FAILED: "failure",
    Event.ESCALATION: "failure",
}


@dataclass(frozen=True)
class Occasion:
    """What a message is about, as of now."""

    event: Event
    drill: bool
    application: str
    operation: Operation
    mode: Mode
    source: str
    target: str
    run: str
    now: datetime
    declared: datetime
    rto: timedelta
    rpo: timedelta
    loss: str
    """What is lost, or would be, in words."""
    verified: datetime | None = None
    """When users were served again."""
    took: float | None = None
    """Seconds to recover, in a drill without the making of clones."""
    requested_by: str = ""
    reason: str = ""
    summary: str = ""
    gate: GateView | None = None
    parked: tuple[ParkedStep, ...] = ()
    since: datetime | None = None
    """Since when it waits for people."""


def text(occasion: Occasion, audience: Audience) -> NoticeText:
    """The message for that audience."""
    if audience is Audience.STATUS_PAGE:
        subject, lines = _status(occasion)
    else:
        subject = _subject(occasion)
        lines = [*_lines(occasion, responder=audience is Audience.RESPONDERS)]
    if occasion.drill:
        subject = f"{DRILL}: {subject}"
        lines = ["This is a drill. Nothing is wrong with production.", *lines]
    return _message(subject, lines, _TONES.get(occasion.event, "info"))


def orphaned(application: str, orphan: Orphan, called: int) -> NoticeText:
    """For responders: a run was ended from outside, and nobody recovers the application."""
    again = "STILL " if called else ""
    lines = [
        orphan.told,
        orphan.left,
        "Nothing goes on by itself: its lease stays with that run until somebody adopts or frees it.",
        f"See it: seawall status {application}",
        f"Go on from what stands: seawall adopt {application}   or, after looking: seawall release {application}",
    ]
    return _message(
        f"{application}: {again}ORPHANED, its {orphan.operation.value} was ended from outside", lines, "failure"
    )


def _message(subject: str, lines: Iterable[str], tone: Tone) -> NoticeText:
    body = "\n".join(plain(line, _MOST_LINE) for line in lines if line)
    return NoticeText(subject=plain(subject, MOST_SUBJECT), body=_cut(body, MOST_BODY), tone=tone)


def plain(value: str, most: int) -> str:
    """In one line, at most so long, with nothing in it that is not text."""
    text_only = "".join(" " if unicodedata.category(one) in _UNSAFE else one for one in value[:_MOST_READ])
    return _cut(" ".join(text_only.split()), most)


def _cut(value: str, most: int) -> str:
    return value if len(value) <= most else f"{value[: most - 1]}…"


def _deed(it: Occasion) -> str:
    """`failover to recovery`."""
    words = it.operation.value
    if it.operation is Operation.FAILOVER and it.mode is Mode.PLANNED:
        words = "planned failover"
    if it.operation is Operation.DRILL:
        words = "live drill" if it.mode is Mode.PLANNED else "isolated drill"
    return f"{words} to {it.target}" if it.target and it.operation is not Operation.REPROTECT else words


def _subject(it: Occasion) -> str:
    match it.event:
        case Event.STARTED:
            what = f"{_deed(it)} has begun"
        case Event.WAITING_FOR_APPROVAL:
            what = f"approval wanted for the {_deed(it)}"
        case Event.PARKED:
            what = f"the {_deed(it)} is stuck and needs you"
        case Event.POINT_OF_NO_RETURN:
            what = f"the {_deed(it)} has passed the point of no return"
        case Event.RECOVERED:
            what = f"recovered, {_deed(it)} done"
        case Event.DEGRADED:
            what = f"recovered with parts left out, {_deed(it)} done"
        case Event.COMPENSATED:
            what = f"the {_deed(it)} was not done, and is undone"
        case Event.FAILED:
            what = f"the {_deed(it)} did not happen"
        case Event.DRILL_RESULT:
            what = f"result of the {_deed(it)}"
        case Event.ESCALATION:
            waited = in_words((it.now - it.since).total_seconds()) if it.since else "long"
            what = f"NOBODY HAS ANSWERED for {waited}: the {_deed(it)} waits for people"
    return f"{it.application}: {what}"


def _lines(it: Occasion, responder: bool) -> Iterator[str]:
    ended = it.event in (*ENDS, Event.DRILL_RESULT)
    if ended:
        yield it.summary
    else:
        way = f" from {it.source} to {it.target}" if it.target else ""
        yield f"{it.operation.value.capitalize()} of {it.application}{way}, declared at {_clock(it.declared)}."
    if it.event is Event.STARTED and it.reason:
        yield f"Asked for by {it.requested_by}: {it.reason}"
    if it.event is Event.POINT_OF_NO_RETURN:
        yield "From here on it only goes forward; the way back is a new run."
    if responder and it.event in (Event.WAITING_FOR_APPROVAL, Event.PARKED, Event.ESCALATION):
        yield from _asked(it)
    yield from _promises(it, ended=ended)
    yield f"Run: {it.run}"


def _asked(it: Occasion) -> Iterator[str]:
    run = shlex.quote(plain(it.run, 200))
    if it.gate is not None:
        yield f"Asked of you: {it.gate.question}"
        if it.gate.loss:
            yield f"More would be lost than was promised: {it.gate.loss}. That must be accepted too."
        until = f"By {_clock(it.gate.expires)}; unanswered it means: {it.gate.on_silence}."
        yield f"{it.gate.required} of {', '.join(it.gate.approvers)} must agree. {until}"
        yield f"Answer: seawall approve {run}   or: seawall reject {run}"
    for parked in it.parked[:_MOST_PARKED]:
        yield f"Stuck: {parked.step}, {parked.code}: {parked.reason}"
        answers = " | ".join(action.replace("_", "-") for action in parked.actions)
        yield f"Answer: seawall {answers}   with: {run} --step {shlex.quote(plain(parked.step, 100))}"
    if len(it.parked) > _MOST_PARKED:
        yield f"{len(it.parked) - _MOST_PARKED} more steps are stuck."
    yield f"See it: seawall watch {run}"
    yield f"I have it, call nobody else: seawall ack {run}"


def _promises(it: Occasion, ended: bool) -> Iterator[str]:
    """RTO and RPO in words, each beside what is known of it now. A reprotect recovers nothing."""
    if it.operation is Operation.REPROTECT:
        return
    yield f"Time: at most {in_words(it.rto.total_seconds())} was promised (RTO); {_time(it, ended)}."
    yield f"Data: at most {in_words(it.rpo.total_seconds())} of it may be lost (RPO); {_data(it, ended)}."


def _time(it: Occasion, ended: bool) -> str:
    if ended:
        return f"it took {in_words(it.took)}" if it.took is not None else "users were not served again by this run"
    if it.operation is Operation.DRILL:
        return "a drill is measured at its end"
    if it.operation in (Operation.SWITCHOVER, Operation.FAILBACK) or it.mode is Mode.PLANNED:
        return "users are served until the move itself"
    due = it.declared + it.rto
    if it.verified is not None:
        return f"users are served again since {_clock(it.verified)}"
    left = (due - it.now).total_seconds()
    if left < 0:
        return f"it ended at {_clock(due)}, {in_words(-left)} ago"
    return f"{in_words(left)} are left, until {_clock(due)}"


def _data(it: Occasion, ended: bool) -> str:
    if it.drill and it.operation is Operation.DRILL:
        return f"would be lost: {it.loss}"
    return f"lost: {it.loss}" if ended else f"lost so far as is known: {it.loss}"


def _status(it: Occasion) -> tuple[str, list[str]]:
    """For users. A planned move is maintenance, an unplanned one an outage."""
    planned = it.mode is Mode.PLANNED or it.operation in (Operation.SWITCHOVER, Operation.FAILBACK)
    kind = "maintenance" if planned else "outage"
    at = f"Time of this message: {_clock(it.now)}."
    if it.event in (Event.RECOVERED, Event.DEGRADED, Event.DRILL_RESULT):
        part = " Some functions are still missing." if it.event is Event.DEGRADED else ""
        return f"{it.application}: {kind} over", [f"{it.application} is in service.{part}", at]
    if it.event in (Event.COMPENSATED, Event.FAILED):
        # Whether users are served now is not known here: a run may be refused since the site was not dead at all.
        return f"{it.application}: {kind}, news", [f"{it.application} was not moved. More will follow.", at]
    if planned:
        return (
            f"{it.application}: maintenance",
            [f"{it.application} is being moved. A short interruption is to be expected.", at],
        )
    goal = f"The aim is to restore it within {in_words(it.rto.total_seconds())} of {_clock(it.declared)}."
    return f"{it.application}: outage", [f"{it.application} is not available. It is being restored.", goal, at]


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
