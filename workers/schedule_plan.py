"""Which schedules a runbook asks for. Pure: a runbook in, schedules out.

Two things here are guarded by the rest of the product and not by the schedule: that a drill never runs beside a real
run (the application's lease), and that a copy is not taken before it is due (`Replicate` looks what is due).
"""

import hashlib
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from workflows.model.base import Message, Name, format_duration
from workflows.model.messages import CONTROL_QUEUE
from workflows.model.requests import DrillRequest, ReplicateRequest
from workflows.model.runbook import Component, ReplicationMode, Runbook
from workflows.model.schedules import schedule_id

FRESHNESS = timedelta(seconds=20)
"""A replica that stands still must be found within 30 s, and the look itself takes a while."""

SHORTEST = timedelta(seconds=10)
"""The least catch-up window that Temporal keeps (it reads a shorter one as 10 s, without a word); no interval of ours
is shorter, so that an outage never leaves more than one slot to catch up."""

_DAY = timedelta(days=1)
_WINDOW = {"replicate": timedelta(minutes=1), "drill": timedelta(minutes=10), "drill-live": timedelta(minutes=10)}
_REVIEW_WINDOW = timedelta(hours=1)


class Wanted(Message):
    """One schedule as a runbook asks for it."""

    what: str
    """`replicate`, `drill`, `drill-live` or `review`."""
    application: Name
    workflow: str
    """The type of the workflow that it starts."""
    input: str
    """What that workflow is given: canonical JSON."""
    every: timedelta
    phase: timedelta
    """Added to every multiple of `every` since 1970; keeps the schedules of many applications apart."""
    catch_up: timedelta
    """A slot that was missed by more than this is left out."""
    pause_on_failure: bool
    summary: str
    note: str

    @property
    def id(self) -> str:
        """`seawall/drill/shop`."""
        return schedule_id(self.what, self.application)

    @property
    def workflow_id(self) -> str:
        """Of each run, before Temporal appends the slot's time."""
        return f"{self.what}/{self.application}"

    def fields(self) -> dict[str, str]:
        """What is compared with the live schedule: each field by its name, in words."""
        return {
            "workflow": self.workflow,
            "workflow id": self.workflow_id,
            "task queue": CONTROL_QUEUE,
            "input": self.input,
            "every": format_duration(self.every),
            "phase": format_duration(self.phase),
            "overlap": "skip",
            "catch-up window": format_duration(self.catch_up),
            "pause on failure": "yes" if self.pause_on_failure else "no",
            "summary": self.summary,
        }


def wanted_schedules(runbook: Runbook) -> list[Wanted]:
    """All schedules of one application: replication, drills, review."""
    name = runbook.application
    found = []
    if (every := replication_interval(runbook)) is not None:
        asked = ReplicateRequest(runbook=name).model_dump(mode="json", exclude_defaults=True)
        found.append(_wanted(runbook, "replicate", "Replicate", every, asked))
    found.append(_wanted(runbook, "drill", "Drill", runbook.drills.isolated_every, _drill(name, live=False)))
    if runbook.drills.live_every is not None:
        found.append(_wanted(runbook, "drill-live", "Drill", runbook.drills.live_every, _drill(name, live=True)))
    found.append(_wanted(runbook, "review", "Posture", _DAY, {"runbook": name, "reason": "scheduled review"}))
    return found


def replication_interval(runbook: Runbook) -> timedelta | None:
    """How often `Replicate` has to look; None when the application has no data component."""
    intervals = [found for component in runbook.components.values() for found in _intervals(component)]
    return max(SHORTEST, min(intervals)) if intervals else None


def fire_times(every: timedelta, phase: timedelta, start: datetime, end: datetime) -> Iterator[datetime]:
    """The slots of a schedule after `start`, up to and with `end`, as Temporal counts them.

    Raises:
        ValueError: `every` is not positive.
    """
    if every <= timedelta(0):
        raise ValueError("expected an interval that is longer than nothing")
    zero = datetime(1970, 1, 1, tzinfo=UTC) + phase
    slot = zero + ((start - zero) // every + 1) * every
    while slot <= end:
        yield slot
        slot += every


def canonical(value: object) -> str:
    """JSON that does not depend on the order of fields or on white space: the Web UI changes both."""
    return json.dumps(value, sort_keys=True, separators=(", ", ": "), ensure_ascii=False)


def _intervals(component: Component) -> Iterator[timedelta]:
    replication = component.replication
    if replication is None:
        return
    if replication.mode is ReplicationMode.CONTINUOUS or component.marker is not None:
        yield FRESHNESS
    if replication.period is not None:
        yield replication.period
    if replication.snapshots is not None:
        yield replication.snapshots.every


def _drill(application: str, *, live: bool) -> dict[str, object]:
    asked = DrillRequest(runbook=application, reason="scheduled drill", live=live)
    return asked.model_dump(mode="json", exclude_defaults=True)


def _wanted(runbook: Runbook, what: str, workflow: str, every: timedelta, asked: dict[str, object]) -> Wanted:
    name, owner = runbook.application, runbook.owner
    # Temporal counts in whole seconds, and drops the rest of a shorter interval without a word.
    whole = timedelta(seconds=math.ceil(every.total_seconds()))
    return Wanted(
        what=what,
        application=name,
        workflow=workflow,
        input=canonical(asked),
        every=whole,
        phase=_phase(what, name, whole),
        # No longer than the interval: after an outage one slot is made up for, never a row of them.
        catch_up=max(SHORTEST, min(_WINDOW.get(what, _REVIEW_WINDOW), whole)),
        pause_on_failure=workflow == "Drill",
        summary=f"{name}: {_SUMMARIES[what]}",
        note=f"Runbook {name}, owner {owner.name} ({owner.email}). Written by `seawall apply`.",
    )


_SUMMARIES = {
    "replicate": "copy, prune and measure",
    "drill": "isolated drill",
    "drill-live": "live drill: there and back",
    "review": "daily review",
}


def _phase(what: str, application: str, every: timedelta) -> timedelta:
    """The same for ever for the same schedule: a moved phase would move or double a drill."""
    number = int.from_bytes(hashlib.sha256(f"{what}/{application}".encode()).digest()[:8])
    return timedelta(seconds=number % int(every.total_seconds()))
