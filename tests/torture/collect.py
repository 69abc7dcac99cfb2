"""Makes a record of what a scenario left behind: Temporal's histories as the SDK parses them, and the world."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from tests.support.sim_world import Effect
from tests.torture.record import EffectRecord, Event

_PREFIX = "EVENT_TYPE_"
_ANSWERS = {
    "ACTIVITY_TASK_STARTED": "started",
    "ACTIVITY_TASK_COMPLETED": "completed",
    "ACTIVITY_TASK_FAILED": "failed",
    "ACTIVITY_TASK_TIMED_OUT": "timed-out",
    "ACTIVITY_TASK_CANCELED": "canceled",
}
_PLAIN = {
    "WORKFLOW_EXECUTION_CANCEL_REQUESTED": "cancel-requested",
    "WORKFLOW_EXECUTION_SIGNALED": "signaled",
    "WORKFLOW_EXECUTION_TIMED_OUT": "closed-timed-out",
    "WORKFLOW_EXECUTION_TERMINATED": "closed-terminated",
    "WORKFLOW_EXECUTION_CANCELED": "closed-canceled",
    "WORKFLOW_EXECUTION_COMPLETED": "closed-completed",
    "WORKFLOW_EXECUTION_FAILED": "closed-failed",
    "WORKFLOW_TASK_COMPLETED": "task-completed",
}


def events_of(history: Iterable[HistoryEvent]) -> tuple[Event, ...]:
    """The events of which a rule speaks."""
    found = list(history)
    scheduled = {event.event_id: event for event in found if _name(event) == "ACTIVITY_TASK_SCHEDULED"}
    made = (_event(event, scheduled) for event in found)
    return tuple(event for event in made if event is not None)


def effects_of(effects: Iterable[Effect]) -> tuple[EffectRecord, ...]:
    """The world's ledger, frozen."""
    return tuple(EffectRecord(**vars(effect)) for effect in effects)


def _name(event: HistoryEvent) -> str:
    return EventType.Name(event.event_type).removeprefix(_PREFIX)


def _event(event: HistoryEvent, scheduled: dict[int, HistoryEvent]) -> Event | None:
    name = _name(event)
    at = event.event_time.ToDatetime(tzinfo=UTC)
    if name == "ACTIVITY_TASK_SCHEDULED":
        return _scheduled(event, at)
    if name in _ANSWERS:
        return _answer(event, at, _ANSWERS[name], scheduled)
    if name == "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
        asked = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
        return Event(id=event.event_id, at=at, kind="accepted", name=asked.name, input=_decoded(asked.args.payloads))
    if name == "WORKFLOW_TASK_FAILED":
        cause = event.workflow_task_failed_event_attributes.cause
        code = WorkflowTaskFailedCause.Name(cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
        return Event(id=event.event_id, at=at, kind="task-failed", code=code)
    if name in _PLAIN:
        return Event(id=event.event_id, at=at, kind=_PLAIN[name])
    return None


def _scheduled(event: HistoryEvent, at: datetime) -> Event:
    found = event.activity_task_scheduled_event_attributes
    step = found.activity_id if "." in found.activity_id else ""
    return Event(
        id=event.event_id,
        at=at,
        kind="scheduled",
        name=found.activity_type.name,
        activity=step,
        queue=found.task_queue.name,
        input=_decoded(found.input.payloads),
    )


def _answer(event: HistoryEvent, at: datetime, kind: str, scheduled: dict[int, HistoryEvent]) -> Event:
    found: Any = getattr(event, str(event.WhichOneof("attributes")))
    asked = scheduled[found.scheduled_event_id].activity_task_scheduled_event_attributes
    failure = getattr(found, "failure", None)
    info = failure.application_failure_info if failure is not None else None
    return Event(
        id=event.event_id,
        at=at,
        kind=kind,
        name=asked.activity_type.name,
        activity=asked.activity_id,
        scheduled=found.scheduled_event_id,
        code=info.type if info is not None else "",
        said=failure.message if failure is not None else "",
        attempt=_attempt(info) if info is not None else 0,
        input=_decoded(found.result.payloads) if kind == "completed" else {},
    )


def _attempt(info: Any) -> int:
    details = _decoded(info.details.payloads)
    return int(details.get("attempt", 0))


def _decoded(payloads: Iterable[Any]) -> dict[str, Any]:
    """The first payload that is a JSON object."""
    for payload in payloads:
        try:
            value = json.loads(payload.data)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return {}
