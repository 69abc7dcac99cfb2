"""How fast runs go on after a death, measured from Temporal's own histories."""

from datetime import UTC, datetime
from statistics import median
from typing import NamedTuple

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError

from .lab_faults import Struck

PROMISED_SECONDS = 10.0


class Waited(NamedTuple):
    """How long something waited for its next sign of life."""

    seconds: float
    what: str


class Figures:
    """Seconds from each death to the next sign of life, over all turns."""

    def __init__(self) -> None:
        self.again: list[Waited] = []
        """From the kill of a worker to the new start of an activity that it may have held."""
        self.goes_on: list[Waited] = []
        """From the return of the Temporal server to the run's next event."""

    async def measure(self, client: Client, struck: tuple[Struck, ...]) -> None:
        """Add what the histories of a turn tell. Nothing is told where nothing was in flight."""
        for found in struck:
            if found.what not in ("kill-worker", "kill-temporal"):
                continue
            try:
                history = await client.get_workflow_handle(found.run).fetch_history()
            except RPCError:
                continue
            in_flight = _in_flight(history.events, found.at)
            if found.what == "kill-worker":
                self.again += [waited for waited in in_flight if waited.seconds > 0]
            elif found.back is not None and in_flight:
                later = [_time(event) for event in history.events if _time(event) >= found.back]
                waited = [(moment - found.back).total_seconds() for moment in later]
                self.goes_on += [Waited(min(waited), found.run)] if waited else []

    def sentences(self) -> list[str]:
        """For people."""
        return [
            _told("an activity of a killed worker ran again after", self.again),
            _told("a run went on after the return of a killed Temporal server after", self.goes_on),
        ]

    def too_slow(self) -> list[str]:
        """What took longer than is promised."""
        slow = [waited for waited in (*self.again, *self.goes_on) if waited.seconds > PROMISED_SECONDS]
        return [f"{waited.what} went on only {waited.seconds:.1f} s after a death" for waited in slow]


def _in_flight(events: object, moment: datetime) -> list[Waited]:
    """For each activity that was scheduled before and had not ended at that moment: seconds until the start of the
    attempt that ended it; zero or less where that attempt had begun before."""
    scheduled: dict[int, datetime] = {}
    names: dict[int, str] = {}
    started: dict[int, datetime] = {}
    found = []
    for event in events:  # type: ignore[attr-defined]
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled[event.event_id] = _time(event)
            asked = event.activity_task_scheduled_event_attributes
            names[event.event_id] = f"{asked.activity_type.name} ({asked.activity_id}) of {asked.task_queue.name}"
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started[event.activity_task_started_event_attributes.scheduled_event_id] = _time(event)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            of = event.activity_task_completed_event_attributes.scheduled_event_id
            if scheduled[of] < moment < _time(event):
                found.append(Waited((started[of] - moment).total_seconds(), names[of]))
    return found


def _time(event: object) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)  # type: ignore[attr-defined,no-any-return]


def _told(what: str, found: list[Waited]) -> str:
    if not found:
        return f"{what}: not measured"
    seconds = [waited.seconds for waited in found]
    return f"{what} {median(seconds):.1f} s (median), {max(seconds):.1f} s (longest of {len(seconds)})"
