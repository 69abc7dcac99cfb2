"""Drill: rehearse the recovery. Isolated: on clones in a bubble, production untouched. Live: there and back."""

import re
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError

from workflows.engine import policies, reporting
from workflows.engine.moving import Moving, missing_input
from workflows.engine.outcome import Done, Failed, Outcome
from workflows.engine.scorecard import summary
from workflows.model.entity import DrillSummary
from workflows.model.failure import Code
from workflows.model.messages import CONTROL_QUEUE, Bubble, StepResult
from workflows.model.observed import RecoveryPoint
from workflows.model.plan import Mode, Operation, Step
from workflows.model.progress import RunState
from workflows.model.report import Report
from workflows.model.requests import DrillRequest
from workflows.model.runbook import PublicCheck
from workflows.model.verbs import Verb
from workflows.planning.drill import plan_drill, plan_live_drill


@workflow.defn(name="Drill")
class Drill(Moving):
    """One drill of one application."""

    moves = False

    @workflow.init
    def __init__(self, request: DrillRequest | None = None) -> None:
        super().__init__(Operation.DRILL)
        self._live = request is not None and request.live
        self._legs = 0
        self.rehearsal = not self._live
        if request is not None:
            self.take(request, Mode.PLANNED if request.live else Mode.UNPLANNED)
            self.ledger.choice = request.point

    @workflow.run
    async def run(self, request: DrillRequest | None = None) -> Report:
        if request is None:
            raise missing_input("Drill", DrillRequest)
        return await self.conduct(self._there_and_back(request) if request.live else self._rehearse(request))

    async def _rehearse(self, request: DrillRequest) -> None:
        """The procedure of an isolated drill, as an operator would say it."""
        runbook = await self.load(request.runbook)
        await self.authority.insist("drill")
        lease = await self.acquire(runbook)
        self.ledger.last_drill = lease.last_drill
        self.head_for(None, lease)
        await self.look_at(self.ledger.target)
        await self.rise_above_what_stands(lease)
        self.ledger.bubble = self._bubble()
        await self.execute(self.make_plan(plan_drill))

    async def _there_and_back(self, request: DrillRequest) -> None:
        """The procedure of a live drill. Each leg is a run of its own and takes the application's lease itself; between
        them nothing is held, so that a real run may come first."""
        runbook = await self.load(request.runbook)
        await self.authority.insist("drill")
        self.insist_on_a_requester()
        state = await self.state_of(runbook.application)
        self.ledger.last_drill = state.last_live_drill
        self.ledger.source = state.active_site or runbook.home
        self.ledger.target = runbook.other_sites(self.ledger.source)[0]
        plan = self.make_plan(plan_live_drill)
        names = f"{self.ledger.source} to {self.ledger.target} and back"
        self.open_gate(plan, f"Move the users of {runbook.application} from {names}, as a drill?")
        await self.execute(plan)

    # --- What a drill does otherwise than a recovery ---

    @property
    def deadline(self) -> timedelta:
        """An isolated drill ends before the lease of what it creates does."""
        limit = super().deadline
        return limit if self._live else min(limit, self.runbook.drills.limit)

    def public_check(self) -> PublicCheck:
        """Inside the bubble there is no resolver: its own names are all there are."""
        return self.runbook.drills.public or self.runbook.public.model_copy(update={"resolver": None})

    async def lease_lost(self) -> str | None:
        """Never: a live drill holds no lease of its own, its legs do; an isolated one that had to give way to a real
        run undoes what it has all the same, since nobody else relies on a bubble."""
        return None

    async def pivot_in_the_world(self) -> str | None:
        """Never: what serves at the target is not the drill's clone, but perhaps the real run that it gave way to."""
        return None

    async def call(self, step: Step) -> Outcome:
        """Do a step; the leg of a live drill is a run of its own."""
        return await self._leg(step) if step.verb is Verb.ROUND_TRIP else await super().call(step)

    def step_done(self, step: Step) -> None:
        """Making a clone of a running replica is the drill's own work; restoring a copy is part of a recovery."""
        super().step_done(step)
        point: RecoveryPoint | None = self.ledger.point(step.component or "")
        if step.verb is Verb.CLONE_DATA and point is not None and point.kind == "stream":
            self.ledger.count_from = workflow.now()

    def drill_summary(self) -> DrillSummary | None:
        """What the next drill is compared with."""
        times, loss = reporting.times_of(self.ledger), reporting.loss_of(self.ledger)
        return summary(self.ledger, times.from_declared, loss.seconds)

    async def give_up_lease(self) -> None:
        """A live drill has none; its summary is kept all the same."""
        found = self.drill_summary()
        if self._live and found is not None and self.ledger.plan is not None:
            await self.note_drill(found)
        await super().give_up_lease()

    def _bubble(self) -> Bubble:
        drills, ledger = self.runbook.drills, self.ledger
        name = re.sub(r"[^a-z0-9]+", "-", ledger.workflow_id.lower()).strip("-")[-80:].strip("-")
        return Bubble(
            name=name,
            site=ledger.target,
            names=self._names(),
            canaries=drills.canaries,
            expires=workflow.now() + drills.limit + policies.UNDO_TIMEOUT,
        )

    def _names(self) -> dict[str, str]:
        address = self.runbook.drills.addresses.get(self.ledger.target)
        return {self.public_check().name: address} if address else {}

    async def _leg(self, step: Step) -> Outcome:
        """One leg, to its end. The id is the drill's own, so that a second attempt never runs beside the first."""
        self._legs += 1
        name = step.id.replace(".", "-")
        request = {
            "runbook": self.ledger.application,
            "reason": f"{name} of {self.ledger.workflow_id}",
            "requested_by": self.ledger.requested_by,
            "to": step.site,
        }
        try:
            report: Report = await workflow.execute_child_workflow(
                "Switchover",
                request,
                id=f"{self.ledger.workflow_id}/{name}-{self._legs}",
                task_queue=CONTROL_QUEUE,
                result_type=Report,
                static_summary=step.words,
                # A leg that has begun is followed to its end; it undoes itself, or goes forward, by its own rules.
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            )
        except (ChildWorkflowError, WorkflowAlreadyStartedError) as error:
            return Failed(Code.INTERNAL, f"The leg did not end well: {error.cause or error}.", attempt=1)
        if report.end_state in (RunState.RECOVERED, RunState.RECOVERED_DEGRADED):
            self._count(report)
            after = {"run": report.workflow_id, "outage_seconds": report.rta.from_approved}
            return Done(StepResult(detail=report.summary, after=after, findings=report.findings, loss=report.rpa))
        return Failed(report.code or Code.INTERNAL, report.summary, attempt=1)

    def _count(self, report: Report) -> None:
        """The drill's time to recover is that of its first leg."""
        if self.ledger.clock.verified is None and report.clock.verified is not None:
            self.ledger.count_from = report.clock.declared
            # Before the step itself is done, which would count its end as the pivot, behind the check.
            pivot = {"pivot": report.clock.pivot} if report.clock.pivot else {}
            self.ledger.mark(verified=report.clock.verified, **pivot)
