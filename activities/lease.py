"""acquire_lease and release_lease: a run's dealings with its `Application` entity.

These are activities because workflow code cannot send an update to another workflow. Both are idempotent in the
entity: asking again after a lost reply gives the same lease.
"""

import asyncio
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from workflows.model.base import Message
from workflows.model.entity import (
    AcquireRequest,
    ApplicationState,
    Lease,
    NoteDrillRequest,
    NoteReplicationRequest,
    ParentRequest,
    ReleaseRequest,
    application_workflow_id,
)
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import CONTROL_QUEUE, TASK_TIMEOUT

from .wire import on_the_wire

R = TypeVar("R")

_MOST_OTHERS = 5
_OPEN_RUNS = (
    "WorkflowType in ('Failover', 'Switchover', 'Failback', 'Reprotect', 'Drill') and ExecutionStatus = 'Running'"
)


def entity(application: str) -> WithStartWorkflowOperation[Any, Any]:
    """The start of the application's entity, where it does not run yet."""
    return WithStartWorkflowOperation(
        "Application",
        id=application_workflow_id(application),
        task_queue=CONTROL_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_timeout=TASK_TIMEOUT,
        static_summary=f"{application}: lease and epoch",
    )


async def ask_entity(client: Client, application: str, update: str, request: Message, result: type[R]) -> R:
    """What the entity answers; started when it does not run yet. Most often it does, and a plain update is quicker."""
    handle = client.get_workflow_handle(application_workflow_id(application))
    try:
        answer: R = await handle.execute_update(update, request, result_type=result)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        start = entity(application)
        answer = await client.execute_update_with_start_workflow(
            update, request, start_workflow_operation=start, result_type=result
        )
    return answer


class Leases:
    """Takes and gives back the right to change an application."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name="acquire_lease")
    async def acquire_lease(self, request: AcquireRequest) -> Lease:
        """Ask the entity.

        Raises:
            PermanentError: APPLICATION_BUSY, naming the holder.
        """
        with on_the_wire():
            # Told where people are asked; a run that asks again before an effect is not kept from it.
            asked = request.approvals == ()
            others = asyncio.create_task(self._others(request.application)) if asked else None
            try:
                lease = await ask_entity(self._client, request.application, "acquire_lease", request, Lease)
            except WorkflowUpdateFailedError as error:
                if others is not None:
                    others.cancel()
                raise await self._refusal(error, request) from None
            return lease if others is None else lease.model_copy(update={"others": await others})

    async def _others(self, application: str) -> tuple[str, ...] | None:
        """For people to know; a server that does not tell it keeps no run from its lease."""
        query = f"{_OPEN_RUNS} and SeawallApplication != '{application}'"
        try:
            found = self._client.list_workflows(query, limit=_MOST_OTHERS, rpc_timeout=timedelta(seconds=0.5))
            return tuple([one.id async for one in found])
        except RPCError:
            return None

    @activity.defn(name="release_lease")
    async def release_lease(self, request: ReleaseRequest) -> ApplicationState:
        """Give the lease back, with where the application is active now."""
        handle = self._client.get_workflow_handle(application_workflow_id(request.application))
        with on_the_wire():
            try:
                state: ApplicationState = await handle.execute_update(
                    "release_lease", request, result_type=ApplicationState
                )
            except WorkflowUpdateFailedError as error:
                raise _permanent(error) from None
        return state

    @activity.defn(name="application_state")
    async def application_state(self, application: str) -> ApplicationState:
        """What the entity knows; an empty state when it was never asked before."""
        handle = self._client.get_workflow_handle(application_workflow_id(application))
        with on_the_wire():
            try:
                state: ApplicationState = await handle.query("state", result_type=ApplicationState)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return ApplicationState(application=application)
                raise TemporaryError(Code.UNREACHABLE, f"The entity of {application} did not answer.") from error
        return state

    @activity.defn(name="is_live_drill")
    async def is_live_drill(self, request: ParentRequest) -> bool:
        """Whether that workflow is a drill of ours: of the type, running, and run by the control workers."""
        handle = self._client.get_workflow_handle(request.workflow_id, run_id=request.run_id)
        with on_the_wire():
            try:
                found = await handle.describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                raise TemporaryError(Code.UNREACHABLE, f"{request.workflow_id} could not be looked up.") from error
        return (found.workflow_type, found.task_queue, found.close_time) == ("Drill", CONTROL_QUEUE, None)

    @activity.defn(name="note_drill")
    async def note_drill(self, request: NoteDrillRequest) -> None:
        """Let the entity remember a drill."""
        await self._tell(request.application, "note_drill", request.drill)

    @activity.defn(name="note_replication")
    async def note_replication(self, request: NoteReplicationRequest) -> None:
        """Let the entity know how far its copy is behind; it is started when it does not run yet."""
        await self._tell(request.application, "note_replication", request.found)

    async def _tell(self, application: str, name: str, told: Any) -> None:
        with on_the_wire():
            await self._client.execute_update_with_start_workflow(
                name, told, start_workflow_operation=entity(application), result_type=None
            )

    async def _refusal(self, error: WorkflowUpdateFailedError, request: AcquireRequest) -> PermanentError:
        """The entity's refusal; with a word more when the holder is not running any more."""
        refusal = _permanent(error)
        if refusal.code is not Code.APPLICATION_BUSY:
            return refusal
        state = await self._client.get_workflow_handle(application_workflow_id(request.application)).query(
            "state", result_type=ApplicationState
        )
        lease, orphan = state.lease, state.orphan
        if lease is None or (orphan is None and await self._runs(lease.holder, state.holder_run_id)):
            return refusal
        ended = orphan.told if orphan else "That run was ended from outside without giving the lease back."
        left = orphan.left if orphan else "What it did may still stand."
        return PermanentError(
            Code.APPLICATION_BUSY,
            f"{request.application} is held by {lease.holder} (epoch {lease.epoch}). {ended} {left}",
            f"Look at what stands, then take it over with `seawall adopt {request.application}`, or free it with "
            f"`seawall release {request.application}`.",
        )

    async def _runs(self, workflow_id: str, run_id: str) -> bool:
        try:
            found = await self._client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return found.close_time is None


def _permanent(error: WorkflowUpdateFailedError) -> PermanentError:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type and cause.type in Code.__members__:
        return PermanentError(Code(cause.type), cause.message)
    return PermanentError(Code.INTERNAL, f"The lease was refused ({type(cause).__name__}).")
