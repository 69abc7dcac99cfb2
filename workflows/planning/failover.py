"""Failover, as a graph of steps. The rules come from roles, never from kinds.

* data:    choose_recovery_point -> fence -> sync_delta -> promote -> health_check
* compute: start_instances -> health_check
* traffic: flip_dns; then the whole application is verified through its public name

Three lines cross the graph:

* The gate. Every step that users may notice needs it; the rest runs while people decide.
* The pivot. No promote starts before *every* data component is fenced and caught up: behind the first promote there is
  no way back, so nothing that could still fail in a reversible way may be left undone.
* The public check. Recovery is what a user can do, so the run's clock stops there and not at the last step of a part.
"""

from collections.abc import Mapping
from datetime import timedelta

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode, Operation, Phase, Plan, Step
from workflows.model.runbook import Component, ReplicationMode, Role, Tier
from workflows.model.verbs import Verb

from .graph import in_order

GATE = "approve"
VERIFY = "public.verify"

_EXPECTED: Mapping[Verb, float] = {
    Verb.CHOOSE_RECOVERY_POINT: 0.2,
    Verb.FENCE: 0.5,
    Verb.SYNC_DELTA: 0.5,
    Verb.PROMOTE: 0.5,
    Verb.START_INSTANCES: 2.0,
    Verb.HEALTH_CHECK: 1.0,
    Verb.FLIP_DNS: 1.5,
    Verb.VERIFY: 0.5,
    Verb.MEASURE_LOSS: 2.0,
}


def plan_failover(request: PlanRequest) -> Plan:
    """The plan of a failover from `request.source` to `request.target`.

    Raises:
        PermanentError: UNSUPPORTED when a provider lacks a verb that the plan needs, or when the runbook's tier or
            replication asks for a path that this release does not have.
    """
    _refuse_unsupported(request)
    steps = [_gate(request)]
    for name, component in request.runbook.components.items():
        steps += _ROLE_STEPS[component.role](request, name, component)
    steps.append(_verify(request))
    steps += [_measure_loss(request, name) for name in _data(request) if _can(request, name, Verb.MEASURE_LOSS)]
    return Plan(
        operation=Operation.FAILOVER,
        mode=request.mode,
        application=request.runbook.application,
        source=request.source,
        target=request.target,
        steps=in_order(steps),
    )


def _gate(request: PlanRequest) -> Step:
    return Step(
        id=GATE,
        verb=Verb.GATE,
        words=f"people decide: fail over to {request.target}",
        site=request.target,
        worker="control",
        needs=tuple(f"{name}.{Verb.CHOOSE_RECOVERY_POINT}" for name in _data(request)),
        phase=Phase.PREPARE,
        timeout=request.runbook.approvals.rule(request.mode is Mode.PLANNED).expires,
        expected=0.0,
    )


def _data_steps(request: PlanRequest, name: str, component: Component) -> list[Step]:
    source, target = request.source, request.target
    fence_worker = source if request.mode is Mode.PLANNED else target
    barrier = tuple(f"{other}.{Verb.SYNC_DELTA}" for other in _data(request))
    return [
        _step(name, Verb.CHOOSE_RECOVERY_POINT, target, f"{name}: choose the recovery point at {target}"),
        _step(
            name,
            Verb.FENCE,
            source,
            f"{name}: fence {source} and prove it",
            worker=fence_worker,
            needs=(GATE, f"{name}.{Verb.CHOOSE_RECOVERY_POINT}"),
            phase=Phase.COMMIT,
            undo=Verb.UNFENCE,
            undo_words=f"let {source} serve again",
        ),
        _step(
            name,
            Verb.SYNC_DELTA,
            target,
            f"{name}: catch up at {target}",
            needs=(f"{name}.{Verb.FENCE}",),
            phase=Phase.COMMIT,
        ),
        _step(name, Verb.PROMOTE, target, f"{name}: promote at {target}", needs=barrier, phase=Phase.PIVOT),
        _step(
            name,
            Verb.HEALTH_CHECK,
            target,
            f"{name}: accepts writes at {target}",
            needs=(f"{name}.{Verb.PROMOTE}", *_serving(request, component)),
            phase=Phase.FORWARD,
            critical=component.critical,
        ),
    ]


