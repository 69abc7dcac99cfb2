"""What can be asked of Seawall from outside: the one set of functions behind the command line and every other door."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from workflows.engine.authority import START
from workflows.model.entity import ApplicationState, application_workflow_id
from workflows.model.failure import Code, PermanentError
from workflows.model.hand_over import HandOver
from workflows.model.messages import CONTROL_QUEUE, TASK_TIMEOUT
from workflows.model.progress import GateView, ProgressView, RunState
from workflows.model.proof import Proof
from workflows.model.report import Report
from workflows.model.requests import (
    Acknowledgement,
    Answer,
    Approval,
    DrillRequest,
    FailbackRequest,
    FailoverRequest,
    LossAcceptance,
    PostureRequest,
    ReplicateRequest,
    ReprotectRequest,
    RiskAcceptance,
    RunRequest,
    SwitchoverRequest,
)

M = TypeVar("M", bound=BaseModel)

RUN_TYPES = ("Failover", "Switchover", "Failback", "Reprotect", "Drill")
NO_PROOF = Proof()
_POLL_SECONDS = 0.25
PATIENCE = timedelta(seconds=10)

EXIT_CODES = {
    RunState.RECOVERED: 0,
    RunState.REFUSED: 3,
    RunState.COMPENSATED: 4,
    RunState.PARKED: 5,
    RunState.RECOVERED_DEGRADED: 6,
}
"""Exit codes of commands that wait for a run. 2 is bad input, 1 anything that kept the command from its work."""


def checked(kind: type[M], **fields: Any) -> M:
    """What a person typed, as a model.

    Raises:
        PermanentError: INVALID_INPUT with each field that does not fit, and never what was typed there.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise PermanentError(
            Code.INVALID_INPUT, f"This cannot be asked for: {wrong}.", "Nothing was sent; correct it and ask again."
        ) from None


def new_run_id(operation: str, application: str) -> str:
    """A workflow id that people can read: `failover/shop/2026-11-22T14-05-33Z`."""
    return f"{operation}/{application}/{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"


STARTS: dict[type[BaseModel], str] = {
    FailoverRequest: "Failover",
    SwitchoverRequest: "Switchover",
    FailbackRequest: "Failback",
    ReprotectRequest: "Reprotect",
    DrillRequest: "Drill",
    ReplicateRequest: "Replicate",
    PostureRequest: "Posture",
}
"""The workflow type that each request starts."""
RUN_REQUESTS = {name.lower(): kind for kind, name in STARTS.items() if issubclass(kind, RunRequest)}
"""What each run is asked for with, by its operation."""


async def start(client: Client, request: BaseModel, wanted: str | None = None) -> str:
    """Start what was asked for; its workflow id. With an id `wanted` it is started once, however often it is asked for.

    Raises:
        PermanentError: APPLICATION_BUSY when the very same id runs already (two starts within a second); REJECTED when
            the id `wanted` was used for something else; UNREACHABLE when Temporal does not answer, and then it may
            have begun.
    """
    name = STARTS[type(request)]
    runbook, reason = str(getattr(request, "runbook", "")), str(getattr(request, "reason", ""))
    run = wanted or new_run_id(name.lower(), runbook)
    try:
        await client.start_workflow(
            name,
            request,
            id=run,
            task_queue=CONTROL_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=TASK_TIMEOUT,
            static_summary=f"{runbook}: {name.lower()}"[:100],
            static_details=reason or None,
            rpc_timeout=PATIENCE,
        )
    except RPCError as error:
        raise unanswered(error, run) from error
    except WorkflowAlreadyStartedError:
        if wanted is not None:
            await _insist_on_input(client, run, request)
            return run
        raise PermanentError(
            Code.APPLICATION_BUSY, f"{run} was started by somebody else this second.", "Watch that run."
        ) from None
    return run


async def _insist_on_input(client: Client, run: str, request: BaseModel) -> None:
    """Whoever foretold the id may have started something else under it, in the hope that it is proved for them.

    Raises:
        PermanentError: REJECTED.
    """
    async for event in _handle(client, run).fetch_history_events(page_size=1, rpc_timeout=PATIENCE):
        begun = event.workflow_execution_started_event_attributes
        converter = client.data_converter
        given = await converter.decode(begun.input.payloads, [type(request)]) if begun.input.payloads else [None]
        if begun.workflow_type.name == STARTS[type(request)] and given == [request]:
            return
        break
    raise PermanentError(
        Code.REJECTED, f"{run} exists, and was started with another input.", "Nothing was done; ask anew."
    )


