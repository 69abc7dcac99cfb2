"""What has happened in a run so far: the one mutable state of the engine. It records; it decides nothing."""

from collections.abc import Iterable
from datetime import datetime

from workflows.model.entity import DrillSummary, Lease
from workflows.model.messages import Bubble, LoadedRunbook, StepResult
from workflows.model.notices import NoticeRecord
from workflows.model.observed import Consistency, Divergence, FenceProof, Finding, Observation, RecoveryPoint
from workflows.model.plan import Mode, Operation, Phase, Plan, Step
from workflows.model.progress import ParkedStep, RunState, StepRecord, StepState
from workflows.model.report import ApprovalRecord, Clock, OperatorAction
from workflows.model.verbs import Verb

from .gate import Gate


class Ledger:
    """The record of one run."""

    def __init__(self, operation: Operation, workflow_id: str, run_id: str, declared: datetime) -> None:
        self.operation = operation
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.application = ""
        self.mode = Mode.UNPLANNED
        self.requested_by = "unknown"
        self.reason = ""
        self.loaded: LoadedRunbook | None = None
        self.lease: Lease | None = None
        self.plan: Plan | None = None
        self.preflight: tuple[Finding, ...] | None = None
        """What a recovery at the target would stumble over, what blocks it first; null until that is known."""
        self.source = ""
        self.target = ""
        self.choice = "latest"
        self.adopts: int | None = None
        """The epoch of the orphaned lease that this run takes over."""
        self.overridden = ""
        """What was seen and not heeded, and why; empty when the evidence agreed."""
        self.flapping: datetime | None = None
        """When the last failover ended, if that is so lately that two people must agree."""
        self.bubble: Bubble | None = None
        self.count_from: datetime | None = None
        """Where a drill's recovery begins: making the clones is no part of it."""
        self.last_drill: DrillSummary | None = None
        self.clock = Clock(declared=declared)
        self.records: dict[str, StepRecord] = {}
        self.results: dict[str, StepResult] = {}
        self.undone: dict[str, StepResult] = {}
        """What the undo of a step answered."""
        self.observations: list[Observation] = []
        self.approvals: list[ApprovalRecord] = []
        self.actions: list[OperatorAction] = []
        self.parked: dict[str, ParkedStep] = {}
        self.left: set[str] = set()
        """Steps whose effect stands, or may, because a person said to leave it so."""
        self.gate: Gate | None = None
        self.notices: list[NoticeRecord] = []
        self.acknowledged = ""
        """Who sees to all that waits for people, and since when; empty while something waits for somebody."""
        self.state = RunState.STARTING
        self.end_code = ""
        self.end_reason = ""

    # --- The steps ---

    def adopt(self, plan: Plan) -> None:
        """Take the plan: from here on there are steps to show."""
        self.plan = plan
        for step in plan.steps:
            self.records[step.id] = StepRecord(
                id=step.id,
                component=step.component,
                site=step.site,
                kind=step.verb.value,
                words=step.words,
                phase=step.phase.value,
                undo=step.undo_words,
            )

    def update(self, step_id: str, **changes: object) -> None:
        """Change fields of a step's record."""
        self.records[step_id] = self.records[step_id].model_copy(update=changes)

    def done(self, step: Step, result: StepResult, at: datetime) -> None:
        """A step succeeded."""
        self.results[step.id] = result
        self.update(
            step.id,
            state=StepState.DONE,
            ended=at,
            attempts=result.attempt,
            provider_seconds=result.provider_seconds,
            detail=result.detail,
            code="",
            before=result.before,
            after=result.after,
            checks=result.checks,
        )

    def in_state(self, *states: StepState) -> list[StepRecord]:
        """The steps that are in one of these states, in the plan's order."""
        return [record for record in self.records.values() if record.state in states]

    def is_behind(self, step_id: str) -> bool:
        """Whether what needs this step may go on."""
        return self.records[step_id].state in (StepState.DONE, StepState.SKIPPED)

    # --- What was proved and seen ---

    @property
    def proofs(self) -> tuple[FenceProof, ...]:
        """The fence proofs of this run."""
        return tuple(result.proof for result in self.results.values() if result.proof is not None)

    @property
    def divergences(self) -> tuple[Divergence, ...]:
        """What only the old site had."""
        return tuple(result.divergence for result in self.results.values() if result.divergence is not None)

    @property
    def comparisons(self) -> tuple[Consistency, ...]:
        """The comparisons of both sites, in the order in which they were made."""
        return tuple(result.consistency for result in self.results.values() if result.consistency is not None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person should know or mend."""
        of_steps = (finding for result in self.results.values() for finding in result.findings)
        return (*(self.preflight or ()), *of_steps)

    @property
    def protected(self) -> bool | None:
        """Whether replication runs away from the serving site at the end of this run; null when it did not touch it."""
        protects = [step for step in self.plan.steps if step.verb is Verb.PROTECT] if self.plan else []
        if protects and all(self.records[step.id].state is StepState.DONE for step in protects):
            return True
        moved = self.plan is not None and any(self._takes_protection(step) for step in self.plan.steps)
        return False if moved else None

    def _takes_protection(self, step: Step) -> bool:
        """Whether the replica is, or may be, none any more by this step. A promote that was definitely refused changed
        nothing; a rebuild has perhaps overwritten half of it, however it ended."""
        record = self.records[step.id]
        if step.verb is Verb.REBUILD_REPLICA:
            return record.started is not None
        may_stand = record.state in (StepState.RUNNING, StepState.DONE, StepState.UNKNOWN) or step.id in self.left
        return step.verb is Verb.PROMOTE and step.phase is Phase.PIVOT and may_stand

    def point(self, component: str) -> RecoveryPoint | None:
        """The recovery point that was chosen for a component."""
        points = (result.point for result in self.results.values() if result.point is not None)
        return next((point for point in points if point.component == component), None)

    def position(self, component: str) -> str | None:
        """Where the component's data ended at the fenced site, when that could be read."""
        return next((proof.position for proof in self.proofs if proof.component == component), None)

    def seen(self, component: str, site: str) -> Observation | None:
        """The best look at a component at a site: one that saw something, before one that saw nothing."""
        looks = [look for look in self.observations if look.component == component and look.site == site]
        return max(looks, key=lambda look: len(look.facts), default=None)

    def standing(self) -> tuple[str, ...]:
        """The effects of this run that stand now, in words."""
        plan = self.plan
        if plan is None or self._bubble_is_gone():
            return ()
        return tuple(self._standing_words(plan.steps))

    def _bubble_is_gone(self) -> bool:
        """Whether all that a drill did went away with its bubble."""
        states = {record.kind: record.state for record in self.records.values()}
        undone = states.get(Verb.OPEN_BUBBLE) is StepState.UNDONE
        return self.bubble is not None and (undone or states.get(Verb.CLOSE_BUBBLE) is StepState.DONE)

    def _standing_words(self, steps: Iterable[Step]) -> Iterable[str]:
        for step in steps:
            record = self.records[step.id]
            if not step.verb.mutates:
                continue
            if record.state is StepState.DONE and self.results[step.id].changed:
                yield step.words
            elif record.state in (StepState.UNKNOWN, StepState.UNDO_FAILED):
                yield f"{step.words} (may stand: {record.state.value})"
            elif step.id in self.left:
                yield f"{step.words} (may stand: left by a person)"

    @property
    def asked_for_pivot(self) -> bool:
        """Whether this execution began a promote, however it ended."""
        steps = self.plan.steps if self.plan else ()
        return any(step.phase is Phase.PIVOT and self.records[step.id].started is not None for step in steps)

    def touched_the_world(self) -> bool:
        """Whether any effect was attempted, even if nothing of it stands now."""
        return self.plan is not None and any(self._touched(step) for step in self.plan.steps)

    def _touched(self, step: Step) -> bool:
        result = self.results.get(step.id)
        started = self.records[step.id].started is not None
        return step.verb.mutates and started and (result is None or result.changed)

    # --- The clock, the people ---

    def mark(self, **moments: datetime) -> None:
        """Set a moment of the clock, once: the first time counts."""
        self.clock = self.clock.model_copy(
            update={name: at for name, at in moments.items() if getattr(self.clock, name) is None}
        )

    def note(self, action: str, by: str, at: datetime, step: str | None = None, reason: str = "") -> None:
        """A person did something to the run."""
        self.actions.append(OperatorAction(action=action, by=by, at=at, step=step, reason=reason))