def _compute_steps(request: PlanRequest, name: str, component: Component) -> list[Step]:
    target = request.target
    after = _after_consent(request, component)
    start_phase = Phase.PREPARE if component.prewarm else after
    start_needs: tuple[str, ...] = () if component.prewarm else (GATE, *_serving(request, component))
    undoable = start_phase is not Phase.FORWARD
    return [
        _step(
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
        _step(
            name,
            Verb.HEALTH_CHECK,
            target,
            f"{name}: checks pass at {target}",
            needs=(GATE, f"{name}.{Verb.START_INSTANCES}", *_serving(request, component)),
            phase=after,
            critical=component.critical,
        ),
    ]


def _traffic_steps(request: PlanRequest, name: str, component: Component) -> list[Step]:
    after = _after_consent(request, component)
    undoable = after is not Phase.FORWARD
    return [
        _step(
            name,
            Verb.FLIP_DNS,
            request.target,
            f"{name}: send users to {request.target}",
            needs=(GATE, *_serving(request, component)),
            phase=after,
            undo=Verb.RESTORE_DNS if undoable else None,
            undo_words=f"send users back to {request.source}" if undoable else "",
        )
    ]


_ROLE_STEPS = {Role.DATA: _data_steps, Role.COMPUTE: _compute_steps, Role.TRAFFIC: _traffic_steps}


def _verify(request: PlanRequest) -> Step:
    return Step(
        id=VERIFY,
        verb=Verb.VERIFY,
        words="write and read through the public name",
        site=request.target,
        worker=request.target,
        needs=(GATE, *(_serving_step(name, part) for name, part in request.runbook.components.items())),
        phase=Phase.FORWARD if _data(request) else Phase.COMMIT,
        expected=_EXPECTED[Verb.VERIFY],
    )


def _measure_loss(request: PlanRequest, name: str) -> Step:
    return _step(
        name,
        Verb.MEASURE_LOSS,
        request.target,
        f"{name}: count what was lost",
        needs=(VERIFY,),
        phase=Phase.FORWARD,
        critical=False,
    )


def _step(
    component: str,
    verb: Verb,
    site: str,
    words: str,
    *,
    worker: str = "",
    needs: tuple[str, ...] = (),
    phase: Phase = Phase.PREPARE,
    undo: Verb | None = None,
    undo_words: str = "",
    critical: bool = True,
) -> Step:
    return Step(
        id=f"{component}.{verb}",
        verb=verb,
        words=words[:50],
        component=component,
        site=site,
        worker=worker or site,
        needs=tuple(dict.fromkeys(needs)),
        phase=phase,
        undo=undo,
        undo_words=undo_words,
        timeout=timedelta(minutes=2),
        expected=_EXPECTED[verb],
        critical=critical,
    )


def _after_consent(request: PlanRequest, component: Component) -> Phase:
    """What stands on promoted data comes after the pivot; all else stays reversible."""
    return Phase.FORWARD if _stands_on_data(request, component) else Phase.COMMIT


def _stands_on_data(request: PlanRequest, component: Component) -> bool:
    needed = [request.runbook.components[need] for need in component.needs]
    return any(part.role is Role.DATA or _stands_on_data(request, part) for part in needed)


def _data(request: PlanRequest) -> list[str]:
    return [name for name, part in request.runbook.components.items() if part.role is Role.DATA]


def _serving(request: PlanRequest, component: Component) -> tuple[str, ...]:
    """The steps after which everything that the component needs is serving."""
    return tuple(_serving_step(need, request.runbook.components[need]) for need in component.needs)


def _serving_step(name: str, component: Component) -> str:
    return f"{name}.{Verb.FLIP_DNS if component.role is Role.TRAFFIC else Verb.HEALTH_CHECK}"


def _can(request: PlanRequest, name: str, verb: Verb) -> bool:
    return verb.value in request.verbs.get(name, ())


_NEEDED: Mapping[Role, tuple[Verb, ...]] = {
    Role.DATA: (Verb.OBSERVE, Verb.CHOOSE_RECOVERY_POINT, Verb.SYNC_DELTA, Verb.PROMOTE),
    Role.COMPUTE: (Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES),
    Role.TRAFFIC: (Verb.OBSERVE, Verb.FLIP_DNS, Verb.RESTORE_DNS),
}


def _refuse_unsupported(request: PlanRequest) -> None:
    if request.runbook.tier is Tier.COLD:
        raise PermanentError(
            Code.UNSUPPORTED,
            "A failover of tier cold wants a restore from a recovery point, which this release cannot do.",
            "Use tier hot or warm with continuous replication.",
        )
    for name, component in request.runbook.components.items():
        lacking = [verb.value for verb in _NEEDED[component.role] if not _can(request, name, verb)]
        if component.role is Role.DATA:
            lacking += _lacking_fence(request, name)
        if lacking:
            raise PermanentError(
                Code.UNSUPPORTED,
                f"The component {name} of kind {component.kind} cannot {', '.join(lacking)}.",
                "Choose a kind that can, or another role.",
            )
        if component.replication and component.replication.mode is not ReplicationMode.CONTINUOUS:
            raise PermanentError(
                Code.UNSUPPORTED,
                f"The component {name} is replicated by {component.replication.mode.value}, and a failover from copies "
                "is not in this release.",
                "Use mode continuous.",
            )


def _lacking_fence(request: PlanRequest, name: str) -> list[str]:
    """A planned failover fences through the provider. An unplanned one goes through the site's fence device; without
    one the fence step parks, and asks a person to accept the risk by name: refusing here would leave no way at all."""
    if request.mode is Mode.UNPLANNED:
        return []
    return [verb.value for verb in (Verb.FENCE, Verb.UNFENCE) if not _can(request, name, verb)]
