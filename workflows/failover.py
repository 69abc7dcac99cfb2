"""Failover: move an application to the other site when its own may be gone, or, planned, while both are healthy."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.engine import policies
from workflows.engine.facts import approval_facts
from workflows.engine.gate import Gate, code_for
from workflows.engine.run import RecoveryRun, Refused
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import FailoverRequest, Lease, ObserveRequest, PlanRequest, Target, site_queue
from workflows.model.observed import Observation, Reach
from workflows.model.plan import Mode, Operation, Plan
from workflows.model.report import Report
from workflows.model.runbook import Role, Runbook
from workflows.planning.evidence import highest_epoch, is_settled, judge_failover
from workflows.planning.failover import GATE, plan_failover


@workflow.defn(name="Failover")
class Failover(RecoveryRun):
    """One failover of one application."""

    @workflow.init
    def __init__(self, request: FailoverRequest | None = None) -> None:
        super().__init__(Operation.FAILOVER)
        if request is not None:
            self._take(request)

    @workflow.run
    async def run(self, request: FailoverRequest | None = None) -> Report:
        if request is None:
            raise ApplicationError(
                f"Failover wants an input such as {FailoverRequest.example}. Nothing was started.",
                type=Code.INVALID_INPUT,
                non_retryable=True,
            )
        return await self.conduct(self._fail_over(request))

    async def _fail_over(self, request: FailoverRequest) -> None:
        """The procedure, as an operator would say it."""
        runbook = await self.load(request.runbook)
        self._insist_on_a_requester(request, runbook)
        lease = await self.acquire(runbook)
        self._choose_direction(request, runbook, lease)
        await self._look_around(runbook)
        self._refuse_without_evidence(runbook)
        await self._rise_above_what_stands(runbook, lease)
        plan = self._make_plan(runbook)
        self._open_gate(runbook, plan)
        await self.execute(plan)

    async def pivot_in_the_world(self) -> str | None:
        """A data component that accepts writes at the target was promoted by an earlier execution of this run."""
        target = self.ledger.target
        data = [name for name, part in self.runbook.components.items() if part.role is Role.DATA]
        for look in await asyncio.gather(*(self._look(self.runbook, name, target, target) for name in data)):
            if look.reach is Reach.SERVING:
                return f"{look.component} at {target} accepts writes, so the point of no return is behind."
        return None

    # --- The stations ---

    def _take(self, request: FailoverRequest) -> None:
        ledger = self.ledger
        ledger.application = request.runbook
        ledger.mode = Mode.PLANNED if request.planned else Mode.UNPLANNED
        ledger.requested_by, ledger.reason = request.requested_by, request.reason
        if request.detected_at is not None:
            ledger.mark(detected=request.detected_at)

    def _insist_on_a_requester(self, request: FailoverRequest, runbook: Runbook) -> None:
        """Where the requester may not approve, an unnamed one would make that rule worth nothing."""
        rule = runbook.approvals.rule(request.planned)
        if request.requested_by == "unknown" and not rule.requester_may_approve:
            raise Refused(
                Code.INVALID_INPUT,
                "Whoever asks may not approve here, so the run must know who asks.",
                'Add your name to the input: "requested_by": "carl".',
            )

    def _choose_direction(self, request: FailoverRequest, runbook: Runbook, lease: Lease) -> None:
        source = lease.active_site
        target = request.to or runbook.other_sites(source)[0]
        if target not in runbook.sites:
            raise Refused(
                Code.INVALID_INPUT,
                f"The runbook {runbook.application} has no site {target!r}.",
                f"Name one of: {', '.join(runbook.other_sites(source))}.",
            )
        if target == source:
            raise Refused(
                Code.ALREADY_ACTIVE,
                f"{runbook.application} is active at {target} already.",
                f"To move it away from there, name another site: {', '.join(runbook.other_sites(source))}.",
            )
        self.ledger.source, self.ledger.target = source, target
        self.changed()

    async def _look_around(self, runbook: Runbook) -> None:
        """Look at everything from every vantage point at once.

        The old site's own worker is asked too, since it may live behind a broken path; but its silence is waited for
        only when the others saw something unclear.
        """
        ledger, planned = self.ledger, self.ledger.mode is Mode.PLANNED
        source, target = ledger.source, ledger.target
        data = [name for name, part in runbook.components.items() if part.role is Role.DATA]
        own = [asyncio.ensure_future(self._look(runbook, name, source, source)) for name in data]
        outside = [self._look(runbook, name, source, observer) for name in data for observer in ("control", target)]
        inside = [self._look(runbook, name, target, target) for name in runbook.components]
        looks = await asyncio.gather(*outside, *inside)
        ledger.observations += looks
        if planned or not is_settled([look for look in looks if look.component in data and look.site == source]):
            ledger.observations += await asyncio.gather(*own)
        else:
            for pending in own:
                pending.cancel()
        self.changed()

    async def _look(self, runbook: Runbook, name: str, site: str, observer: str) -> Observation:
        target = Target(
            name=name,
            component=runbook.components[name],
            site=site,
            source=self.ledger.source,
            target=self.ledger.target,
        )
        at_old_site = observer == self.ledger.source
        options = policies.look(policies.OLD_SITE_PATIENCE, tries=1) if at_old_site else policies.look()
        try:
            seen: Observation = await workflow.execute_activity(
                "observe",
                ObserveRequest(target=target, observer=observer),
                task_queue=site_queue(observer),
                result_type=Observation,
                summary=f"{name} at {site}, seen by {observer}",
                **options,
            )
        except ActivityError as error:
            cause = error.cause
            why = cause.message if isinstance(cause, ApplicationError) else f"the worker of {observer} did not answer"
            return Observation(
                component=name, site=site, observer=observer, reach=Reach.UNKNOWN, at=workflow.now(), detail=why
            )
        return seen

    def _refuse_without_evidence(self, runbook: Runbook) -> None:
        ledger = self.ledger
        refusal = judge_failover(runbook, ledger.mode, ledger.source, ledger.target, ledger.observations)
        if refusal is not None:
            raise Refused(refusal.code, refusal.sentence, refusal.next_step)

    async def _rise_above_what_stands(self, runbook: Runbook, lease: Lease) -> None:
        """An epoch that stands in the world is never repeated, not even when the entity lost its memory."""
        standing = highest_epoch(self.ledger.observations)
        if standing >= lease.epoch:
            await self.acquire(runbook, floor=standing)

    def _make_plan(self, runbook: Runbook) -> Plan:
        ledger = self.ledger
        assert ledger.loaded is not None
        try:
            plan = plan_failover(
                PlanRequest(
                    runbook=runbook,
                    verbs=ledger.loaded.verbs,
                    source=ledger.source,
                    target=ledger.target,
                    mode=ledger.mode,
                )
            )
        except PermanentError as error:
            raise Refused(error.code, error.sentence, error.next_step) from error
        ledger.adopt(plan)
        return plan

    def _open_gate(self, runbook: Runbook, plan: Plan) -> None:
        ledger = self.ledger
        rule = runbook.approvals.rule(ledger.mode is Mode.PLANNED)
        ledger.gate = Gate(
            step=GATE,
            code=code_for(ledger.run_id, GATE, plan.hash),
            question=f"Fail over {ledger.application} from {ledger.source} to {ledger.target} ({ledger.mode.value})?",
            rule=rule,
            requester=ledger.requested_by,
            expires=workflow.now() + rule.expires,
            facts=lambda: approval_facts(ledger, runbook),
        )
