"""An isolated drill: the failover, on clones in a bubble.

open_bubble -> prove_isolation -> clone_data -> promote -> health_check ... -> verify inside -> close_bubble

Every step is in phase `prepare`: nothing here is a point of no return, and whatever goes wrong ends with the bubble
closed, since closing it is the undo of opening it and the last step of a drill that goes well. What users would notice
is simulated, and is counted as that. Where the bubble is a network of a cloud, nobody can ask anything inside: there
the clones' own status checks count, and the check through the public name is simulated too.
"""

from workflows.model.messages import PlanRequest
from workflows.model.plan import Operation, Phase, Plan, Step
from workflows.model.runbook import Component, Role
from workflows.model.verbs import Verb

from .graph import in_order
from .steps import GATE, LONG, VERIFY, can, insist_on, make_gate, make_site_step, make_step, make_verify, serving_step

OPEN = "bubble.open_bubble"
ISOLATED = "bubble.prove_isolation"
CLOSE = "bubble.close_bubble"


def plan_drill(request: PlanRequest) -> Plan:
    """The plan of an isolated drill at `request.target`.

    Raises:
        PermanentError: UNSUPPORTED when a data component cannot be cloned and is not marked as simulated.
    """
    insist_on(request, {Role.DATA: (Verb.OBSERVE, Verb.CHOOSE_RECOVERY_POINT)})
    steps = [_open(request), _isolated(request)]
    for name, component in request.runbook.components.items():
        steps += _component_steps(request, name, component)
    used = [serving_step(name, part) for name, part in request.runbook.components.items()]
    verify = make_verify(request, Phase.PREPARE, used)
    steps.append(_simulated(verify) if request.runbook.sites[request.target].bubble else verify)
    steps.append(_close(request, (VERIFY,)))
    return Plan(
        operation=Operation.DRILL,
        mode=request.mode,
        application=request.runbook.application,
        source=request.source,
        target=request.target,
        steps=in_order(steps, request.limits),
    )


def plan_live_drill(request: PlanRequest) -> Plan:
    """The plan of a round trip: a switchover to `request.target`, and the way back to `request.source`.

    Once users are at the other site the drill only goes forward: the second leg is parked, never given up in silence.
    """
    gate = make_gate(request, f"people decide: drill live, {request.source} and back", [])
    out = _leg("out", request.target, f"move to {request.target}", (GATE,), Phase.PIVOT)
    back = _leg("back", request.source, f"move back to {request.source}", (out.id,), Phase.FORWARD)
    return Plan(
        operation=Operation.DRILL,
        mode=request.mode,
        application=request.runbook.application,
        source=request.source,
        target=request.target,
        steps=in_order([gate, out, back]),
    )


def _leg(name: str, site: str, words: str, needs: tuple[str, ...], phase: Phase) -> Step:
    return Step(
        id=name,
        verb=Verb.ROUND_TRIP,
        words=words,
        site=site,
        worker="control",
        needs=needs,
        phase=phase,
        timeout=LONG,
        expected=30.0,
    )


def _real(request: PlanRequest, name: str) -> bool:
    component = request.runbook.components[name]
    if component.drill.simulate or component.role is Role.TRAFFIC:
        return False
    return component.role is not Role.DATA or can(request, name, Verb.CLONE_DATA)


def _component_steps(request: PlanRequest, name: str, component: Component) -> list[Step]:
    needs = [ISOLATED, *(serving_step(need, request.runbook.components[need]) for need in component.needs)]
    if not _real(request, name):
        return [_left_out(request, name, component, needs)]
    if component.role is Role.DATA:
        return _data_steps(request, name, needs)
    return _compute_steps(request, name, needs)


def _data_steps(request: PlanRequest, name: str, needs: list[str]) -> list[Step]:
    target = request.target
    return [
        make_step(name, Verb.CHOOSE_RECOVERY_POINT, target, f"{name}: choose the recovery point at {target}"),
        make_step(
            name,
            Verb.CLONE_DATA,
            target,
            f"{name}: a clone in the bubble",
            needs=(ISOLATED, f"{name}.{Verb.CHOOSE_RECOVERY_POINT}"),
        ),
        make_step(name, Verb.PROMOTE, target, f"{name}: promote the clone", needs=(f"{name}.{Verb.CLONE_DATA}",)),
        make_step(
            name,
            Verb.HEALTH_CHECK,
            target,
            f"{name}: the clone accepts writes",
            needs=(f"{name}.{Verb.PROMOTE}", *needs),
        ),
    ]


def _compute_steps(request: PlanRequest, name: str, needs: list[str]) -> list[Step]:
    target = request.target
    return [
        make_step(name, Verb.START_INSTANCES, target, f"{name}: start a clone in the bubble", needs=needs),
        make_step(
            name,
            Verb.HEALTH_CHECK,
            target,
            f"{name}: checks pass in the bubble",
            needs=(f"{name}.{Verb.START_INSTANCES}",),
        ),
    ]


def _simulated(step: Step) -> Step:
    changes = {"verb": Verb.SIMULATE, "worker": "control", "expected": 0.0}
    return step.model_copy(update={**changes, "words": f"{step.words} (simulated)"[:50]})


def _left_out(request: PlanRequest, name: str, component: Component, needs: list[str]) -> Step:
    shown = serving_step(name, component)
    return Step(
        id=shown,
        verb=Verb.SIMULATE,
        words=f"{name}: {shown.rpartition('.')[2].replace('_', ' ')} (simulated)"[:50],
        component=name,
        site=request.target,
        worker="control",
        needs=tuple(needs),
        phase=Phase.PREPARE,
        expected=0.0,
    )


def _open(request: PlanRequest) -> Step:
    return make_site_step(
        "bubble",
        Verb.OPEN_BUBBLE,
        request.target,
        f"open a bubble at {request.target}",
        undo=Verb.CLOSE_BUBBLE,
        undo_words="close the bubble and remove all that is in it",
    )


def _isolated(request: PlanRequest) -> Step:
    words = "nothing outside can be reached from the bubble"
    return make_site_step("bubble", Verb.PROVE_ISOLATION, request.target, words, needs=(OPEN,))


def _close(request: PlanRequest, needs: tuple[str, ...]) -> Step:
    return make_site_step("bubble", Verb.CLOSE_BUBBLE, request.target, "close the bubble, leave nothing", needs=needs)
