"""One proposal for an application at a time, however many alerts tell of one disaster.

Within one server a lock and a look at the application's lease see to it. Beside another server two proposals can begin
within the same second; the lease then lets one of them through, and the other one ends as REFUSED.
"""

import asyncio
import weakref
from pathlib import Path

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.runbook_file import find_runbook
from workers import control
from workers.door import Caller, Door
from workers.hooks.forms import Proposed
from workers.hooks.run_ids import RunIds
from workflows.model.failure import Code, PermanentError


class Proposals:
    """Proposes failovers.

    Args:
        door: through which everything goes.
        client: to look whether a run is open.
        runbooks: where they lie.
        ids: of the runs.
    """

    def __init__(self, door: Door, client: Client, runbooks: Path, ids: RunIds) -> None:
        self._door, self._client, self._runbooks, self._ids = door, client, runbooks, ids
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._last: dict[str, str] = {}

    def insist_on(self, application: str) -> None:
        """Without a runbook each alert would start a run that is refused.

        Raises:
            PermanentError: RUNBOOK_NOT_FOUND.
        """
        find_runbook(self._runbooks, application)

    async def propose(self, caller: Caller, application: str, reason: str, key: str) -> Proposed:
        """Open the gate of a failover, unless a run of the application is open.

        Raises:
            PermanentError: FORBIDDEN, RUNBOOK_NOT_FOUND, UNREACHABLE; APPLICATION_BUSY when it is orphaned.
        """
        if (objection := self._door.objection(caller, "propose", application)) is not None:
            raise PermanentError(Code.FORBIDDEN, objection)
        self.insist_on(application)
        run = self._ids.of("failover", application, caller, key)
        async with self._locks.setdefault(application, asyncio.Lock()):
            known = await self._status(run) is not None
            if not known and (open_run := await self._open(application)) is not None:
                return _already(application, open_run)
            # Asked again for a run that is known: what a crash has left undone of its start is done.
            started = await self._door.propose(caller, application, reason, run)
            self._last[application] = started
        if known:
            return _already(application, started)
        sentence = "Proposed: it waits for people, and nothing moves before they agree."
        return Proposed(run=started, sentence=sentence, application=application, already_proposed=False)

    async def _open(self, application: str) -> str | None:
        """The run that is open; one that was proposed a moment ago may not hold the lease yet."""
        state = await control.application_state(self._client, application)
        if state is not None and state.orphan is not None:
            raise PermanentError(
                Code.APPLICATION_BUSY, state.orphan.told, f"A person looks at it: seawall status {application}."
            )
        if state is not None and state.lease is not None:
            return state.lease.holder
        last = self._last.get(application)
        return last if last and await self._status(last) is WorkflowExecutionStatus.RUNNING else None

    async def _status(self, run: str) -> WorkflowExecutionStatus | None:
        try:
            found = await self._client.get_workflow_handle(run).describe(rpc_timeout=control.PATIENCE)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise control.unanswered(error, run) from error
        return found.status


def _already(application: str, run: str) -> Proposed:
    sentence = "Already proposed: a run of this application is there, and nothing was started."
    return Proposed(run=run, sentence=sentence, application=application, already_proposed=True)
