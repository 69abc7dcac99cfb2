"""The steps by which a component moves from one site to the other. The rules come from roles, never from kinds.

* data:    choose_recovery_point -> fence -> (restore) -> sync_delta -> promote -> health_check
* compute: start_instances -> health_check
* traffic: flip_dns; then the whole application is verified through its public name

Three lines cross the graph:

* The gate. Every step that users may notice needs it; the rest runs while people decide.
* The pivot. No promote starts before *every* data component is fenced and caught up: behind the first promote there is
  no way back, so nothing that could still fail in a reversible way may be left undone.
* The public check. Recovery is what a user can do, so the run's clock stops there and not at the last step of a part.

`cutover` is the step behind which users may notice something: the gate, or the agreed time after it.
"""

from collections.abc import Callable, Mapping, Sequence

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode, Phase, Step
from workflows.model.runbook import Component, Role, Tier
from workflows.model.verbs import Verb

from .steps import (
    VERIFY,
    can,
    data_components,
    make_step,
    make_verify,
    serving,
    serving_step,
    stands_on_data,
    streams,
)

NEEDED: Mapping[Role, Sequence[Verb]] = {
    Role.DATA: (Verb.OBSERVE, Verb.CHOOSE_RECOVERY_POINT, Verb.SYNC_DELTA, Verb.PROMOTE),
    Role.COMPUTE: (Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES),
    Role.TRAFFIC: (Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS),
}


def moving_steps(request: PlanRequest, cutover: str) -> list[Step]:
    """Every component's steps, the public check, and the count of what was lost."""
    steps: list[Step] = []
    for name, component in request.runbook.components.items():
        steps += _ROLE_STEPS[component.role](request, name, component, cutover)
    data = data_components(request)
    needs = (cutover, *(serving_step(name, part) for name, part in request.runbook.components.items()))
    steps.append(make_verify(request, Phase.FORWARD if data else Phase.COMMIT, needs))
    steps += [_measure_loss(request, name) for name in data if can(request, name, Verb.MEASURE_LOSS)]
    return steps


def restores(request: PlanRequest, component: Component) -> bool:
    """Whether the data comes back from a copy, and not by promoting a running replica."""
    return not streams(component) or request.choice != "latest"


def insist_on_restore(request: PlanRequest) -> None:
    """What comes back from a copy must be able to.

    Raises:
        PermanentError: UNSUPPORTED, naming the component.
    """
    for name in data_components(request):
        component = request.runbook.components[name]
        if restores(request, component) and not can(request, name, Verb.RESTORE):
            raise PermanentError(
                Code.UNSUPPORTED,
                f"The component {name} of kind {component.kind} cannot be restored from a recovery point.",
                "Choose the latest point of a continuous replication, or another kind.",
            )


def quiet_source(request: PlanRequest) -> list[str]:
    """Compute components that are stopped at the source before its data is fenced: what writes there must end first.
    In tier hot they run at both sites all the time, and the fence alone ends their writing."""
    if request.mode is Mode.UNPLANNED or request.runbook.tier is Tier.HOT:
        return []
    return [name for name, part in request.runbook.components.items() if part.role is Role.COMPUTE]


def _data_steps(request: PlanRequest, name: str, component: Component, cutover: str) -> list[Step]:
    source, target = request.source, request.target
    fence_worker = source if request.mode is Mode.PLANNED else target
    barrier = tuple(
        f"{other}.{Verb.FENCE if other in request.promoted else Verb.SYNC_DELTA}" for other in data_components(request)
    )
    quiet = tuple(f"{other}.stop_at_source" for other in quiet_source(request))
    choose = f"{name}.{Verb.CHOOSE_RECOVERY_POINT}"
    promoted = name in request.promoted
    return [
        *(
            []
            if promoted
            else [make_step(name, Verb.CHOOSE_RECOVERY_POINT, target, f"{name}: choose the recovery point at {target}")]
        ),
        make_step(
            name,
            Verb.FENCE,
            source,
            f"{name}: fence {source} and prove it",
            worker=fence_worker,
            needs=(cutover, *([] if promoted else [choose]), *quiet),
            phase=Phase.COMMIT,
            undo=Verb.UNFENCE,
            undo_words=f"let {source} serve again",
        ),
        *([] if promoted else _caught_up(request, name, component)),
        make_step(name, Verb.PROMOTE, target, f"{name}: promote at {target}", needs=barrier, phase=Phase.PIVOT),
        make_step(
            name,
            Verb.HEALTH_CHECK,
            target,
            f"{name}: accepts writes at {target}",
            needs=(f"{name}.{Verb.PROMOTE}", *serving(request, component)),
            phase=Phase.FORWARD,
            critical=component.critical,
        ),
    ]


