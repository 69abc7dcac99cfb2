"""What every run has, whatever it recovers: its questions and answers, its deadline, its way through cancel, its end.

An operation (`Failover`, ...) derives from `RecoveryRun` and adds only its procedure.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows.model.entity import PREEMPTION
from workflows.model.failure import Code
from workflows.model.messages import Ref, StepRequest, StepResult, Target, site_queue
from workflows.model.plan import Mode, Operation, Phase, Plan, Step
from workflows.model.progress import ProgressView, RunState, StepState
from workflows.model.report import Report, WriteReportRequest
from workflows.model.runbook import PublicCheck
from workflows.model.verbs import Verb

from . import attributes, policies
from .details import details_html
from .executor import Executor, Stop
from .hand_over import Pages
from .holding import Holding, Refused
from .ledger import Ledger
from .notices import Notifier
from .outcome import Done, Outcome, classify
from .proving import Prover
from .saga import Saga

_BY_DEVICE = (Verb.FENCE, Verb.REOPEN_SITE)


class RecoveryRun(Holding):
    """The engine behind an operation. Not a workflow itself."""

    def __init__(self, operation: Operation) -> None:
        info = workflow.info()
        self.ledger = Ledger(operation, info.workflow_id, info.run_id, workflow.now())
        self.executor: Executor | None = None
        self.saga: Saga | None = None
        self.prover = Prover(self.ledger)
        self.notifier = Notifier(self)
        self._pages = Pages(self.ledger)
        self._shown_state = ""
        self._cancelled = False

    # --- The frame around a procedure ---

    async def conduct(self, procedure: Coroutine[None, None, None]) -> Report:
        """Run the procedure to one of the end states, through refusals and cancels, and deliver the report.

        A cancel of the workflow becomes a request to stop: it never tears a step apart, and never skips an undo.
        """
        self.changed()
        task = asyncio.ensure_future(procedure)
        await self._through_cancels(task)
        # The end is shielded too: a cancel that tore it apart would keep the lease for ever.
        ending = asyncio.ensure_future(self._finish(task.exception()))
        await self._through_cancels(ending)
        ending.result()
        if self._cancelled:
            raise asyncio.CancelledError
        return self.report()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop from outside, in time."""
        return self._cancelled

    async def _through_cancels(self, task: "asyncio.Future[None]") -> None:
        while not task.done():
            try:
                await workflow.wait_condition(task.done)
            except asyncio.CancelledError:
                self._cancel_asked()

    def _cancel_asked(self) -> None:
        reason = workflow.cancellation_reason() or "no reason given"
        executor = self.executor
        if self.ledger.state.ended:
            note = "cancel (too late: the run has ended)"
        elif executor is None or executor.request_stop(
            Code.PREEMPTED if reason.endswith(PREEMPTION) else Code.CANCELLED, f"Cancelled from outside ({reason})."
        ):
            self._cancelled, note = True, "cancel"
        elif executor.stop is not None:
            self._cancelled, note = True, "cancel (the run is being undone already)"
        else:
            note = "cancel (refused: the point of no return is behind)"
        self.ledger.note(note, "Temporal", workflow.now(), None, reason)
        self.changed()

    async def _finish(self, error: BaseException | None) -> None:
        ledger = self.ledger
        if isinstance(error, Refused):
            ledger.state, ledger.end_code, ledger.end_reason = RunState.REFUSED, error.code, error.reason
        elif error is not None:
            raise error
        ledger.mark(ended=workflow.now())
        # People are told before the bookkeeping, which may have to wait for the server of a site that is restarting.
        self.notifier.look()
        await self.give_up_lease()
        self.changed()
        await self._write_report("write the report")
        if await self.notifier.last_word():
            await self._write_report("write the report, with what became of the messages")
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _write_report(self, summary: str) -> None:
        try:
            await self.bookkeep("write_report", WriteReportRequest(report=self.report()), summary)
        except Refused as failure:
            self.ledger.note("report not written", "Seawall", workflow.now(), None, failure.reason)

    async def _watch_deadline(self, deadline: timedelta) -> None:
        await workflow.sleep(deadline, summary="deadline of the run")
        self.ledger.note("deadline passed", "Seawall", workflow.now())
        executor = self.executor
        if executor and not executor.request_stop(Code.DEADLINE_PASSED, "The runbook's deadline has passed."):
            executor.paused = False
        self.changed()

    # --- The stations of a procedure ---

    async def execute(self, plan: Plan) -> None:
        """Run the plan; undo it when it was stopped; set the end state."""
        ledger = self.ledger
        self.executor = Executor(plan, ledger, self.call, self.lease_lost, self.changed)
        self.executor.on_done = self.step_done
        if self._cancelled:
            self.executor.request_stop(Code.CANCELLED, "Cancelled from outside.")
        rest = ledger.clock.declared + self.deadline - workflow.now()
        # A start that outlasted the deadline leaves less than nothing, and a negative timer is refused by the SDK.
        deadline = asyncio.ensure_future(self._watch_deadline(max(rest, timedelta(0))))
        self._hand_over()
        await self.executor.run()
        await self._end_beside(deadline)
        stop = self.executor.stop
        if stop is None:
            ledger.state = RunState.RECOVERED_DEGRADED if self.executor.degraded else RunState.RECOVERED
            return
        if (barred := await self._barred_from_undoing(stop)) is not None:
            ledger.end_code, ledger.end_reason, ledger.state = barred.code, barred.reason, RunState.REFUSED
            return
        self.saga = Saga(plan, ledger, self.undo, self.changed)
        self.changed()
        await self.saga.run()
        undone = self.saga.undone_anything
        ledger.end_code, ledger.end_reason = stop.code, stop.reason
        ledger.state = RunState.COMPENSATED if undone or ledger.touched_the_world() else RunState.REFUSED

    async def _end_beside(self, deadline: "asyncio.Future[None]") -> None:
        """End what runs beside the steps, one after the other. An answer and the end of an activity may reach a run in
        one task, and its replay in two: the order of commands must not depend on which of them was first."""
        deadline.cancel()
        await workflow.wait_condition(deadline.done)
        await self._pages.end()

    async def _barred_from_undoing(self, stop: Stop) -> Stop | None:
        """Why nothing may be undone: somebody else may rely on what stands. None when the saga may begin."""
        if stop.code == Code.LEASE_LOST:
            return stop
        if (lost := await self.lease_lost()) is not None:
            return Stop(Code.LEASE_LOST, f"{lost} {stop.reason}")
        if not self.ledger.asked_for_pivot and (passed := await self.pivot_in_the_world()) is not None:
            return Stop(Code.PRECONDITION_CHANGED, f"{passed} {stop.reason}")
        return None

    async def pivot_in_the_world(self) -> str | None:
        """Whether the world is past the pivot though this execution is not: a reset rewinds a run, not the world."""
        return None

    @property
    def deadline(self) -> timedelta:
        """How long the run may take."""
        return self.runbook.deadline

    # --- Calls ---

    async def call(self, step: Step) -> Outcome:
        """Do a step."""
        return await self._activity(step.verb, step.id, step, self.request(step), step.words, step.timeout)

    def step_done(self, step: Step) -> None:
        """A step has just been done."""
        if step.verb is Verb.VERIFY:
            self.ledger.mark(verified=workflow.now())
        if step.phase is Phase.PIVOT:
            self._hand_over()

    def _hand_over(self) -> None:
        """Write the page by which people could go on. A drill that is lost is swept, and nobody finishes it."""
        if self.ledger.operation is not Operation.DRILL:
            self._pages.write()

    def public_check(self) -> PublicCheck:
        """How the application is used as its users use it."""
        return self.runbook.public

    async def undo(self, step: Step) -> Outcome:
        """Undo a step."""
        assert step.undo is not None
        request = self.request(step).model_copy(update={"undo": True, "result": self.ledger.results.get(step.id)})
        patience = policies.undoing(step.timeout)
        return await self._activity(
            step.undo, f"{step.id}.undo", step, request, f"undo: {step.undo_words}"[:50], patience
        )

    def request(self, step: Step) -> StepRequest:
        """The input of a step's activity, from what the run knows now."""
        ledger, runbook, lease = self.ledger, self.runbook, self.ledger.lease
        assert lease is not None, "no step runs without the lease"
        name = step.component
        accepted = self.executor.accepted_risk.get(name or "") if self.executor else None
        return StepRequest(
            ref=Ref(
                workflow_id=ledger.workflow_id,
                application=ledger.application,
                step=step.id,
                epoch=lease.epoch,
                execution=workflow.info().original_execution_run_id,
            ),
            target=Target(
                name=name or "",
                component=runbook.components[name] if name else next(iter(runbook.components.values())),
                site=step.site,
                source=ledger.source,
                target=ledger.target,
                # What is cloned is chosen outside: inside there is nothing yet.
                bubble=None if step.verb is Verb.CHOOSE_RECOVERY_POINT else ledger.bubble,
            ),
            mode=ledger.mode,
            before=ledger.seen(name, step.site) if name else None,
            proofs=ledger.proofs,
            accepted_risk=accepted,
            fence_device=runbook.sites[step.site].fence_device if step.verb in _BY_DEVICE else None,
            bubble_device=runbook.sites[ledger.bubble.site].bubble if ledger.bubble else None,
            position=ledger.position(name) if name else None,
            point=ledger.point(name) if name else None,
            public=self.public_check() if step.verb is Verb.VERIFY else None,
            choice=ledger.choice,
            max_lag=runbook.failback.max_lag.total_seconds(),
            outage=(ledger.clock.detected or ledger.clock.declared) if ledger.mode is Mode.UNPLANNED else None,
            adopts=ledger.adopts,
        )

    async def _activity(
        self, verb: Verb, activity_id: str, step: Step, request: StepRequest, summary: str, timeout: timedelta
    ) -> Outcome:
        try:
            result = await workflow.execute_activity(
                verb.value,
                request,
                task_queue=site_queue(step.worker),
                result_type=StepResult,
                summary=summary,
                activity_id=activity_id,
                **policies.effect(timeout),
            )
        except ActivityError as error:
            return classify(verb, error)
        return Done(result)

    # --- Small things ---

    def changed(self) -> None:
        """Show what is new: to people who are to be told, in the details pane always, in the search attributes when
        the state is another."""
        self.notifier.look()
        view = self.show()
        if self._shown_state != (shown := f"{view.state} {view.epoch} {view.target}"):
            self._shown_state = shown
            attributes.show(view)

    def show(self) -> ProgressView:
        """Show what is new in the details pane only: no command, so that it may come at any moment."""
        self.ledger.state = self._current_state()
        view = self.progress()
        workflow.set_current_details(details_html(view))
        return view

    def _current_state(self) -> RunState:
        ledger, executor = self.ledger, self.executor
        if ledger.state.ended:
            return ledger.state
        if ledger.parked:
            return RunState.PARKED
        if self.saga is not None or (executor is not None and executor.stop is not None):
            return RunState.COMPENSATING
        if executor is None:
            return RunState.AWAITING_APPROVAL if ledger.in_state(StepState.WAITING) else RunState.STARTING
        waiting = [record for record in ledger.in_state(StepState.WAITING) if record.kind != Verb.HOLD_OFF]
        if waiting and not ledger.in_state(StepState.RUNNING):
            agreed = all(record.kind == Verb.WINDOW for record in waiting)
            return RunState.WAITING_FOR_AGREED_TIME if agreed else RunState.AWAITING_APPROVAL
        if executor.paused and not ledger.in_state(StepState.RUNNING):
            return RunState.PAUSED
        return RunState.RUNNING
