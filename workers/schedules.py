"""Temporal Schedules that follow the runbooks: looked at, compared, applied, listed. Every door uses these functions.

Look, act, look again: a change names the state of the schedule that it was shown against. Temporal drops a change
against an older state without a word, so each one is read back, and said to be done only when it stands.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.providers.registry import Registry
from activities.runbook_file import Problem, check_runbook, read_runbook
from workflows.model.base import Message
from workflows.model.failure import Code, PermanentError
from workflows.model.runbook import Runbook
from workflows.model.schedules import PREFIX

from .schedule_diff import Action, Change, Entry, Live, differences, drift
from .schedule_plan import wanted_schedules
from .schedule_wire import moment, to_live, to_schedule
from .schedules_held import hold_the_new

T = TypeVar("T")

_AT_ONCE = 8
_REFUSALS = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)
_READ_BACK = (0.0, 0.05, 0.2, 0.5, 1.0)


class Status(Message):
    """A schedule of ours as `seawall schedules` shows it."""

    id: str
    what: str
    application: str
    every: str
    next_run: datetime | None = None
    last_run: datetime | None = None
    last_workflow: str = ""
    last_outcome: str = ""
    """The end state of the run where it has one, else Temporal's own word; empty when there was none."""
    paused: bool = False
    note: str = ""
    """Only where somebody wrote it, or Temporal did when it paused."""
    held_by: str = ""
    """The run for which it is paused; it goes on by itself."""
    missed: int = 0
    """Slots that were left out since they lay further back than the catch-up window."""
    drift: tuple[Change, ...] = ()


def read_folder(folder: Path, registry: Registry) -> tuple[list[Runbook], list[Problem]]:
    """The runbooks of a folder, and all that keeps any of them from being used.

    Raises:
        PermanentError: RUNBOOK_NOT_FOUND where there is none: every schedule would be removed, which nobody means.
    """
    files = sorted(path for path in folder.glob("*.yaml") if not path.name.startswith(".") and not _is_values(path))
    if not files:
        raise PermanentError(
            Code.RUNBOOK_NOT_FOUND,
            f"There is no runbook in {folder}, so nothing was applied.",
            "Name the folder of the runbooks. To end all schedules, delete them in the Web UI.",
        )
    runbooks, wrong = [], []
    for file in files:
        found = [problem for problem in check_runbook(file, registry) if not problem.warning]
        wrong += [problem.model_copy(update={"file": str(file.with_name(problem.file))}) for problem in found]
        if not found:
            runbooks.append(read_runbook(file, registry).runbook)
    return runbooks, wrong


async def compare(client: Client, runbooks: Iterable[Runbook]) -> list[Entry]:
    """What would have to be done so that the schedules match exactly these runbooks."""
    wanted = [item for runbook in runbooks for item in wanted_schedules(runbook)]
    # The list lags behind by a moment. What is wanted is asked for by its name, so that a second apply is never misled.
    names = {item.id for item in wanted} | {name async for name in _listed(client)}
    return differences(wanted, [live for live, _ in await _described(client, names)])


async def apply(client: Client, entries: Iterable[Entry]) -> AsyncIterator[Entry]:
    """Do what `compare` found; yields each entry once it is done and read back.

    A person's pause and note stay.

    Raises:
        PermanentError: PRECONDITION_CHANGED when somebody changed a schedule since it was compared. What was yielded
            before stands; the rest is untouched.
    """
    for entry in entries:
        if entry.action is Action.UNCHANGED:
            continue
        if entry.action is Action.REMOVE:
            await _remove(client, entry.id)
        elif entry.action is Action.CREATE:
            await _create(client, entry)
            assert entry.wanted is not None
            await hold_the_new(client, entry.wanted.application)
        else:
            await _update(client, entry)
        yield entry


async def overview(client: Client, application: str | None = None) -> list[Status]:
    """Every schedule of ours as it stands, in the order of application and id."""
    names = {name async for name in _listed(client)}
    if application is not None:
        names = {name for name in names if name.rpartition("/")[2] == application}
    found = [await _status(client, live, raw) for live, raw in await _described(client, names)]
    return sorted(found, key=lambda status: (status.application, status.id))


# --- One schedule ---


async def _create(client: Client, entry: Entry) -> None:
    assert entry.wanted is not None
    request = CreateScheduleRequest(
        namespace=client.namespace,
        schedule_id=entry.id,
        schedule=await to_schedule(entry.wanted, client.data_converter),
        identity=client.identity,
        request_id=str(uuid.uuid4()),
    )
    try:
        await client.workflow_service.create_schedule(request)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            raise _changed_meanwhile(entry.id) from error
        raise _unanswered(error) from error


