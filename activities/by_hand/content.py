"""What the page says, before it is Markdown or HTML: who, where it stands, what is left and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass

from activities.providers.by_hand import ByHand
from activities.providers.registry import Registry
from activities.report_render.words import clean, stamp
from workflows.model.hand_over import HandOver
from workflows.model.notices import Audience
from workflows.model.plan import Mode, Operation, Phase, Plan, Step
from workflows.model.progress import StepRecord, StepState
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .form import form_text
from .steps import Hands

Rows = tuple[tuple[str, str], ...]

_BEHIND = (StepState.DONE, StepState.SKIPPED, StepState.UNDONE)
_BEGUN = (StepState.DONE, StepState.RUNNING, StepState.UNKNOWN)
_STATES = {
    StepState.PENDING: "not begun",
    StepState.RUNNING: "RUNNING when this was written: it may have happened. LOOK FIRST",
    StepState.WAITING: "waiting for people",
    StepState.DONE: "done",
    StepState.FAILED: "failed, and known not to stand",
    StepState.UNKNOWN: "UNKNOWN: it may have happened. LOOK FIRST",
    StepState.SKIPPED: "left out",
    StepState.UNDOING: "BEING UNDONE when this was written. LOOK FIRST",
    StepState.UNDONE: "undone",
    StepState.UNDO_FAILED: "its undo failed: it may stand. LOOK FIRST",
}


@dataclass(frozen=True)
class StepView:
    """One step that is left."""

    id: str
    words: str
    state: str
    where: str
    after: tuple[str, ...]
    """What must be done before."""
    optional: bool
    hand: ByHand


@dataclass(frozen=True)
class Stage:
    """Steps that may be done at the same time, once all stages before are done."""

    number: int
    steps: tuple[StepView, ...]
    pivot: bool
    """The point of no return lies here."""


@dataclass(frozen=True)
class Page:
    """The page."""

    title: str
    written: str
    told: Rows
    people: Rows
    standing: tuple[tuple[str, str, str, str], ...]
    """Every step: its id, its words, where it acts, its state."""
    secrets: tuple[str, ...]
    pivot_behind: bool
    pivot: tuple[str, ...]
    """What the point of no return is, and what must never be done behind it."""
    stages: tuple[Stage, ...]
    back: tuple[StepView, ...]
    """What stands and may be undone, in the order in which that is done; empty when only forward is safe."""
    form: str


def make_page(facts: HandOver, registry: Registry) -> Page:
    """The page of a run as it stood at `facts.at`."""
    return _Making(facts, registry).page()


class _Making:
    def __init__(self, facts: HandOver, registry: Registry) -> None:
        self._facts, self._plan = facts, facts.plan
        self._records = {record.id: record for record in facts.steps}
        hands = Hands(facts, registry)
        self._hands = {step.id: hands.of(step) for step in self._plan.steps}
        self._begun = any(s.phase is Phase.PIVOT and self._state(s) in _BEGUN for s in self._plan.steps)

    def page(self) -> Page:
        plan, left = self._plan, [step for step in self._plan.steps if self._state(step) not in _BEHIND]
        stages = tuple(self._stages(left))
        back = () if self._begun else tuple(self._back())
        shown = [view.hand for stage in stages for view in stage.steps] + [view.hand for view in back]
        return Page(
            title=clean(f"By hand: {plan.operation} of {plan.application}, {_route(plan)}"),
            written=stamp(self._facts.at),
            told=tuple(self._told()),
            people=tuple(self._people()),
            standing=tuple(self._standing()),
            secrets=tuple(dict.fromkeys(place for hand in shown for place in hand.secrets)),
            pivot_behind=self._begun,
            pivot=tuple(self._pivot()),
            stages=stages,
            back=back,
            form=form_text(self._facts),
        )

    def _state(self, step: Step) -> StepState:
        return self._records[step.id].state

    def _told(self) -> Iterator[tuple[str, str]]:
        facts, plan = self._facts, self._plan
        yield "Run", clean(facts.workflow_id)
        yield (
            "Epoch",
            f"{facts.epoch}; every change carries it. Where a higher one stands, a later run has taken over",
        )
        yield "Asked for by", clean(f"{facts.requested_by}: {facts.reason}")
        yield "From", clean(f"{plan.source} ({facts.runbook.sites[plan.source].name})")
        yield "To", clean(f"{plan.target} ({facts.runbook.sites[plan.target].name})")
        yield "The run was", f"{facts.state.value} at {stamp(facts.at)}; it may have gone on since"

    def _people(self) -> Iterator[tuple[str, str]]:
        runbook = self._facts.runbook
        rule = runbook.approvals.rule(self._plan.operation, self._plan.mode is Mode.PLANNED)
        yield "Owner of the runbook", clean(f"{runbook.owner.name} <{runbook.owner.email}>")
        agreed = f"; agreed so far: {', '.join(self._facts.approved_by)}" if self._facts.approved_by else ""
        gate = next((step for step in self._plan.steps if step.verb is Verb.GATE), None)
        if gate is None or self._state(gate) is StepState.DONE:
            yield "Agreement", f"{'given' if gate else 'none is wanted'}{agreed}"
        else:
            own = "" if rule.requester_may_approve else f", and not {self._facts.requested_by}, who asked"
            yield (
                "Must agree",
                f"{rule.required} of {', '.join(rule.approvers)}{own}{agreed}. No machine asks now: ask them, and "
                "write their names into the form",
            )
        for audience in Audience:
            if channels := getattr(runbook.notices.audiences, audience.value):
                yield f"To be told ({audience.value.replace('_', ' ')})", f"by {', '.join(channels)}"

    def _standing(self) -> Iterator[tuple[str, str, str, str]]:
        for step in self._plan.steps:
            record = self._records[step.id]
            yield step.id, clean(step.words), step.site, _STATES[record.state]

    def _pivot(self) -> Iterator[str]:
        plan, parts = self._plan, self._facts.runbook.components
        data = ", ".join(name for name, part in parts.items() if part.role is Role.DATA)
        pivots = ", ".join(step.id for step in plan.steps if step.phase is Phase.PIVOT)
        if not pivots:
            return
        if plan.operation is Operation.REPROTECT:
            yield f"It is the first overwritten byte at {plan.source}: {pivots}."
            yield f"From then on there is one copy only, at {plan.target}: never stop it, never delete anything there."
            return
        yield f"It is the first accepted promote: {pivots}. From the moment that it is asked for, only forward is safe."
        yield f"Never start {data} at {plan.source} again, and never lift its fence: it would be a second writer."
        yield f"Never send users back to {plan.source}, and undo no step of this page."
        yield f"{plan.source} comes back as a replica, by seawall reprotect, and in no other way."

    def _stages(self, left: list[Step]) -> Iterator[Stage]:
        depth: dict[str, int] = {}
        for step in left:  # in the plan's order: what is needed comes first
            depth[step.id] = 1 + max((depth[need] for need in step.needs if need in depth), default=0)
        for number in range(1, max(depth.values(), default=0) + 1):
            steps = [step for step in left if depth[step.id] == number]
            pivot = any(step.phase is Phase.PIVOT for step in steps)
            yield Stage(number, tuple(self._view(step, self._forward(step)) for step in steps), pivot)

    def _forward(self, step: Step) -> ByHand:
        """Its commands, and its undo only while that is safe: nobody in need should find a way back that is none."""
        hand = self._hands[step.id]
        return hand.model_copy(update={"undo": ()}) if self._begun or step.undo is None else hand

    def _back(self) -> Iterator[StepView]:
        for step in reversed(self._plan.steps):
            hand = self._hands[step.id]
            if step.undo is not None and hand.undo and self._state(step) not in (StepState.PENDING, *_BEHIND[1:]):
                undo = ByHand(look=hand.look, act=hand.undo, secrets=hand.secrets)
                yield self._view(step.model_copy(update={"words": step.undo_words}), undo)

    def _view(self, step: Step, hand: ByHand) -> StepView:
        record: StepRecord = self._records[step.id]
        left = tuple(need for need in step.needs if self._records[need].state not in _BEHIND)
        detail = f" ({clean(record.detail)})" if record.detail else ""
        return StepView(
            id=step.id,
            words=clean(step.words),
            state=f"{_STATES[record.state]}{detail}",
            where="any machine that reaches both sites" if step.worker == "control" else f"a machine of {step.worker}",
            after=left,
            optional=not step.critical,
            hand=hand,
        )


def _route(plan: Plan) -> str:
    if plan.operation is Operation.REPROTECT:
        return f"{plan.source} follows {plan.target}"
    return f"from {plan.source} to {plan.target}"
