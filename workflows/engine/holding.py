"""What a run has with its application: its runbook, its lease and epoch, and what is remembered of it."""

from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.model.entity import (
    AcquireRequest,
    ApplicationState,
    DrillSummary,
    Lease,
    NoteDrillRequest,
    ReleaseRequest,
    UsedApproval,
)
from workflows.model.failure import Code
from workflows.model.messages import CONTROL_QUEUE, LoadedRunbook, LoadRunbookRequest
from workflows.model.progress import RunState
from workflows.model.runbook import Runbook

from . import policies
from .answers import Answering

T = TypeVar("T")


class Refused(Exception):
    """The run must not go on, and nothing was changed."""

    def __init__(self, code: str, sentence: str, next_step: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.reason = f"{sentence} {next_step}".strip()


class Holding(Answering):
    """The part of a run that takes its application, keeps it, and gives it back."""

    rehearsal = False
    """An isolated drill: it takes the lease of a rehearsal, which gives way to every real run."""
    moves = True
    """Whether the application is active at the target when the run has recovered."""

    async def load(self, name: str) -> Runbook:
        """Read and freeze the runbook.

        Raises:
            Refused: when it does not exist or is not valid.
        """
        loaded = await self.bookkeep(
            "load_runbook", LoadRunbookRequest(name=name), f"read the runbook {name}", LoadedRunbook
        )
        self.ledger.loaded = loaded
        return loaded.runbook

    async def acquire(self, runbook: Runbook, floor: int = 0) -> Lease:
        """Take the application's lease, or raise its epoch above `floor`.

        Raises:
            Refused: when another run holds it.
        """
        self.ledger.lease = await self._ask_for_lease(runbook, floor)
        return self.ledger.lease

    async def _ask_for_lease(self, runbook: Runbook, floor: int = 0) -> Lease:
        request = AcquireRequest(
            application=runbook.application,
            holder=self.ledger.workflow_id,
            # A reset gives a new one: it rewinds the run and not the world, so the lease is not for the new execution.
            holder_run_id=workflow.info().run_id,
            operation=self.ledger.operation,
            home=runbook.home,
            sites=tuple(runbook.sites),
            floor=floor,
            rehearsal=self.rehearsal,
            adopts=self.ledger.adopts,
            approvals=self._approvals(),
        )
        return await self.bookkeep("acquire_lease", request, "take the application's lease", Lease)

    def _approvals(self) -> tuple[UsedApproval, ...]:
        """The answers by which the gate was passed; none before it is."""
        ledger = self.ledger
        if ledger.clock.approved is None:
            return ()
        return tuple(
            UsedApproval(
                code=answer.code,
                approver=answer.approver,
                holder=ledger.workflow_id,
                run_id=workflow.info().run_id,
                step=answer.step,
                at=answer.at,
            )
            for answer in ledger.approvals
            if answer.code
        )

    async def lease_lost(self) -> str | None:
        """Why this run does not hold its application any more; None when it does.

        Asked before the first effect that users notice and before an undo: a reset can bring an ended run back to life,
        and a person can free the lease of a run that only seemed dead.
        """
        mine = self.ledger.lease
        assert mine is not None
        try:
            found = await self._ask_for_lease(self.runbook)
        except Refused as error:
            return error.reason
        if found.epoch == mine.epoch:
            return None
        await self._give_back(found, found.active_site, RunState.REFUSED)
        return f"The lease of epoch {mine.epoch} has ended, and with it this run's right to change anything."

    async def bookkeep(self, name: str, request: object, summary: str, result_type: type[T] | None = None) -> T:
        """An activity on our own state. Its definite failure refuses the run."""
        try:
            answer: T = await workflow.execute_activity(
                name,
                request,
                task_queue=CONTROL_QUEUE,
                result_type=result_type,
                summary=summary,
                **policies.bookkeeping(),
            )
        except ActivityError as error:
            raise _refusal(name, error) from error
        return answer

    async def state_of(self, application: str) -> ApplicationState:
        """What the application's entity knows."""
        return await self.bookkeep("application_state", application, "ask where it is active", ApplicationState)

    async def note_drill(self, found: DrillSummary) -> None:
        """Let the application remember a drill that held no lease."""
        request = NoteDrillRequest(application=self.ledger.application, drill=found)
        try:
            await self.bookkeep("note_drill", request, "remember the drill")
        except Refused as error:
            self.ledger.note("drill not remembered", "Seawall", workflow.now(), None, error.reason)

    async def give_up_lease(self) -> None:
        """Give the lease back, with where the application is active now."""
        lease, ledger = self.ledger.lease, self.ledger
        if lease is None or ledger.end_code == Code.LEASE_LOST:
            return
        moved = self.moves and ledger.state in (RunState.RECOVERED, RunState.RECOVERED_DEGRADED)
        await self._give_back(lease, ledger.target if moved else lease.active_site, ledger.state)

    async def _give_back(self, lease: Lease, active_site: str, outcome: RunState) -> None:
        request = ReleaseRequest(
            application=self.ledger.application,
            holder=self.ledger.workflow_id,
            epoch=lease.epoch,
            active_site=active_site,
            outcome=outcome.value,
            protected=self.ledger.protected,
            drill=self.drill_summary(),
        )
        try:
            await self.bookkeep("release_lease", request, "give the lease back")
        except Refused as error:
            self.ledger.note("lease not given back", "Seawall", workflow.now(), None, error.reason)

    def drill_summary(self) -> DrillSummary | None:
        """What the application remembers of a drill; null for every other run."""
        return None


def _refusal(name: str, error: ActivityError) -> Refused:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return Refused(cause.type or Code.INTERNAL, cause.message)
    return Refused(Code.INTERNAL, f"{name} got no answer in time.", "See that the control worker runs.")
