"""Taking over the lease of a run that has ended without giving it back: which run goes on from what stands."""

import asyncio
import time

from temporalio.client import Client

from workflows.model.entity import ApplicationState, Orphan
from workflows.model.failure import Code, PermanentError
from workflows.model.plan import Mode, Operation
from workflows.model.requests import (
    FailbackRequest,
    FailoverRequest,
    HoldingRequest,
    ReprotectRequest,
    SwitchoverRequest,
)

from . import control, lost_runs

NOTICED_WITHIN = 60.0
"""Seconds after which the entity knows for certain that its lease's run has ended."""
_POLL_SECONDS = 0.5
_KINDS: dict[Operation, type[HoldingRequest]] = {
    Operation.FAILOVER: FailoverRequest,
    Operation.SWITCHOVER: SwitchoverRequest,
    Operation.FAILBACK: FailbackRequest,
    Operation.REPROTECT: ReprotectRequest,
}


async def adopting_request(
    client: Client, application: str, by: str, reason: str, operation: str | None = None
) -> HoldingRequest:
    """The run that takes the orphaned lease over: the same operation anew, unless another one is named.

    A switchover or a failback begins by proving that both sites are well. Where it has stopped the old site already,
    that can't be proved any more, and a planned failover to the same site goes on in its place.

    Raises:
        PermanentError: NOT_FOUND when there is nothing to adopt, APPLICATION_BUSY while the run still runs,
            INVALID_INPUT for an operation that cannot adopt.
    """
    orphan = await noticed(client, application)
    wanted = _operation(operation) if operation else orphan.operation
    ending, fields = orphan.ending, {"runbook": application, "reason": reason, "requested_by": by}
    instead = operation is None and wanted in (Operation.SWITCHOVER, Operation.FAILBACK) and ending.moving
    if instead:
        wanted = Operation.FAILOVER
    extra: dict[str, object] = {"adopts": orphan.epoch}
    if wanted is Operation.FAILOVER:
        extra["planned"] = instead or (ending.mode is Mode.PLANNED and orphan.operation is not Operation.REPROTECT)
    if wanted in (Operation.FAILOVER, Operation.SWITCHOVER) and orphan.operation is not Operation.REPROTECT:
        extra["to"] = ending.target or None
    return control.checked(_KINDS[wanted], **fields, **extra)


async def noticed(client: Client, application: str, seconds: float = NOTICED_WITHIN) -> Orphan:
    """The orphan, waiting for the entity to notice it where its run has only just ended.

    Raises:
        PermanentError: NOT_FOUND when nobody holds the lease, APPLICATION_BUSY while the run that does still runs.
    """
    end = time.monotonic() + seconds
    while True:
        state = await control.application_state(client, application)
        if state is not None and state.orphan is not None:
            return state.orphan
        await _insist_on_an_end(client, application, state)
        if time.monotonic() >= end:
            raise PermanentError(
                Code.APPLICATION_BUSY,
                f"The run that holds {application} has ended, and its entity has not noticed it in {seconds:.0f} s.",
                "See that the control worker runs: `seawall doctor`. Then ask again.",
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _insist_on_an_end(client: Client, application: str, state: ApplicationState | None) -> None:
    if state is None or state.lease is None:
        raise PermanentError(
            Code.NOT_FOUND,
            f"Nobody holds the lease of {application}, so there is nothing to adopt.",
            "Start the run as always.",
        )
    if await lost_runs.runs_now(client, state.lease.holder, state.holder_run_id):
        raise PermanentError(
            Code.APPLICATION_BUSY,
            f"{state.lease.holder} is running and holds the lease.",
            f"Watch it: `seawall watch {state.lease.holder}`. Only a run that has ended is taken over.",
        )


def _operation(name: str) -> Operation:
    try:
        found = Operation(name)
    except ValueError:
        found = Operation.DRILL
    if found not in _KINDS:
        raise PermanentError(
            Code.INVALID_INPUT,
            f"{name!r} is no operation that can take a lease over.",
            f"Name one of: {', '.join(kind.value for kind in _KINDS)}.",
        )
    return found
