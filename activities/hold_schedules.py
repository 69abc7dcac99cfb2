"""hold_schedules: the application's schedules wait while a real run holds it, and go on afterwards.

A pause of ours is known by its note. What a person paused, or Temporal after a failed drill, has another note and is
left as it is, in both directions.
"""

import asyncio
import uuid

from temporalio import activity
from temporalio.api.schedule.v1 import ScheduleState
from temporalio.api.workflowservice.v1 import (
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workflows.model.failure import Code, TemporaryError
from workflows.model.schedules import (
    HELD_BACK,
    HoldSchedulesRequest,
    ScheduledRequest,
    held_by,
    held_note,
    note_before,
    schedule_id,
)

from .wire import on_the_wire

_READ_BACK = (0.0, 0.05, 0.2, 0.5, 1.0)


class HeldSchedules:
    """Pauses schedules for a run, and lets them go on."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name="hold_schedules")
    async def hold_schedules(self, request: HoldSchedulesRequest) -> None:
        """Look at each schedule, change what is not as it should be, and read it back.

        Raises:
            TemporaryError: UNREACHABLE, or PRECONDITION_CHANGED when somebody else changes it at the same time.
        """
        with on_the_wire():
            await self.keep(request)

    @activity.defn(name="is_scheduled")
    async def is_scheduled(self, request: ScheduledRequest) -> bool:
        """Whether a schedule of the application has started this execution; asked of the schedules themselves.

        Raises:
            TemporaryError: UNREACHABLE.
        """
        with on_the_wire():
            for pause in _READ_BACK:
                # A schedule tells of a start a moment after it.
                await asyncio.sleep(pause)
                found = [await self._describe(schedule_id(what, request.application)) for what in HELD_BACK]
                known = [one for one in found if one is not None]
                for one in known:
                    started = (action.start_workflow_result for action in one.info.recent_actions)
                    if any((it.workflow_id, it.run_id) == (request.workflow_id, request.run_id) for it in started):
                        return True
                if not known:
                    return False
            return False

    async def keep(self, request: HoldSchedulesRequest) -> None:
        """The same, for who is no activity."""
        for what in HELD_BACK:
            await self._keep(schedule_id(what, request.application), request.holder)

    async def _keep(self, name: str, holder: str) -> None:
        for pause in _READ_BACK:
            await asyncio.sleep(pause)
            found = await self._describe(name)
            wanted = _wanted(found.schedule.state, holder) if found else None
            if found is None or wanted is None:
                return
            found.schedule.state.paused, found.schedule.state.notes = wanted
            # Temporal drops a change against an older state without a word, so the next turn looks whether it stands.
            await self._update(name, found)
        raise TemporaryError(Code.PRECONDITION_CHANGED, f"{name} is being changed by somebody else.", "It is retried.")

    async def _describe(self, name: str) -> DescribeScheduleResponse | None:
        request = DescribeScheduleRequest(namespace=self._client.namespace, schedule_id=name)
        try:
            return await self._client.workflow_service.describe_schedule(request)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise _unanswered(name, error) from error

    async def _update(self, name: str, found: DescribeScheduleResponse) -> None:
        request = UpdateScheduleRequest(
            namespace=self._client.namespace,
            schedule_id=name,
            schedule=found.schedule,
            conflict_token=found.conflict_token,
            identity=self._client.identity,
            request_id=str(uuid.uuid4()),
        )
        try:
            await self._client.workflow_service.update_schedule(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise _unanswered(name, error) from error


def _wanted(state: ScheduleState, holder: str) -> tuple[bool, str] | None:
    """Whether it is to be paused, and with which note; None where it is as it should be, or not ours to change."""
    ours, before = held_by(state.notes), note_before(state.notes)
    by_a_person = state.paused and not ours
    # The same holder, and on: a person unpaused it in mid-run. That is theirs to say.
    if by_a_person or ours == holder:
        return None
    return (True, held_note(holder, before)) if holder else (False, before)


def _unanswered(name: str, error: RPCError) -> TemporaryError:
    said = error.status.name.lower().replace("_", " ")
    return TemporaryError(Code.UNREACHABLE, f"Temporal did not answer for {name} ({said}).", "It is retried.")