async def _update(client: Client, entry: Entry) -> None:
    assert entry.wanted is not None
    assert entry.live is not None
    note, paused = entry.live.note_kept(entry.wanted.note), entry.live.paused
    request = UpdateScheduleRequest(
        namespace=client.namespace,
        schedule_id=entry.id,
        schedule=await to_schedule(entry.wanted, client.data_converter, note, paused),
        conflict_token=entry.live.token,
        identity=client.identity,
        request_id=str(uuid.uuid4()),
    )
    await _asked(client.workflow_service.update_schedule(request), entry.id)
    for pause in _READ_BACK:
        await asyncio.sleep(pause)
        found = await _describe(client, entry.id)
        if found and not differences([entry.wanted], [found[0]])[0].changes and found[0].paused == paused:
            return
    raise _changed_meanwhile(entry.id)


async def _remove(client: Client, schedule_id: str) -> None:
    request = DeleteScheduleRequest(namespace=client.namespace, schedule_id=schedule_id, identity=client.identity)
    with contextlib.suppress(_Gone):
        await _asked(client.workflow_service.delete_schedule(request), schedule_id, gone=True)


async def _describe(client: Client, schedule_id: str) -> tuple[Live, DescribeScheduleResponse] | None:
    request = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule_id)
    try:
        found = await _asked(client.workflow_service.describe_schedule(request), schedule_id, gone=True)
    except _Gone:
        return None
    return await to_live(schedule_id, found, client.data_converter), found


async def _described(client: Client, names: Iterable[str]) -> list[tuple[Live, DescribeScheduleResponse]]:
    seats = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> tuple[Live, DescribeScheduleResponse] | None:
        async with seats:
            return await _describe(client, name)

    return [found for found in await asyncio.gather(*(one(name) for name in names)) if found is not None]


async def _listed(client: Client) -> AsyncIterator[str]:
    try:
        async for found in await client.list_schedules():
            if found.id.startswith(PREFIX):
                yield found.id
    except RPCError as error:
        raise _unanswered(error) from error


async def _status(client: Client, live: Live, raw: DescribeScheduleResponse) -> Status:
    what, _, application = live.id.removeprefix(PREFIX).rpartition("/")
    last = raw.info.recent_actions[-1] if raw.info.recent_actions else None
    workflow = last.start_workflow_result.workflow_id if last else ""
    outcome = await _outcome(client, workflow, last.start_workflow_result.run_id) if last else ""
    return Status(
        id=live.id,
        what=what,
        application=application,
        every=live.fields["every"],
        next_run=moment(raw.info.future_action_times[0]) if raw.info.future_action_times else None,
        last_run=moment(last.actual_time) if last else None,
        last_workflow=workflow,
        last_outcome=outcome,
        paused=live.paused,
        held_by=live.held_by,
        note=live.note_by_hand if live.applied is not None or live.paused else "",
        missed=raw.info.missed_catchup_window,
        drift=drift(live),
    )


async def _outcome(client: Client, workflow: str, run: str) -> str:
    """Of one run. Temporal calls a refused or an undone run completed: its own end state is asked for first."""
    try:
        found = await client.get_workflow_handle(workflow, run_id=run).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return "no longer kept"
        raise _unanswered(error) from error
    states = [pair.value for pair in found.typed_search_attributes if pair.key.name == "SeawallState"]
    status = WorkflowExecutionStatus.Name(found.raw_info.status).removeprefix("WORKFLOW_EXECUTION_STATUS_")
    return str(states[0] if states and states[0] else status).replace("_", " ").lower()


# --- What may go wrong ---


class _Gone(Exception):
    """The schedule is not there."""


async def _asked(answer: Awaitable[T], schedule_id: str, *, gone: bool = False) -> T:
    try:
        return await answer
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise (_Gone(schedule_id) if gone else _changed_meanwhile(schedule_id)) from error
        raise _unanswered(error) from error


def _changed_meanwhile(schedule_id: str) -> PermanentError:
    return PermanentError(
        Code.PRECONDITION_CHANGED,
        f"Somebody changed {schedule_id} after it was compared, so it was left as it is.",
        "Run `seawall apply` again, and look at what it shows.",
    )


def _unanswered(error: RPCError) -> PermanentError:
    said = error.status.name.lower().replace("_", " ")
    if error.status in _REFUSALS:
        return PermanentError(
            Code.CONFIGURATION,
            f"Temporal refused what was asked of the schedules ({said}): {error.message[:200]}.",
            "Check this account's rights and the server's version. What was told as done stands.",
        )
    return PermanentError(
        Code.UNREACHABLE,
        f"Temporal did not answer for the schedules ({said}).",
        "Check that it runs: `seawall doctor`. What was told as done stands; run the command again.",
    )


def _is_values(path: Path) -> bool:
    return path.name.endswith((".values.yaml", ".values.example.yaml"))
