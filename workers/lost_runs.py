"""Runs that ended without giving their lease back: whether one is lost, and what a person tells of it."""

import asyncio
import time

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.lease import entity
from workers import control
from workflows.model.entity import ApplicationState, FinishedByHand, application_workflow_id
from workflows.model.failure import Code, PermanentError
from workflows.model.requests import FreeRequest

_NOTICED_SECONDS = 60.0
"""Within which the entity notices that its holder has ended."""


async def free_lease(client: Client, application: str, request: FreeRequest) -> ApplicationState:
    """Free the lease of a run that was ended from outside. Refused while that run still runs.

    Raises:
        PermanentError: APPLICATION_BUSY while the holder runs; NOT_FOUND for an unknown application.
    """
    state = await control.application_state(client, application)
    if state is None:
        raise PermanentError(Code.NOT_FOUND, f"{application} had no run yet, so there is nothing to free.")
    if state.lease is not None and await runs_now(client, state.lease.holder, state.holder_run_id):
        raise PermanentError(
            Code.APPLICATION_BUSY,
            f"{state.lease.holder} is running and holds the lease.",
            f"End it first: `seawall abort {state.lease.holder}`.",
        )
    await _noticed(client, application)
    freed: ApplicationState = await control.update_as(
        client, application_workflow_id(application), "free_lease", request, ApplicationState
    )
    return freed


async def _noticed(client: Client, application: str) -> None:
    """Wait until the entity knows, too, that its holder has ended. If it never does, its refusal says so."""
    deadline = time.monotonic() + _NOTICED_SECONDS
    while (state := await control.application_state(client, application)) and state.lease and not state.orphan:
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.5)


async def runs_now(client: Client, run: str, execution: str = "") -> bool:
    """Whether that execution is running; the newest one when none is named."""
    try:
        found = await client.get_workflow_handle(run, run_id=execution or None).describe(rpc_timeout=control.PATIENCE)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise control.unanswered(error, run) from error
    return found.close_time is None


async def finish_by_hand(client: Client, told: FinishedByHand) -> ApplicationState:
    """Tell an application what became of a run that was lost; its entity is started where it does not run.

    Raises:
        PermanentError: APPLICATION_BUSY while that run, or another one, runs; REJECTED when it has ended by itself.
    """
    await insist_on_lost(client, told.run)
    try:
        state: ApplicationState = await client.execute_update_with_start_workflow(
            "finish_by_hand",
            told,
            start_workflow_operation=entity(told.application),
            result_type=ApplicationState,
            rpc_timeout=control.PATIENCE,
        )
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        sentence = cause.message if isinstance(cause, ApplicationError) else str(cause)
        raise PermanentError(Code.REJECTED, sentence) from error
    except RPCError as error:
        raise control.unanswered(error, told.application) from error
    return state


async def insist_on_lost(client: Client, run: str) -> None:
    """A run that lives tells its end itself.

    Raises:
        PermanentError: APPLICATION_BUSY while it runs.
    """
    if await runs_now(client, run):
        raise PermanentError(
            Code.APPLICATION_BUSY,
            f"{run} is running: it looks at what was done by hand, and goes on from there.",
            f"Watch it: `seawall watch {run}`. Only a run that is gone is told of so; to end this one, terminate it.",
        )
