"""Replicate: copy what is due, prune what is old, and measure how far the copy is behind. Started by a schedule."""

import asyncio
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.engine import policies
from workflows.engine.attributes import APPLICATION, OPERATION, STATE
from workflows.engine.outcome import Done, Failed, classify
from workflows.model.entity import ApplicationState, CopyState, NoteReplicationRequest, ReplicationState
from workflows.model.failure import Code
from workflows.model.messages import (
    CONTROL_QUEUE,
    LoadedRunbook,
    LoadRunbookRequest,
    PlanRequest,
    Ref,
    StepRequest,
    StepResult,
    Target,
    site_queue,
)
from workflows.model.observed import RecoveryPoint
from workflows.model.plan import Mode, Operation, Step
from workflows.model.progress import ReplicationReport, StepRecord, StepState
from workflows.model.requests import ReplicateRequest
from workflows.model.verbs import Verb
from workflows.planning.replicating import choice_of, clearing_steps, copy_of, copying_steps, lag_of, told
from workflows.planning.steps import data_components, make_step, streams

T = TypeVar("T")


@workflow.defn(name="Replicate")
class Replicate:
    """One turn of one application's replication. It changes nothing that serves but for a marker, removes what is over,
    and does nothing at all while a run holds the application."""

    def __init__(self) -> None:
        self._records: list[StepRecord] = []
        self._made: PlanRequest | None = None
        self._epoch = 0
        self._last: ReplicationState | None = None

    @workflow.run
    async def run(self, request: ReplicateRequest | None = None) -> ReplicationReport:
        if request is None:
            raise ApplicationError(
                f"Replicate wants an input such as {ReplicateRequest.example}. Nothing was started.",
                type=Code.INVALID_INPUT,
                non_retryable=True,
            )
        self._show(request.runbook, "RUNNING")
        loaded = await self._own("load_runbook", LoadRunbookRequest(name=request.runbook), LoadedRunbook)
        state = await self._own("application_state", request.runbook, ApplicationState)
        active = state.active_site or loaded.runbook.home
        if state.lease is not None:
            self._show(request.runbook, "SKIPPED")
            return ReplicationReport(
                application=request.runbook, active_site=active, skipped=f"{state.lease.holder} holds the application."
            )
        self._epoch, self._last = state.epoch, state.replication
        self._made = PlanRequest(
            runbook=loaded.runbook,
            verbs=loaded.verbs,
            limits=loaded.limits,
            source=active,
            target=loaded.runbook.other_sites(active)[0],
            mode=Mode.PLANNED,
            operation=Operation.REPLICATE,
        )
        found = await self._copy_all()
        await self._note(found)
        self._show(request.runbook, "HEALTHY" if found.healthy else "UNHEALTHY")
        for step in clearing_steps(self._request):
            await self._do(step)  # A failure stands among the steps; the copies are as good as they were found.
        return ReplicationReport(
            application=request.runbook, active_site=active, state=found, steps=tuple(self._records)
        )

    @property
    def _request(self) -> PlanRequest:
        assert self._made is not None, "nothing is copied before the runbook is read"
        return self._made

    async def _copy_all(self) -> ReplicationState:
        names = data_components(self._request)
        promised = self._request.runbook.objectives.rpo.total_seconds()
        copies = await asyncio.gather(*(self._copy(name) for name in names))
        lags = [copy.lag_seconds for copy in copies]
        broken = [f"{record.words}: {record.detail}" for record in self._records if record.state is StepState.FAILED]
        words = broken or [told(copy, promised) for copy in copies]
        known = [lag for lag in lags if lag is not None]
        return ReplicationState(
            at=workflow.now(),
            healthy=not broken and len(known) == len(lags) and all(lag <= promised for lag in known),
            lag_seconds=max(known) if known and len(known) == len(lags) else None,
            sentence="; ".join(words),
            copies=tuple(copies),
        )

    async def _copy(self, name: str) -> CopyState:
        """One component's turn, and what is known of its copy afterwards."""
        component = self._request.runbook.components[name]
        copies = component.replication is not None and component.replication.snapshots is not None
        points = await self._points(name) if copies else ()
        lag: float | None = None
        results: list[StepResult] = []
        for step in copying_steps(self._request, name, points, workflow.now()):
            done = await self._do(step)
            if done is None:
                return copy_of(name, None, results, self._last, workflow.now())
            results.append(done)
            measured = done.after.get("lag_seconds")
            lag = float(measured) if isinstance(measured, int | float) else lag
        if not streams(component):
            lag = lag_of(component, await self._points(name), workflow.now())
        return copy_of(name, lag, results, self._last, workflow.now())

    async def _points(self, name: str) -> tuple[RecoveryPoint, ...]:
        look = make_step(name, Verb.CHOOSE_RECOVERY_POINT, self._request.target, f"{name}: what can be restored")
        try:
            result = await self._call(look)
        except ActivityError:
            return ()  # No point yet: then a copy is due.
        return result.points

    async def _do(self, step: Step) -> StepResult | None:
        started = workflow.now()
        record = StepRecord(
            id=step.id,
            component=step.component,
            site=step.site,
            kind=step.verb.value,
            words=step.words,
            phase=step.phase.value,
            started=started,
        )
        try:
            outcome = Done(await self._call(step))
        except ActivityError as error:
            failed = classify(step.verb, error)
            code = failed.code if isinstance(failed, Failed) else Code.OUTCOME_UNKNOWN
            record = record.model_copy(update={"state": StepState.FAILED, "detail": failed.reason, "code": code})
            self._records.append(record.model_copy(update={"ended": workflow.now()}))
            return None
        result = outcome.result
        done = {"state": StepState.DONE, "detail": result.detail, "after": result.after, "attempts": result.attempt}
        self._records.append(record.model_copy(update={"ended": workflow.now(), **done}))
        return result

    async def _call(self, step: Step) -> StepResult:
        plan, name = self._request, step.component or ""
        request = StepRequest(
            ref=Ref(
                workflow_id=workflow.info().workflow_id,
                application=plan.runbook.application,
                step=step.id,
                epoch=self._epoch,
            ),
            target=Target(
                name=name,
                component=plan.runbook.components[name],
                site=step.site,
                source=plan.source,
                target=plan.target,
            ),
            mode=plan.mode,
            choice=choice_of(step),
            max_lag=plan.runbook.objectives.rpo.total_seconds(),
        )
        result: StepResult = await workflow.execute_activity(
            step.verb.value,
            request,
            task_queue=site_queue(step.worker),
            result_type=StepResult,
            summary=step.words,
            **policies.copying(step.timeout),
        )
        return result

    @staticmethod
    async def _own(name: str, request: object, result_type: type[T]) -> T:
        answer: T = await workflow.execute_activity(
            name, request, task_queue=CONTROL_QUEUE, result_type=result_type, **policies.bookkeeping()
        )
        return answer

    async def _note(self, found: ReplicationState) -> None:
        request = NoteReplicationRequest(application=self._request.runbook.application, found=found)
        await workflow.execute_activity(
            "note_replication",
            request,
            task_queue=CONTROL_QUEUE,
            summary="tell the application",
            **policies.bookkeeping(),
        )

    @staticmethod
    def _show(application: str, state: str) -> None:
        workflow.upsert_search_attributes(
            [
                APPLICATION.value_set(application),
                STATE.value_set(state),
                OPERATION.value_set(Operation.REPLICATE.value),
            ]
        )
