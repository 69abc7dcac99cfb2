"""What `seawall apply` would change. Pure: what is wanted and what is live in, differences out.

Three versions of each field are compared: what the runbook wants, what is live, and what apply wrote last (the record,
which travels with the schedule). Live differs from the record: edited by hand, which is drift. The record differs from
the runbook: the runbook changed. Both may be true. A person's pause and note are no drift; they are theirs to give.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from workflows.model.base import Message
from workflows.model.schedules import PREFIX, held_by, held_note, note_before

from .schedule_plan import Wanted

RECORD = "record of the last apply"
"""The field that stands for the record itself where all else is as it should be."""


class Live(Message):
    """A schedule as it stands in Temporal."""

    id: str
    fields: dict[str, str]
    """As `Wanted.fields` has them, and one more for everything that no schedule of ours has."""
    applied: dict[str, str] | None = None
    """The fields that apply wrote last; None where it did not, or its record was lost in an edit."""
    applied_note: str = ""
    note: str = ""
    paused: bool = False
    token: bytes = b""
    """Which state of the schedule this is; a change that names an older one has no effect."""

    @property
    def note_by_hand(self) -> str:
        """The note, where a person or Temporal wrote it; empty where it is ours. Of a schedule that is paused for a run
        it is the note that stood there before."""
        note = note_before(self.note)
        return "" if note == self.applied_note else note

    @property
    def held_by(self) -> str:
        """The run for which it is paused; empty for none. Such a pause ends by itself, and is nobody's edit."""
        return held_by(self.note) if self.paused else ""

    def note_kept(self, wanted: str) -> str:
        """The note that it keeps when apply writes it: a person's, else the wanted one; under our pause, if held."""
        note = self.note_by_hand or wanted
        return held_note(self.held_by, note) if self.held_by else note


class Change(Message):
    """One field that is not as the runbook wants it."""

    field: str
    live: str | None
    wanted: str | None
    by_hand: bool
    """The live value is not what apply wrote: somebody edited it."""


class Action(StrEnum):
    """What apply would do with a schedule."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    UNCHANGED = "unchanged"


class Entry(Message):
    """One schedule in the difference."""

    id: str
    action: Action
    changes: tuple[Change, ...] = ()
    wanted: Wanted | None = None
    """None when it is removed."""
    live: Live | None = None
    """None when it is created."""

    @property
    def drift(self) -> bool:
        """Whether somebody edited it by hand."""
        return any(change.by_hand for change in self.changes)


def differences(wanted: Iterable[Wanted], live: Iterable[Live]) -> list[Entry]:
    """What has to be done so that the live schedules are the wanted ones, in the order of their ids.

    A schedule whose id is not ours is left out, whatever it is.
    """
    asked = {item.id: item for item in wanted}
    standing = {item.id: item for item in live if item.id.startswith(PREFIX)}
    return [_entry(name, asked.get(name), standing.get(name)) for name in sorted(asked | standing)]


def drift(live: Live) -> tuple[Change, ...]:
    """What was edited by hand since the last apply, whatever the runbooks say now.

    Each change's `wanted` is what apply wrote. A schedule without a record has the one change `RECORD`.
    """
    if live.applied is None:
        return (Change(field=RECORD, live=None, wanted="", by_hand=True),)
    return tuple(_compared(live.fields, live.applied, live.applied))


def _entry(name: str, wanted: Wanted | None, live: Live | None) -> Entry:
    if live is None:
        return Entry(id=name, action=Action.CREATE, wanted=wanted)
    if wanted is None:
        return Entry(id=name, action=Action.REMOVE, live=live, changes=drift(live))
    changes = _changes(wanted, live)
    action = Action.CHANGE if changes else Action.UNCHANGED
    return Entry(id=name, action=action, changes=changes, wanted=wanted, live=live)


def _changes(wanted: Wanted, live: Live) -> tuple[Change, ...]:
    fields = wanted.fields()
    found = [*_compared(live.fields, fields, live.applied)]
    if live.applied_note != wanted.note and not live.note_by_hand and live.applied is not None:
        found.append(Change(field="note", live=note_before(live.note), wanted=wanted.note, by_hand=False))
    if not found and (live.applied != fields or live.applied_note != wanted.note):
        # Without it a later change of the runbook would be told as somebody's edit.
        found.append(Change(field=RECORD, live=None, wanted="", by_hand=live.applied is None))
    return tuple(found)


def _compared(live: Mapping[str, str], wanted: Mapping[str, str], applied: Mapping[str, str] | None) -> list[Change]:
    return [
        Change(
            field=field,
            live=live.get(field),
            wanted=wanted.get(field),
            by_hand=applied is None or live.get(field) != applied.get(field),
        )
        for field in [*wanted, *(field for field in live if field not in wanted)]
        if live.get(field) != wanted.get(field)
    ]
