"""Schedules on Temporal's wire: a wanted one as its message, and a live message as what is compared.

The messages are read and written here, and not the SDK's classes: only the message shows every field that a person can
have set, and only with it can a change say which state of the schedule it was meant for.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as Proto
from google.protobuf.text_format import MessageToString
from temporalio.api.common.v1 import Memo, Payload, Payloads, WorkflowType
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    Schedule,
    ScheduleAction,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse
from temporalio.converter import DataConverter

from workflows.model.base import format_duration
from workflows.model.messages import CONTROL_QUEUE

from .schedule_diff import Live
from .schedule_plan import Wanted, canonical

RECORD_MEMO = "seawall_applied"
"""Where apply keeps its record: in the memo of the action. Temporal refuses to change a schedule's own memo."""

_LONGEST = 500
_OVERLAP = "SCHEDULE_OVERLAP_POLICY_"


async def to_schedule(wanted: Wanted, converter: DataConverter, note: str = "", paused: bool = False) -> Schedule:
    """The message that makes a schedule the wanted one.

    Args:
        wanted: what the runbook asks for.
        converter: encodes its input and the record.
        note: a person's, which is kept; the wanted one when empty.
        paused: whether a person paused it.
    """
    # No id reuse policy: Temporal refuses one here, so a backfill that a person repeats runs its slots again.
    record = {"fields": wanted.fields(), "note": wanted.note}
    asked, summary, applied = await converter.encode([json.loads(wanted.input), wanted.summary, record])
    action = NewWorkflowExecutionInfo(
        workflow_id=wanted.workflow_id,
        workflow_type=WorkflowType(name=wanted.workflow),
        task_queue=TaskQueue(name=CONTROL_QUEUE),
        input=Payloads(payloads=[asked]),
        memo=Memo(fields={RECORD_MEMO: applied}),
        user_metadata=UserMetadata(summary=summary),
    )
    return Schedule(
        spec=ScheduleSpec(interval=[IntervalSpec(interval=_duration(wanted.every), phase=_duration(wanted.phase))]),
        action=ScheduleAction(start_workflow=action),
        policies=SchedulePolicies(
            overlap_policy=ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP,
            catchup_window=_duration(wanted.catch_up),
            pause_on_failure=wanted.pause_on_failure,
        ),
        state=ScheduleState(notes=note or wanted.note, paused=paused),
    )


async def to_live(schedule_id: str, found: DescribeScheduleResponse, converter: DataConverter) -> Live:
    """A live schedule as it is compared."""
    schedule = found.schedule
    action = schedule.action.start_workflow
    record = await _record(action.memo, converter)
    return Live(
        id=schedule_id,
        fields={**await _fields(schedule, converter), **_foreign(schedule)},
        applied=record["fields"] if record else None,
        applied_note=record["note"] if record else "",
        note=schedule.state.notes,
        paused=schedule.state.paused,
        token=found.conflict_token,
    )


def moment(at: Any) -> datetime:
    """A protobuf timestamp, in UTC."""
    found: datetime = at.ToDatetime(tzinfo=UTC)
    return found


async def _fields(schedule: Schedule, converter: DataConverter) -> dict[str, str]:
    action, policies = schedule.action.start_workflow, schedule.policies
    overlap = ScheduleOverlapPolicy.Name(policies.overlap_policy).removeprefix(_OVERLAP).lower().replace("_", " ")
    given = [await _read(payload, converter) for payload in action.input.payloads]
    return {
        "workflow": action.workflow_type.name,
        "workflow id": action.workflow_id,
        "task queue": action.task_queue.name,
        "input": ", ".join(canonical(value) for value in given),
        "every": ", ".join(format_duration(item.interval.ToTimedelta()) for item in schedule.spec.interval),
        "phase": ", ".join(format_duration(item.phase.ToTimedelta()) for item in schedule.spec.interval),
        # Temporal takes an overlap that is not given for skip.
        "overlap": "skip" if overlap == "unspecified" else overlap,
        "catch-up window": format_duration(policies.catchup_window.ToTimedelta()),
        "pause on failure": "yes" if policies.pause_on_failure else "no",
        "summary": str(await _read(action.user_metadata.summary, converter)),
    }


def _foreign(schedule: Schedule) -> dict[str, str]:
    """Everything that no schedule of ours has: calendars, skips, an end, jitter, timeouts, a last action..."""
    rest = Schedule()
    rest.CopyFrom(schedule)
    rest.spec.ClearField("interval")
    rest.action.start_workflow.memo.fields.pop(RECORD_MEMO, None)
    _clear(rest.action.start_workflow, "workflow_id", "workflow_type", "task_queue", "input")
    _clear(rest.action.start_workflow.user_metadata, "summary")
    if not rest.action.start_workflow.user_metadata.details.data:
        _clear(rest.action.start_workflow, "user_metadata")
    _clear(rest.policies, "overlap_policy", "catchup_window", "pause_on_failure")
    _clear(rest.state, "notes", "paused")
    found = {}
    for part in (rest.spec, rest.action.start_workflow, rest.policies, rest.state):
        for field, value in part.ListFields():
            if text := _text(value):
                found[field.name.replace("_", " ")] = text[:_LONGEST]
    return found


def _clear(part: Proto, *fields: str) -> None:
    for field in fields:
        part.ClearField(field)


def _text(value: Any) -> str:
    if isinstance(value, Proto):
        return MessageToString(value, as_one_line=True)
    if isinstance(value, str | int | bool | float):
        return str(value)
    return "; ".join(_text(item) for item in value)


async def _read(payload: Payload, converter: DataConverter) -> Any:
    """The value; where it was written in a way that cannot be read, its size, so that it counts as an edit."""
    if not payload.metadata:
        return ""
    try:
        return (await converter.decode([payload]))[0]
    except Exception:
        return f"{len(payload.data)} bytes that cannot be read"


async def _record(memo: Memo, converter: DataConverter) -> dict[str, Any] | None:
    if RECORD_MEMO not in memo.fields:
        return None
    found = await _read(memo.fields[RECORD_MEMO], converter)
    return found if isinstance(found, dict) and found.keys() >= {"fields", "note"} else None


def _duration(value: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(value)
    return made