def _caught_up(request: PlanRequest, name: str, component: Component) -> list[Step]:
    """What brings the data at the target to where it has to be."""
    restored = restores(request, component)
    return [
        *([_restore(request, name, component)] if restored else []),
        make_step(
            name,
            Verb.SYNC_DELTA,
            request.target,
            f"{name}: catch up at {request.target}",
            needs=(f"{name}.{Verb.FENCE}", *((f"{name}.{Verb.RESTORE}",) if restored else ())),
            phase=Phase.COMMIT,
        ),
    ]


def _restore(request: PlanRequest, name: str, component: Component) -> Step:
    """Where no replica runs, the copy is laid down while people decide. A replica is set aside only behind the fence:
    commits at the source may be waiting for it."""
    early = not streams(component) and request.mode is Mode.UNPLANNED
    return make_step(
        name,
        Verb.RESTORE,
        request.target,
        f"{name}: restore the recovery point at {request.target}",
        needs=(f"{name}.{Verb.CHOOSE_RECOVERY_POINT if early else Verb.FENCE}",),
        phase=Phase.PREPARE if early else Phase.COMMIT,
        undo=Verb.DISCARD_RESTORE,
        undo_words=f"put back what was at {request.target}",
    )


def _compute_steps(request: PlanRequest, name: str, component: Component, cutover: str) -> list[Step]:
    target = request.target
    after = _after_consent(request, component)
    start_phase = Phase.PREPARE if component.prewarm else after
    start_needs: tuple[str, ...] = () if component.prewarm else (cutover, *serving(request, component))
    undoable = start_phase is not Phase.FORWARD
    steps = [
        make_step(
            name,
            Verb.START_INSTANCES,
            target,
            f"{name}: start at {target}",
            needs=start_needs,
            phase=start_phase,
            undo=Verb.STOP_INSTANCES if undoable else None,
            undo_words=f"stop {name} at {target} if this run started it" if undoable else "",
            critical=component.critical,
        ),
        make_step(
            name,
            Verb.HEALTH_CHECK,
            target,
            f"{name}: checks pass at {target}",
            needs=(cutover, f"{name}.{Verb.START_INSTANCES}", *serving(request, component)),
            phase=after,
            critical=component.critical,
        ),
    ]
    if name in quiet_source(request):
        steps.append(_stop_at_source(request, name, cutover))
    return steps


def _stop_at_source(request: PlanRequest, name: str, cutover: str) -> Step:
    return make_step(
        name,
        Verb.STOP_INSTANCES,
        request.source,
        f"{name}: stop at {request.source}",
        name="stop_at_source",
        needs=(cutover,),
        phase=Phase.COMMIT,
        undo=Verb.START_INSTANCES,
        undo_words=f"start {name} at {request.source} again",
    )


def _traffic_steps(request: PlanRequest, name: str, component: Component, cutover: str) -> list[Step]:
    after = _after_consent(request, component)
    undoable = after is not Phase.FORWARD
    return [
        make_step(
            name,
            Verb.FLIP_DNS,
            request.target,
            f"{name}: send users to {request.target}",
            needs=(cutover, *serving(request, component)),
            phase=after,
            undo=Verb.RESTORE_DNS if undoable else None,
            undo_words=f"send users back to {request.source}" if undoable else "",
        )
    ]


_ROLE_STEPS: Mapping[Role, Callable[[PlanRequest, str, Component, str], list[Step]]] = {
    Role.DATA: _data_steps,
    Role.COMPUTE: _compute_steps,
    Role.TRAFFIC: _traffic_steps,
}


def _measure_loss(request: PlanRequest, name: str) -> Step:
    return make_step(
        name,
        Verb.MEASURE_LOSS,
        request.target,
        f"{name}: count what was lost",
        needs=(VERIFY,),
        phase=Phase.FORWARD,
        critical=False,
    )


def _after_consent(request: PlanRequest, component: Component) -> Phase:
    """What stands on promoted data comes after the pivot; all else stays reversible."""
    return Phase.FORWARD if stands_on_data(request, component) else Phase.COMMIT