async def result_of(client: Client, run: str, kind: type[M]) -> M:
    """Wait for the end of a workflow that is no run, such as `Replicate`; its result.

    Raises:
        PermanentError: when it failed.
    """
    try:
        found: M = await client.get_workflow_handle(run, result_type=kind).result()
    except WorkflowFailureError as error:
        cause = error.cause
        sentence = cause.message if isinstance(cause, ApplicationError) else str(cause)
        raise PermanentError(Code.INTERNAL, f"{run} failed: {sentence}") from None
    return found


async def find_run(client: Client, name: str) -> str:
    """The workflow id that `name` means: an id as it stands, or an application's current (else last) run.

    Raises:
        PermanentError: NOT_FOUND.
    """
    if "/" in name:
        return name
    state = await application_state(client, name)
    if state is None or not (state.lease or state.last_run):
        raise PermanentError(
            Code.NOT_FOUND, f"No run of {name!r} is known.", "`seawall runs` lists all runs; name one by its id."
        )
    return state.lease.holder if state.lease else state.last_run


async def application_state(client: Client, application: str) -> ApplicationState | None:
    """What the `Application` entity knows; None when there was no run of that application yet."""
    try:
        state: ApplicationState = await _handle(client, application_workflow_id(application)).query(
            "state", result_type=ApplicationState, rpc_timeout=PATIENCE
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise unanswered(error, application) from error
    return state


async def application_states(client: Client) -> list[ApplicationState]:
    """Every application that had a run."""
    running = "WorkflowType = 'Application' and ExecutionStatus = 'Running'"
    found = client.list_workflows(running, rpc_timeout=PATIENCE)
    names = [one.id.removeprefix("application/") async for one in found]
    states = await asyncio.gather(*(application_state(client, name) for name in sorted(names)))
    return [state for state in states if state is not None]


async def progress(client: Client, run: str) -> ProgressView:
    """Where a run is.

    Raises:
        PermanentError: NOT_FOUND, or UNREACHABLE when no control worker answers.
    """
    view: ProgressView = await _query(client, run, "progress", ProgressView)
    return view


async def report(client: Client, run: str) -> Report:
    """The report of a run, as it stands.

    That of a completed run is its result, and is read without a worker: its build may be retired.
    """
    found: Report
    if await _completed(client, run):
        found = await client.get_workflow_handle(run, result_type=Report).result()
    else:
        found = await _query(client, run, "report", Report)
    return found


async def hand_over(client: Client, run: str) -> HandOver | None:
    """What people must know to finish a run without it; None when it has no plan yet.

    Raises:
        PermanentError: NOT_FOUND, or UNREACHABLE when nobody answers for it.
    """
    try:
        found: HandOver | None = await _query(client, run, "hand_over", HandOver)
    except WorkflowQueryFailedError:
        raise PermanentError(
            Code.UNREACHABLE, f"{run} was begun by a release that tells no such thing.", "Read its progress."
        ) from None
    return found


async def _completed(client: Client, run: str) -> bool:
    try:
        described = await _handle(client, run).describe(rpc_timeout=PATIENCE)
    except RPCError as error:
        raise unanswered(error, run) from error
    return described.status is WorkflowExecutionStatus.COMPLETED and described.workflow_type in RUN_TYPES


async def asked_who(client: Client, run: str) -> GateView | None:
    """What a run asks whoever started it, before it begins anything; None when it does not ask, or no more."""
    while True:
        view = await progress(client, run)
        if view.gate is not None and view.gate.step == START:
            return view.gate
        if view.state.ended or view.epoch is not None or view.steps:
            return None
        await asyncio.sleep(_POLL_SECONDS)


async def watch(client: Client, run: str) -> AsyncIterator[ProgressView]:
    """The run's progress, again and again, until it ends."""
    while True:
        view = await progress(client, run)
        yield view
        if view.state.ended:
            return
        await asyncio.sleep(_POLL_SECONDS)


async def wait(client: Client, run: str) -> Report:
    """Wait until the run ends, or parks and needs a person; the report as it stands then."""
    async for view in watch(client, run):
        if view.state is RunState.PARKED:
            break
    else:
        await _closed(client, run)
    return await report(client, run)


async def _closed(client: Client, run: str) -> None:
    """Past the end state there are still the lease and the report to deliver."""
    with contextlib.suppress(WorkflowFailureError):  # a cancelled run ends so, and its report says it
        await _handle(client, run).result()


async def approve(
    client: Client, run: str, approver: str, code: str, comment: str = "", proof: Proof = NO_PROOF
) -> str:
    """Answer a gate with yes; what the run said to it."""
    given = checked(Approval, approver=approver, code=code, comment=comment, **proof.model_dump())
    return await _update(client, run, "approve", given)


async def reject(client: Client, run: str, approver: str, code: str, comment: str = "", proof: Proof = NO_PROOF) -> str:
    """Answer a gate with no."""
    given = checked(Approval, approver=approver, code=code, comment=comment, **proof.model_dump())
    return await _update(client, run, "reject", given)


async def answer(client: Client, run: str, action: str, by: str, step: str | None = None, reason: str = "") -> str:
    """`retry`, `skip`, `accept_degraded`, `abort`, `pause` or `resume`."""
    return await _update(client, run, action, checked(Answer, by=by, step=step, reason=reason))


async def acknowledge(client: Client, run: str, by: str, note: str = "") -> str:
    """Say that somebody sees to what waits, so that nobody else is called."""
    return await _update(client, run, "acknowledge", checked(Acknowledgement, by=by, note=note))


async def accept_risk(client: Client, run: str, by: str, code: str, statement: str, proof: Proof = NO_PROOF) -> str:
    """Accept the risk of two writers, where the fence could not be proved."""
    risk = checked(RiskAcceptance, by=by, code=code, statement=statement, **proof.model_dump())
    return await _update(client, run, "accept_split_brain_risk", risk)


async def accept_data_loss(
    client: Client, run: str, by: str, code: str, loss: str, reason: str = "", proof: Proof = NO_PROOF
) -> str:
    """Accept a loss beyond the RPO by its figure."""
    given = checked(LossAcceptance, by=by, code=code, loss=loss, reason=reason, **proof.model_dump())
    return await _update(client, run, "accept_data_loss", given)


async def list_runs(client: Client, application: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Runs, newest first, with their search attributes."""
    types = ", ".join(f"'{name}'" for name in RUN_TYPES)
    query = f"WorkflowType in ({types})"
    if application:
        query += f" and SeawallApplication = '{_quoted(application)}'"
    rows = []
    async for found in client.list_workflows(query, limit=limit, rpc_timeout=PATIENCE):
        pairs = {pair.key.name: pair.value for pair in found.typed_search_attributes}
        rows.append(
            {
                "run": found.id,
                "run_id": found.run_id,
                "application": pairs.get("SeawallApplication", ""),
                "operation": pairs.get("SeawallOperation", ""),
                "state": pairs.get("SeawallState", ""),
                "epoch": pairs.get("SeawallEpoch"),
                "started": found.start_time,
                "ended": found.close_time,
                "status": found.status.name if found.status else "",
            }
        )
    return rows


# --- Talking to workflows ---


def _handle(client: Client, run: str) -> WorkflowHandle[Any, Any]:
    return client.get_workflow_handle(run)


async def _query(client: Client, run: str, name: str, result_type: type) -> Any:
    try:
        return await _handle(client, run).query(name, result_type=result_type, rpc_timeout=PATIENCE)
    except RPCError as error:
        raise unanswered(error, run) from error


async def _update(client: Client, run: str, name: str, argument: Any) -> str:
    said: str = await update_as(client, run, name, argument, str)
    return said


async def update_as(client: Client, run: str, name: str, argument: Any, result_type: type) -> Any:
    try:
        return await _handle(client, run).execute_update(name, argument, result_type=result_type, rpc_timeout=PATIENCE)
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        sentence = cause.message if isinstance(cause, ApplicationError) else str(cause)
        raise PermanentError(Code.REJECTED, sentence) from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise PermanentError(
            Code.UNREACHABLE,
            f"{run} did not answer within {PATIENCE.total_seconds():.0f} s; what was asked may have been done.",
            "Look at its progress before you ask again.",
        ) from error
    except RPCError as error:
        raise unanswered(error, run) from error


def unanswered(error: RPCError, run: str) -> PermanentError:
    if error.status is RPCStatusCode.NOT_FOUND:
        return PermanentError(
            Code.NOT_FOUND, f"There is no running or recent run {run!r}.", "`seawall runs` lists what there is."
        )
    return PermanentError(
        Code.UNREACHABLE,
        f"{run} did not answer ({error.status.name.lower().replace('_', ' ')}).",
        "Check that the control worker runs: `seawall doctor`. The run itself goes on.",
    )


def _quoted(value: str) -> str:
    """A value for a visibility query. Only names get here; anything else finds nothing."""
    return value if value.replace("-", "").isalnum() else ""
