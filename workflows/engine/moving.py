"""The stations that failover, switchover and failback share, in the order in which a procedure passes them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.model.entity import Lease
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Looks, ObserveRequest, PlanRequest, Target, site_queue
from workflows.model.observed import Observation, Reach, Refusal
from workflows.model.plan import Mode, Operation, Plan
from workflows.model.requests import HoldingRequest, RunRequest
from workflows.model.runbook import ApprovalRule, Role
from workflows.planning.evidence import highest_epoch, is_settled
from workflows.planning.steps import GATE

from . import policies
from .authority import Authority
from .facts import approval_facts, loss_beyond_rpo
from .gate import Gate, code_for
from .holding import Refused
from .preflight import Preflight
from .run import RecoveryRun

Planner = Callable[[PlanRequest], Plan]


class Moving(RecoveryRun):
    """A run that looks at both sites, makes a plan between them, asks people, and carries it out."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self.preflight = Preflight(self)
        self.authority = Authority(self)

    def take(self, request: RunRequest, mode: Mode) -> None:
        """Note who asks for what."""
        ledger = self.ledger
        ledger.application, ledger.mode = request.runbook, mode
        ledger.requested_by, ledger.reason = request.requested_by, request.reason
        ledger.adopts = request.adopts if isinstance(request, HoldingRequest) else None

    @property
    def rule(self) -> ApprovalRule:
        """Who must agree to this run."""
        return self.runbook.approvals.rule(self.ledger.operation, self.ledger.mode is Mode.PLANNED)

    def insist_on_a_requester(self) -> None:
        """Where the requester may not approve, an unnamed one would make that rule worth nothing."""
        if self.ledger.requested_by == "unknown" and not self.rule.requester_may_approve:
            raise Refused(
                Code.INVALID_INPUT,
                "Whoever asks may not approve here, so the run must know who asks.",
                'Add your name to the input: "requested_by": "carl".',
            )

    def head_for(self, wanted: str | None, lease: Lease) -> None:
        """From the active site to the wanted one; to the other one when none is named."""
        runbook, source = self.runbook, lease.active_site
        target = wanted or runbook.other_sites(source)[0]
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

    # --- Looking ---

    async def look_around(self, *, patiently: bool) -> None:
        """Look at everything from every vantage point at once.

        The old site's own worker is asked too, since it may live behind a broken path; but its silence is waited for
        only when asked to be patient, or when the others saw something unclear. What one observer sees is one activity:
        each more would be another turn of the workflow while users wait.
        """
        ledger = self.ledger
        beside = self.places(self.runbook.components, ledger.target)
        ledger.observations += await self.look_at_source(beside, patiently=patiently)
        self.changed()

    async def look_at_source(self, beside: Sequence[Target] = (), *, patiently: bool) -> list[Observation]:
        """Look at the data of the old site from every vantage point, and from the target at what stands `beside`."""
        source, target = self.ledger.source, self.ledger.target
        data = self.places(self._data(), source)
        own = asyncio.ensure_future(self._look(data, source))
        seen = await asyncio.gather(self._look(data, "control"), self._look([*data, *beside], target))
        looks = [look for batch in seen for look in batch]
        if patiently or not is_settled([look for look in looks if look.site == source]):
            return [*looks, *await own]
        own.cancel()
        return looks

    async def look_at(self, site: str) -> None:
        """Look at one site only, from itself."""
        self.ledger.observations += await self._look(self.places(self.runbook.components, site), site)

    def places(self, names: Iterable[str], site: str) -> list[Target]:
        """Components at a site, as activities are told of them."""
        ledger, components = self.ledger, self.runbook.components
        return [
            Target(name=name, component=components[name], site=site, source=ledger.source, target=ledger.target)
            for name in names
        ]

    async def _look(self, places: Sequence[Target], observer: str) -> Sequence[Observation]:
        at_old_site = observer == self.ledger.source
        options = policies.look(policies.OLD_SITE_PATIENCE, tries=1) if at_old_site else policies.look()
        try:
            seen: Looks = await workflow.execute_activity(
                "observe",
                ObserveRequest(targets=tuple(places), observer=observer),
                task_queue=site_queue(observer),
                result_type=Looks,
                summary=f"{', '.join(f'{place.name} at {place.site}' for place in places)}, seen by {observer}"[:100],
                **options,
            )
        except ActivityError as error:
            cause = error.cause
            why = cause.message if isinstance(cause, ApplicationError) else f"the worker of {observer} did not answer"
            return [
                Observation(
                    component=place.name,
                    site=place.site,
                    observer=observer,
                    reach=Reach.UNKNOWN,
                    at=workflow.now(),
                    detail=why,
                )
                for place in places
            ]
        return seen.looks

    async def rise_above_what_stands(self, lease: Lease) -> None:
        """An epoch that stands in the world is never repeated, not even when the entity lost its memory."""
        standing = highest_epoch(self.ledger.observations)
        if standing >= lease.epoch:
            await self.acquire(self.runbook, floor=standing)

    async def pivot_in_the_world(self) -> str | None:
        """A data component that accepts writes at the target was promoted by an earlier execution of this run."""
        target = self.ledger.target
        for look in await self._look(self.places(self._data(), target), target):
            if look.reach is Reach.SERVING:
                return f"{look.component} at {target} accepts writes, so the point of no return is behind."
        return None

    def _data(self) -> list[str]:
        return [name for name, part in self.runbook.components.items() if part.role is Role.DATA]

    # --- Planning and asking ---

    def make_plan(self, planner: Planner, *, at: datetime | None = None) -> Plan:
        """The plan, by what the runbook wants and the providers can do."""
        ledger = self.ledger
        assert ledger.loaded is not None
        request = PlanRequest(
            runbook=self.runbook,
            verbs=ledger.loaded.verbs,
            limits=ledger.loaded.limits,
            source=ledger.source,
            target=ledger.target,
            mode=ledger.mode,
            operation=ledger.operation,
            choice=ledger.choice,
            at=at,
            adopts=ledger.adopts,
            promoted=self._promoted(),
        )
        try:
            plan = planner(request)
        except PermanentError as error:
            raise Refused(error.code, error.sentence, error.next_step) from error
        ledger.adopt(plan)
        return plan

    def _promoted(self) -> tuple[str, ...]:
        """What the run that is taken over has promoted at the target already."""
        ledger = self.ledger
        if ledger.adopts is None:
            return ()
        looks = [look for look in ledger.observations if look.site == ledger.target and look.reach is Reach.SERVING]
        return tuple(name for name in self._data() if any(look.component == name for look in looks))

    def open_gate(self, plan: Plan, question: str) -> None:
        """Ask people; the plan's gate waits for their answers."""
        ledger, runbook, rule = self.ledger, self.runbook, self.rule
        ledger.gate = Gate(
            step=GATE,
            code=code_for(ledger.run_id, GATE, plan.hash, ledger.lease.used_codes if ledger.lease else ()),
            question=question,
            rule=rule,
            requester=ledger.requested_by,
            expires=workflow.now() + rule.expires,
            facts=lambda: approval_facts(ledger, runbook, workflow.now(), self.preflight.awaited),
            loss=lambda: loss_beyond_rpo(ledger, runbook),
            proofs=runbook.approvals.proofs,
        )


def missing_input(name: str, request: type[RunRequest]) -> ApplicationError:
    """The answer to a start without an input: at once, in a sentence."""
    return ApplicationError(
        f"{name} wants an input such as {request.example}. Nothing was started.",
        type=Code.INVALID_INPUT,
        non_retryable=True,
    )


def refuse(refusal: Refusal | None) -> None:
    """Stop here when a judge of the evidence has found a reason."""
    if refusal is not None:
        raise Refused(refusal.code, refusal.sentence, refusal.next_step)
