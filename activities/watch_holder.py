"""watch_holder: looks at the server until an execution is not running any more, and tells how it ended.

A run cannot tell of its own termination, nor of its reset. Only the server knows of them; so somebody else has to ask.
"""

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowHistoryEventFilterType,
)
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from workflows.model.entity import Ending, WatchRequest
from workflows.model.failure import Code
from workflows.model.plan import Phase
from workflows.model.progress import StepRecord, StepState
from workflows.model.report import Report
from workflows.model.verbs import Verb

from .wire import on_the_wire

log = logging.getLogger("seawall.watch")

EVERY_SECONDS = 10.0
_PATIENCE = timedelta(seconds=5)
_MUTATING = frozenset(verb.value for verb in Verb if verb.mutates)
_MAY_STAND = (StepState.RUNNING, StepState.UNDOING)
"""In a run that was cut off: what was in flight then is not in its list of effects."""


class Watch:
    """Watches executions, one for each lease that is held."""

    def __init__(self, client: Client, every: float = EVERY_SECONDS) -> None:
        self._client = client
        self._every = every

    @activity.defn(name="watch_holder")
    async def watch_holder(self, request: WatchRequest) -> Ending:
        """Return once the execution has ended. A server that does not answer tells nothing; it is asked again.

        Raises:
            ApplicationError: this worker is being stopped; another one goes on.
        """
        with on_the_wire():
            if activity.info().attempt == 1:
                await self._pause()  # Most runs have just begun; a watch that begins anew looks at once.
            while True:
                activity.heartbeat()
                with contextlib.suppress(_NoAnswer):
                    if (ending := await self._look(request)) is not None:
                        return ending
                await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(activity.wait_for_worker_shutdown(), self._every)
        except TimeoutError:
            return
        raise ApplicationError(
            "This worker is being stopped. Another one goes on.",
            type=Code.UNREACHABLE,
            category=ApplicationErrorCategory.BENIGN,
        )

    async def _look(self, request: WatchRequest) -> Ending | None:
        found = await self._describe(request.holder, request.run_id)
        if found is not None and found.close_time is None:
            return None
        current = await self._describe(request.holder)
        reset = current is not None and current.run_id != request.run_id
        status = found.status.name.lower().replace("_", " ") if found and found.status else "not found"
        by, reason = await self._why(request) if found else ("", "")
        report = await self._report(request) if found else None
        return Ending(
            how="reset" if reset else "cancelled" if status == "canceled" else status,
            by=by,
            reason=reason,
            at=_at(found),
            mode=report.mode if report else None,
            target=report.target if report else "",
            standing=_standing(report) if report else None,
            moving=report is None or any(_noticed(step) for step in report.steps),
        )

    async def _describe(self, workflow_id: str, run_id: str | None = None) -> WorkflowExecutionDescription | None:
        try:
            return await self._client.get_workflow_handle(workflow_id, run_id=run_id).describe(rpc_timeout=_PATIENCE)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            log.warning("%s could not be looked up: %s", workflow_id, error.status.name)
            raise _NoAnswer from error

    async def _why(self, request: WatchRequest) -> tuple[str, str]:
        """Who ended it, and why, where it was terminated; as their client claimed."""
        handle = self._client.get_workflow_handle(request.holder, run_id=request.run_id)
        closing = WorkflowHistoryEventFilterType.CLOSE_EVENT
        with contextlib.suppress(RPCError):
            async for event in handle.fetch_history_events(event_filter_type=closing, rpc_timeout=_PATIENCE):
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                    ended = event.workflow_execution_terminated_event_attributes
                    return ended.identity, ended.reason
        return "", ""

    async def _report(self, request: WatchRequest) -> Report | None:
        """What it said of itself last. A workflow that is closed still answers, while its history is kept."""
        handle = self._client.get_workflow_handle(request.holder, run_id=request.run_id)
        try:
            found: Report = await handle.query("report", result_type=Report, rpc_timeout=_PATIENCE)
        except Exception as error:  # of whatever kind: what stands is then shown as not known
            log.warning("%s could not be asked what stands: %s", request.holder, type(error).__name__)
            return None
        return found


class _NoAnswer(Exception):
    """The server did not answer."""


def _at(found: WorkflowExecutionDescription | None) -> datetime | None:
    return found.close_time if found else None


def _noticed(step: StepRecord) -> bool:
    """Whether users may notice what this step did."""
    quiet = step.phase == Phase.PREPARE or step.kind not in _MUTATING
    return not quiet and step.started is not None and step.state is not StepState.UNDONE


def _standing(report: Report) -> tuple[str, ...]:
    in_flight = [step for step in report.steps if step.state in _MAY_STAND and step.kind in _MUTATING]
    return (*report.standing, *(f"{step.words} (may stand: it was under way)" for step in in_flight))
