"""The Application entity: one long-running workflow for each application. It holds the lease and the epoch.

The invariant: at most one run holds the lease, and the epoch rises with every lease. Every way to start a run (the Web
UI, the command, chat, a schedule) goes through `acquire_lease`, because the run itself asks for it; the way a run is
started guards nothing.
"""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.engine.attributes import APPLICATION, EPOCH, OPERATION, SITE, STATE
from workflows.model.entity import (
    PREEMPTION,
    AcquireRequest,
    ApplicationState,
    DrillSummary,
    FinishedByHand,
    Lease,
    ReleaseRequest,
    ReplicationState,
)
from workflows.model.failure import Code
from workflows.model.requests import FreeRequest

_BY_HAND = "finished by hand"


def _refusal(code: Code, sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type=code, non_retryable=True)


def _busy(lease: Lease) -> ApplicationError:
    return _refusal(
        Code.APPLICATION_BUSY,
        f"{lease.application} is held by {lease.holder} since "
        f"{lease.since:%Y-%m-%d %H:%M:%S} UTC (epoch {lease.epoch}). "
        "Watch or end that run first; only one may change an application.",
    )


@workflow.defn(name="Application")
class Application:
    """Who may change this application now, where it is active, and under which epoch."""

    @workflow.init
    def __init__(self, state: ApplicationState | None = None) -> None:
        name = workflow.info().workflow_id.removeprefix("application/")
        self._state = state or ApplicationState(application=name)
        self._preempted: list[tuple[str, str]] = []

    @workflow.run
    async def run(self, state: ApplicationState | None = None) -> None:
        """End rehearsals that must give way, until history grows long; then go on as a new run with the same state."""
        self._show()
        while True:
            await workflow.wait_condition(lambda: bool(self._preempted) or self._may_continue_as_new())
            if not self._preempted:
                workflow.continue_as_new(self._state)
            await self._end_rehearsal(*self._preempted.pop())

    def _may_continue_as_new(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished()

    async def _end_rehearsal(self, holder: str, run_id: str) -> None:
        """The drill undoes what it has, beside the real run: they share nothing."""
        try:
            await workflow.get_external_workflow_handle(holder, run_id=run_id).cancel(reason=PREEMPTION)
        except ApplicationError:
            workflow.logger.info("the drill %s had ended", holder)

    @workflow.query(name="state", description="Active site, epoch, and who holds the lease.")
    def state(self) -> ApplicationState:
        return self._state

    @workflow.update(name="acquire_lease", description="Asked by runs. Not for people.")
    async def acquire_lease(self, request: AcquireRequest) -> Lease:
        current = self._state
        held = current.rehearsal if request.rehearsal else current.lease
        if held is not None and held.epoch > request.floor:
            return held
        lease = Lease(
            application=current.application,
            epoch=max(current.epoch, request.floor) + 1,
            holder=request.holder,
            operation=request.operation,
            active_site=current.active_site or request.home,
            since=workflow.now(),
            protected=current.protected,
            last_drill=current.last_drill,
        )
        self._become(epoch=lease.epoch, active_site=lease.active_site)
        if request.rehearsal:
            self._become(rehearsal=lease, rehearsal_run_id=request.holder_run_id)
            return lease
        if current.rehearsal is not None:
            self._preempted.append((current.rehearsal.holder, current.rehearsal_run_id))
        self._become(lease=lease, holder_run_id=request.holder_run_id, rehearsal=None, rehearsal_run_id="")
        return lease

    @acquire_lease.validator
    def _check_acquire(self, request: AcquireRequest) -> None:
        current = self._state
        if request.application != current.application:
            raise _refusal(Code.INVALID_INPUT, f"This is {current.application}, not {request.application}.")
        asks = (request.holder, request.holder_run_id)
        if current.lease is not None and (current.lease.holder, current.holder_run_id) != asks:
            raise _busy(current.lease)
        rehearsal = current.rehearsal
        if request.rehearsal and rehearsal and (rehearsal.holder, current.rehearsal_run_id) != asks:
            raise _busy(rehearsal)
        if request.holder == current.last_run and request.holder_run_id != current.last_run_id:
            raise _refusal(
                Code.APPLICATION_BUSY,
                f"A run of the id {request.holder} has ended before. A run is never repeated; start one with a new id.",
            )
        if current.active_site and current.active_site not in request.sites:
            raise _refusal(
                Code.RUNBOOK_INVALID,
                f"{current.application} is active at {current.active_site}, which the runbook no longer names.",
            )

    @workflow.update(name="release_lease", description="Asked by runs at their end. Not for people.")
    async def release_lease(self, request: ReleaseRequest) -> ApplicationState:
        current = self._state
        ended = {
            "last_run": request.holder,
            "last_outcome": request.outcome,
            "last_ended": workflow.now(),
            "last_drill": request.drill or current.last_drill,
        }
        if current.rehearsal is not None and current.rehearsal.holder == request.holder:
            self._become(rehearsal=None, rehearsal_run_id="", last_run_id=current.rehearsal_run_id, **ended)
        elif current.lease is not None and current.lease.holder == request.holder:
            protected = current.protected if request.protected is None else request.protected
            self._become(
                lease=None,
                holder_run_id="",
                last_run_id=current.holder_run_id,
                active_site=request.active_site,
                protected=protected,
                **ended,
            )
        return self._state

    @release_lease.validator
    def _check_release(self, request: ReleaseRequest) -> None:
        current = self._state
        held = [(lease.holder, lease.epoch) for lease in (current.lease, current.rehearsal) if lease is not None]
        if (request.holder, request.epoch) in held or (not held and current.last_run == request.holder):
            return
        if request.drill is not None:
            return  # A rehearsal that had to give way has nothing to give back, and is no drill to be judged by.
        by = " and ".join(f"{holder} under epoch {epoch}" for holder, epoch in held) or "nobody"
        raise _refusal(
            Code.LEASE_LOST,
            f"{request.holder} cannot give back epoch {request.epoch} of {current.application}: "
            f"the lease is held by {by}.",
        )

    @workflow.update(name="note_replication", description="Told by Replicate. Not for people.")
    async def note_replication(self, found: ReplicationState) -> None:
        self._become(replication=found)

    @workflow.update(name="note_drill", description="Told by live drills at their end. Not for people.")
    async def note_drill(self, drill: DrillSummary) -> None:
        self._become(last_live_drill=drill)

    @workflow.update(
        name="free_lease",
        description="Free the lease of a run that was terminated, after looking at what stands: "
        '{"by": "anna", "epoch": 3, "active_site": "recovery", "reason": "why"}',
    )
    async def free_lease(self, request: FreeRequest) -> ApplicationState:
        self._become(
            lease=None,
            holder_run_id="",
            active_site=request.active_site,
            protected=False,
            last_outcome=f"freed by {request.by}: {request.reason}",
            last_ended=workflow.now(),
        )
        return self._state

    @free_lease.validator
    def _check_free(self, request: FreeRequest) -> None:
        lease = self._state.lease
        if lease is None:
            raise _refusal(Code.LEASE_LOST, f"Nobody holds the lease of {self._state.application}.")
        if lease.epoch != request.epoch:
            raise _refusal(Code.LEASE_LOST, f"The lease is of epoch {lease.epoch}, not {request.epoch}; look again.")

    @workflow.update(
        name="finish_by_hand",
        description="Told by `seawall import-outcome`, which looks at the world first. Not for people.",
    )
    async def finish_by_hand(self, told: FinishedByHand) -> ApplicationState:
        current = self._state
        self._become(
            lease=None,
            holder_run_id="",
            # Never lower than what stands in the world, and never lower than what this entity has given out.
            epoch=max(current.epoch, told.epoch),
            active_site=told.active_site,
            protected=told.protected,
            last_run=told.run,
            last_run_id=current.holder_run_id or current.last_run_id,
            last_outcome=f"{_BY_HAND}, told by {told.by}: {told.reason}",
            last_ended=workflow.now(),
        )
        return self._state

    @finish_by_hand.validator
    def _check_finish(self, told: FinishedByHand) -> None:
        current = self._state
        if told.application != current.application:
            raise _refusal(Code.INVALID_INPUT, f"This is {current.application}, not {told.application}.")
        if current.lease is not None and current.lease.holder != told.run:
            raise _busy(current.lease)
        ended = current.last_run == told.run and not current.last_outcome.startswith(_BY_HAND)
        if ended and current.lease is None:
            raise _refusal(
                Code.REJECTED, f"{told.run} has ended by itself: {current.last_outcome}. There is nothing to tell."
            )

    def _become(self, **changes: object) -> None:
        self._state = self._state.model_copy(update=changes)
        self._show()

    def _show(self) -> None:
        state = self._state
        lease = state.lease
        workflow.upsert_search_attributes(
            [
                APPLICATION.value_set(state.application),
                STATE.value_set("BUSY" if lease else ("READY" if state.protected else "UNPROTECTED")),
                OPERATION.value_set(lease.operation.value) if lease else OPERATION.value_unset(),
                EPOCH.value_set(state.epoch),
                SITE.value_set(state.active_site) if state.active_site else SITE.value_unset(),
            ]
        )
        held = f"held by {lease.holder} since {lease.since:%Y-%m-%d %H:%M:%S} UTC" if lease else "free"
        protected = "protected" if state.protected else "**UNPROTECTED**: start `Reprotect` to rebuild its replication"
        drill = f"\n\nRehearsal running: {state.rehearsal.holder}" if state.rehearsal else ""
        copy = (
            f"\n\nReplication at {state.replication.at:%H:%M:%S} UTC: {state.replication.sentence}"
            if state.replication
            else ""
        )
        workflow.set_current_details(
            f"**{state.application}** is active at **{state.active_site or 'not known yet'}**, epoch {state.epoch}, "
            f"{held}, {protected}.\n\nLast run: {state.last_run or 'none'} {state.last_outcome}{drill}{copy}"
        )
