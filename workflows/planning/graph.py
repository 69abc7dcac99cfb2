"""The plan as a graph: its order, what depends on what, and the longest path through it."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from workflows.model.plan import Phase, Plan, Step
from workflows.model.progress import CompiledPlan, CompiledStep

Limits = Mapping[str, Mapping[str, timedelta]]


def in_order(steps: Iterable[Step], limits: Limits | None = None) -> tuple[Step, ...]:
    """The steps so that each comes after all that it needs, otherwise in the order given; `limits` are those of the
    components' providers, by component and verb, and let a step take longer than it would be given.

    Raises:
        ValueError: for a cycle, a need that does not exist, or an id that stands twice.
    """
    waiting = [_given_time(step, limits or {}) for step in steps]
    ids = [step.id for step in waiting]
    if len(set(ids)) != len(ids):
        raise ValueError("a step id stands twice in the plan")
    placed: dict[str, Step] = {}
    while waiting:
        ready = [step for step in waiting if all(need in placed for need in step.needs)]
        if not ready:
            raise ValueError(f"steps that wait for each other, or for nothing: {', '.join(s.id for s in waiting)}")
        for step in ready:
            placed[step.id] = step
        waiting = [step for step in waiting if step.id not in placed]
    return tuple(placed.values())


def _given_time(step: Step, limits: Limits) -> Step:
    limit = limits.get(step.component or "", {}).get(step.verb.value)
    return step.model_copy(update={"timeout": limit}) if limit and limit > step.timeout else step


def dependants(plan: Plan, step_id: str) -> set[str]:
    """The ids of all steps that need this one, directly or through others."""
    found: set[str] = set()
    for step in plan.steps:
        if step_id in step.needs or found.intersection(step.needs):
            found.add(step.id)
    return found


def undo_order(plan: Plan, started: Iterable[str]) -> list[Step]:
    """The started steps that have an undo, each before all that it needed."""
    chosen = set(started)
    return [step for step in reversed(plan.steps) if step.id in chosen and step.undo is not None]


def compile_plan(plan: Plan) -> CompiledPlan:
    """The plan with the earliest start of each step and the critical path, by expected seconds.

    The wait for people counts as nothing: it is not the plan's to shorten. What runs while they decide is shown by
    `approvals_after_seconds`, the expected time from the approval to the end.
    """
    earliest: dict[str, float] = {}
    previous: dict[str, str | None] = {}
    for step in plan.steps:
        latest = max(step.needs, key=lambda need: earliest[need] + plan.step(need).expected, default=None)
        previous[step.id] = latest
        earliest[step.id] = earliest[latest] + plan.step(latest).expected if latest else 0.0
    last = max(plan.steps, key=lambda step: earliest[step.id] + step.expected)
    critical = set()
    cursor: str | None = last.id
    while cursor:
        critical.add(cursor)
        cursor = previous[cursor]
    end = earliest[last.id] + last.expected
    consent = min((earliest[s.id] for s in plan.steps if s.phase in (Phase.COMMIT, Phase.PIVOT)), default=0.0)
    return CompiledPlan(
        plan=plan,
        steps=tuple(
            CompiledStep(step=step, earliest=earliest[step.id], on_critical_path=step.id in critical)
            for step in plan.steps
        ),
        expected_seconds=end,
        approvals_after_seconds=end - consent,
    )
