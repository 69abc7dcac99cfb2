"""The schedules of an application: their ids, and the note with which they are paused while a real run holds it."""

from .base import Message

PREFIX = "seawall/"
"""Of the ids of all our schedules. What does not begin so is never touched."""

HELD_BACK = ("replicate", "drill", "drill-live")
"""What waits while a real run holds the application. A review only looks."""

_HELD = "Paused by Seawall while the run "
_UNTIL = " holds the application; it goes on by itself."
_BEFORE = " Note before: "


def schedule_id(what: str, application: str) -> str:
    """The id of a schedule of ours: `seawall/drill/shop`."""
    return f"{PREFIX}{what}/{application}"


def held_note(holder: str, before: str) -> str:
    """The note of a schedule that is paused for a run; it keeps the note that stood there before."""
    return f"{_HELD}{holder}{_UNTIL}{_BEFORE if before else ''}{before}"


def held_by(note: str) -> str:
    """The run for which a schedule with this note was paused by us; empty for every other note."""
    holder, found, _ = note.removeprefix(_HELD).partition(_UNTIL)
    return holder if note.startswith(_HELD) and found else ""


def note_before(note: str) -> str:
    """The note that stood there before our pause."""
    return note.partition(_UNTIL)[2].removeprefix(_BEFORE) if held_by(note) else note


class ScheduledRequest(Message):
    """Whether a schedule of that application has started this execution."""

    application: str
    workflow_id: str
    run_id: str


class HoldSchedulesRequest(Message):
    """Pause an application's schedules for a run, or let those go on that were paused so."""

    application: str
    holder: str
    """Empty to let them go on."""
