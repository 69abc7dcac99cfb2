"""The Application entity: one long-running workflow for each application. It holds the lease and the epoch.

The invariant: at most one run holds the lease, and the epoch rises with every lease. Every way to start a run (the Web
UI, the command, chat, a schedule) goes through `acquire_lease`, because the run itself asks for it; the way a run is
started guards nothing.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.engine import janitor, proof_book
from workflows.engine.entity_words import show
from workflows.engine.janitor import Held
from workflows.model.entity import (
    AcquireRequest,
    ApplicationState,
    DrillSummary,
    Ending,
    FinishedByHand,
    Lease,
    Orphan,
    ReleaseRequest,
    ReplicationState,
)
from workflows.model.failure import Code
from workflows.model.plan import Operation
from workflows.model.progress import RunState
from workflows.model.proof import UseProof
from workflows.model.requests import FreeRequest
from workflows.model.schedules import HoldSchedulesRequest

MOST_ENDED = 200
"""So many ended runs are remembered, each of which is never repeated."""

BREATH = timedelta(seconds=2)
"""Before the schedules follow the lease."""

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
        self._preempted: list[Held] = []

    @workflow.run
    async def run(self, state: ApplicationState | None = None) -> None:
        """Watch, keep schedules and end rehearsals, until history grows long; then go on as a new run with the same
        state. What was under way then begins anew: it asks nothing but what the state says."""
        show(self._state)
        chores = [
            asyncio.ensure_future(chore)
            for chore in (
                janitor.watch(self._leased, self._lease_orphaned),
                janitor.watch(self._rehearsed, self._rehearsal_gone),
                self._keep_schedules(),
                self._end_rehearsals(),
                self._tell_of_orphans(),
            )
        ]
        await workflow.wait_condition(
            lambda: self._may_continue_as_new() or any(chore.done() for chore in chores)  # a chore ends by a bug only
        )
        for chore in chores:
            if chore.done():
                chore.result()
        workflow.continue_as_new(self._state)

    def _may_continue_as_new(self) -> bool:
        return (
            workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished() and not self._preempted
        )

    # --- Beside the answers ---

    def _leased(self) -> Held | None:
        """The execution that has the lease; none where it is known to have ended."""
        state = self._state
        return Held(state.lease.holder, state.holder_run_id) if state.lease and not state.orphan else None

    def _rehearsed(self) -> Held | None:
        state = self._state
        return Held(state.rehearsal.holder, state.rehearsal_run_id) if state.rehearsal else None

    def _lease_orphaned(self, held: Held, ending: Ending) -> None:
        lease = self._state.lease
        assert lease is not None
        self._become(
            orphan=Orphan(
                holder=held.holder,
                epoch=lease.epoch,
                operation=lease.operation,
                noticed=workflow.now(),
                ending=ending,
            )
        )

    def _rehearsal_gone(self, held: Held, ending: Ending) -> None:
        """A rehearsal has nothing to give back; what stands of its bubble is swept at its site."""
        self._become(
            rehearsal=None,
            rehearsal_run_id="",
            last_run=held.holder,
            last_run_id=held.run_id,
            last_outcome=f"rehearsal {ending.how}",
            last_ended=workflow.now(),
        )

    async def _keep_schedules(self) -> None:
        """Paused while a real run holds the application, an orphaned one too; on again when nobody does."""
        while True:
            await workflow.wait_condition(lambda: self._schedules_differ() or not self._state.schedules_settled)
            # The first seconds of a run are those for which users wait; a drill that begins in them is refused anyway.
            await workflow.sleep(BREATH, summary="then the schedules follow the lease")
            if not self._schedules_differ() and self._state.schedules_settled:
                continue
            holder = self._state.lease.holder if self._state.lease else ""
            # Noted before it is done: a pause that nobody remembers would never be taken back.
            self._become(schedules_held_for=holder, schedules_settled=False)
            request = HoldSchedulesRequest(application=self._state.application, holder=holder)
            if await janitor.hold_schedules(request):
                self._become(schedules_settled=True)
            else:
                await janitor.wait_before_again(self._schedules_differ)

    async def _tell_of_orphans(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._state.orphan is not None)
            await janitor.call_for(lambda: self._state.orphan, self._state.application)

    def _schedules_differ(self) -> bool:
        return self._state.schedules_held_for != (self._state.lease.holder if self._state.lease else "")

    async def _end_rehearsals(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._preempted))
            await janitor.end_rehearsal(self._preempted[0])
            self._preempted.pop(0)

    # --- The lease ---

    @workflow.query(name="state", description="Active site, epoch, and who holds the lease.")
    def state(self) -> ApplicationState:
        return self._state

    @workflow.update(name="acquire_lease", description="Asked by runs. Not for people.")
    async def acquire_lease(self, request: AcquireRequest) -> Lease:
        current = self._state
        held = current.rehearsal if request.rehearsal else current.lease
        mine = held is not None and held.holder == request.holder
        self._become(used_approvals=proof_book.remembered(current.used_approvals, request.approvals))
        if mine and current.orphan is not None and not request.rehearsal:
            self._become(orphan=None)  # Who asks again lives: the watch was wrong, and begins anew.
        if held is not None and mine and held.epoch > request.floor:
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
            adopted=held.adopted if held and mine else (None if request.rehearsal else current.orphan),
            last_failover=current.last_failover,
            used_codes=tuple(used.code for used in current.used_approvals),
        )
        self._become(epoch=lease.epoch, active_site=lease.active_site)
        if request.rehearsal:
            self._become(rehearsal=lease, rehearsal_run_id=request.holder_run_id)
            return lease
        if current.rehearsal is not None:
            self._preempted.append(Held(current.rehearsal.holder, current.rehearsal_run_id))
        self._become(lease=lease, holder_run_id=request.holder_run_id, orphan=None, rehearsal=None, rehearsal_run_id="")
        return lease

    @acquire_lease.validator
    def _check_acquire(self, request: AcquireRequest) -> None:
        current = self._state
        if request.application != current.application:
            raise _refusal(Code.INVALID_INPUT, f"This is {current.application}, not {request.application}.")
        asks = (request.holder, request.holder_run_id)
        self._check_holder(request)
        rehearsal = current.rehearsal
        if request.rehearsal and rehearsal and (rehearsal.holder, current.rehearsal_run_id) != asks:
            raise _busy(rehearsal)
        last = current.last_run_id if request.holder == current.last_run else request.holder_run_id
        if current.ended_runs.get(request.holder, last) != request.holder_run_id:
            raise _refusal(
                Code.APPLICATION_BUSY,
                f"A run of the id {request.holder} has ended before. A run is never repeated; start one with a new id.",
            )
        if current.active_site and current.active_site not in request.sites:
            raise _refusal(
                Code.RUNBOOK_INVALID,
                f"{current.application} is active at {current.active_site}, which the runbook no longer names.",
            )
        if (sentence := proof_book.used_elsewhere(current.used_approvals, request.approvals)) is not None:
            raise _refusal(Code.REJECTED, sentence)

    def _check_holder(self, request: AcquireRequest) -> None:
        """Somebody else's lease is taken over only where its run is known to have ended, and only under the epoch that
        was looked at."""
        current = self._state
        lease = current.lease
        if lease is None:
            if request.adopts is not None:
                raise _refusal(
                    Code.LEASE_LOST,
                    f"Nobody holds the lease of {current.application} any more, so there is nothing to adopt. "
                    "Start the run without `adopts`.",
                )
            return
        if (lease.holder, current.holder_run_id) == (request.holder, request.holder_run_id):
            return
        if lease.holder == request.holder:
            raise _refusal(
                Code.LEASE_LOST,
                f"{request.holder} was reset: the lease of epoch {lease.epoch} belongs to the execution before, and "
                f"what it did stands. Start a new run that adopts it: `seawall adopt {current.application}`.",
            )
        if request.adopts is None or current.orphan is None or request.rehearsal:
            raise _busy(lease)
        if lease.epoch != request.adopts:
            raise _refusal(
                Code.LEASE_LOST, f"The orphaned lease is of epoch {lease.epoch}, not {request.adopts}; look again."
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
            moved = request.outcome in (RunState.RECOVERED, RunState.RECOVERED_DEGRADED)
            failed_over = moved and current.lease.operation is Operation.FAILOVER
            self._become(
                lease=None,
                holder_run_id="",
                orphan=None,
                last_run_id=current.holder_run_id,
                active_site=request.active_site,
                protected=protected,
                last_failover=workflow.now() if failed_over else current.last_failover,
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

    # --- Proofs ---

    @workflow.update(name="use_proof", description="Told by the activity that checks proofs. Not for people.")
    async def use_proof(self, told: UseProof) -> None:
        self._become(**proof_book.noted(self._state, told, workflow.now()))

    @use_proof.validator
    def _check_proof(self, told: UseProof) -> None:
        if (sentence := proof_book.why_not(self._state, told, workflow.now())) is not None:
            raise _refusal(Code.REJECTED, sentence)

    # --- What else is told to it ---

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
            orphan=None,
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
        if self._state.orphan is None:
            raise _refusal(
                Code.APPLICATION_BUSY,
                f"{lease.holder} is running, as far as is known, and only a lost run's lease is freed. End it first; "
                "within a minute it is noticed, and the application is shown as ORPHANED. Then try again.",
            )

    @workflow.update(
        name="finish_by_hand",
        description="Told by `seawall import-outcome`, which looks at the world first. Not for people.",
    )
    async def finish_by_hand(self, told: FinishedByHand) -> ApplicationState:
        current = self._state
        self._become(
            lease=None,
            holder_run_id="",
            orphan=None,
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
        before, after = self._state, self._state.model_copy(update=changes)
        if left := _left(before, after):
            ended = tuple((before.ended_runs | left).items())[-MOST_ENDED:]
            after = after.model_copy(update={"ended_runs": dict(ended)})
        self._state = after
        show(after, before)


def _left(before: ApplicationState, after: ApplicationState) -> dict[str, str]:
    """The runs that held something and hold it no more, whichever way it was taken from them."""
    holders = {lease.holder for lease in (after.lease, after.rehearsal) if lease is not None}
    held = ((before.lease, before.holder_run_id), (before.rehearsal, before.rehearsal_run_id))
    return {lease.holder: run_id for lease, run_id in held if lease is not None and lease.holder not in holders}
