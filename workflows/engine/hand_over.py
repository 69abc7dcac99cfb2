"""The page by which people could finish this run without it: written beside the run, which never waits for it.

Temporal may be gone when the page is wanted, so that it cannot be asked for then: it lies in the report store from the
moment that there is a plan, and is written anew when the point of no return is behind.
"""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from workflows.model.hand_over import HandOver, WritePageRequest, WrittenPage
from workflows.model.messages import CONTROL_QUEUE
from workflows.model.observed import Observation

from . import policies
from .ledger import Ledger

LARGEST = 1_000_000
"""Bytes. A message of 2 MB fails the workflow's task again and again, which a page is not worth."""

BREATH = timedelta(seconds=2)
"""Writing it takes the workflow's time while users wait; a run that is over by then needs no page."""


def hand_over(ledger: Ledger, now: datetime) -> HandOver:
    """What is known now; the run has a plan and a lease."""
    assert ledger.loaded is not None
    assert ledger.plan is not None
    assert ledger.lease is not None
    best: dict[tuple[str, str], Observation | None] = {
        (look.component, look.site): ledger.seen(look.component, look.site) for look in ledger.observations
    }
    slim: dict[str, object] = {"before": {}, "after": {}, "checks": ()}
    return HandOver(
        at=now,
        workflow_id=ledger.workflow_id,
        run_id=ledger.run_id,
        state=ledger.state,
        requested_by=ledger.requested_by,
        reason=ledger.reason,
        declared=ledger.clock.declared,
        epoch=ledger.lease.epoch,
        runbook=ledger.loaded.runbook,
        plan=ledger.plan,
        steps=tuple(record.model_copy(update=slim) for record in ledger.records.values()),
        approved_by=ledger.gate.view().approved_by if ledger.gate else (),
        observations=tuple(look for look in best.values() if look is not None),
        proofs=ledger.proofs,
        points=tuple(result.point for result in ledger.results.values() if result.point is not None),
        choice=ledger.choice,
    )


class Pages:
    """The pages of one run."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._task: asyncio.Task[None] | None = None
        self._wanted = False

    def write(self) -> None:
        """Write the page, in a moment, as things stand then."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while self._wanted:
            await workflow.sleep(BREATH, summary="then the page for break-glass is written")
            self._wanted = False
            await self._write(hand_over(self._ledger, workflow.now()))

    async def end(self) -> None:
        """The run needs no page any more: what is not written yet never will be."""
        task, self._task = self._task, None
        if task is None or task.done():
            return
        task.cancel()
        await workflow.wait_condition(task.done)

    async def _write(self, facts: HandOver) -> None:
        if len(facts.model_dump_json()) > LARGEST:
            self._note("the run is too large for one page")
            return
        try:
            await workflow.execute_activity(
                "write_page",
                WritePageRequest(facts=facts),
                task_queue=CONTROL_QUEUE,
                result_type=WrittenPage,
                summary="the page by which people could finish this",
                **policies.aside(),
            )
        except ActivityError as error:
            if not isinstance(cause := error.cause, CancelledError):
                self._note(cause.message if isinstance(cause, ApplicationError) else "it got no answer in time")

    def _note(self, why: str) -> None:
        self._ledger.note("page for break-glass not written", "Seawall", workflow.now(), None, why)
