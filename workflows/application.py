"""The Application entity: one long-running workflow for each application. It holds the lease and the epoch.

The invariant: at most one run holds the lease, and the epoch rises with every lease. Every way to start a run (the Web
UI, the command, chat, a schedule) goes through `acquire_lease`, because the run itself asks for it; the way a run is
started guards nothing.
"""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.engine.attributes import APPLICATION, EPOCH, OPERATION, SITE, STATE
from workflows.model.failure import Code
from workflows.model.messages import AcquireRequest, ApplicationState, FreeRequest, Lease, ReleaseRequest


def _refusal(code: Code, sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type=code, non_retryable=True)


@workflow.defn(name="Application")
class Application:
    """Who may change this application now, where it is active, and under which epoch."""

    @workflow.init
    def __init__(self, state: ApplicationState | None = None) -> None:
        name = workflow.info().workflow_id.removeprefix("application/")
        self._state = state or ApplicationState(application=name)

    @workflow.run
    async def run(self, state: ApplicationState | None = None) -> None:
        """Live until history grows long, then go on as a new run with the same state."""
        self._show()
        while True:
            await workflow.wait_condition(
                lambda: workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished()
            )
            workflow.continue_as_new(self._state)

    @workflow.query(name="state", description="Active site, epoch, and who holds the lease.")
    def state(self) -> ApplicationState:
        return self._state

    @workflow.update(name="acquire_lease", description="Asked by runs. Not for people.")
    async def acquire_lease(self, request: AcquireRequest) -> Lease:
        current = self._state
        if current.lease is not None and current.lease.epoch > request.floor:
            return current.lease
        lease = Lease(
            application=current.application,
            epoch=max(current.epoch, request.floor) + 1,
            holder=request.holder,
            operation=request.operation,
            active_site=current.active_site or request.home,
            since=workflow.now(),
        )
        self._become(lease=lease, epoch=lease.epoch, active_site=lease.active_site, holder_run_id=request.holder_run_id)
        return lease

    @acquire_lease.validator
    def _check_acquire(self, request: AcquireRequest) -> None:
        current = self._state
        if request.application != current.application:
            raise _refusal(Code.INVALID_INPUT, f"This is {current.application}, not {request.application}.")
        if current.lease is not None and (current.lease.holder, current.holder_run_id) != (
            request.holder,
            request.holder_run_id,
        ):
            raise _refusal(
                Code.APPLICATION_BUSY,
                f"{current.application} is held by {current.lease.holder} since "
                f"{current.lease.since:%Y-%m-%d %H:%M:%S} UTC (epoch {current.lease.epoch}). "
                "Watch or end that run first; only one may change an application.",
            )
        if current.active_site and current.active_site not in request.sites:
            raise _refusal(
                Code.RUNBOOK_INVALID,
                f"{current.application} is active at {current.active_site}, which the runbook no longer names.",
            )

    @workflow.update(name="release_lease", description="Asked by runs at their end. Not for people.")
    async def release_lease(self, request: ReleaseRequest) -> ApplicationState:
        if self._state.lease is not None:
            self._become(
                lease=None,
                holder_run_id="",
                active_site=request.active_site,
                protected=request.protected and self._state.protected,
                last_run=request.holder,
                last_outcome=request.outcome,
                last_ended=workflow.now(),
            )
        return self._state

    @release_lease.validator
    def _check_release(self, request: ReleaseRequest) -> None:
        lease = self._state.lease
        if lease is None and self._state.last_run == request.holder and self._state.epoch == request.epoch:
            return
        if lease is None or (lease.holder, lease.epoch) != (request.holder, request.epoch):
            holder = f"{lease.holder} under epoch {lease.epoch}" if lease else "nobody"
            raise _refusal(
                Code.LEASE_LOST,
                f"{request.holder} cannot give back epoch {request.epoch} of {self._state.application}: "
                f"the lease is held by {holder}.",
            )

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
        protected = "protected" if state.protected else "UNPROTECTED until replication runs in the new direction"
        workflow.set_current_details(
            f"**{state.application}** is active at **{state.active_site or 'not known yet'}**, epoch {state.epoch}, "
            f"{held}, {protected}.\n\nLast run: {state.last_run or 'none'} {state.last_outcome}"
        )
