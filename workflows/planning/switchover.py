"""Switchover and failback: a planned move without loss, proved before and after, and protected again at its end.

compare_sites, measure_lag, verify_consistency -> gate (-> agreed time) -> the move -> the old site follows.

Failback is the switchover home. It asks for no more and no less: what makes a way home safe makes a way out safe.
"""

from collections.abc import Mapping, Sequence

from workflows.model.messages import PlanRequest
from workflows.model.plan import Phase, Plan, Step
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import moving
from .graph import in_order
from .reprotect import following_steps
from .steps import GATE, VERIFY, WINDOW, can, data_components, insist_on, make_gate, make_step

NEEDED: Mapping[Role, Sequence[Verb]] = {
    **moving.NEEDED,
    Role.DATA: (*moving.NEEDED[Role.DATA], Verb.FENCE, Verb.UNFENCE, Verb.REBUILD_REPLICA, Verb.PROTECT),
}


def plan_switchover(request: PlanRequest) -> Plan:
    """The plan of a move from `request.source` to `request.target`; `request.operation` says whether it goes home.

    Raises:
        PermanentError: UNSUPPORTED when a provider lacks a verb that the plan needs.
    """
    insist_on(request, NEEDED)
    moving.insist_on_restore(request)
    preflight = _preflight(request)
    known = [*(step.id for step in preflight), *(f"{n}.{Verb.CHOOSE_RECOVERY_POINT}" for n in data_components(request))]
    gate = make_gate(request, f"people decide: move to {request.target}", known)
    window = [_window(request)] if request.at else []
    cutover = WINDOW if window else GATE
    steps = [*preflight, gate, *window, *moving.moving_steps(request, cutover)]
    return Plan(
        operation=request.operation,
        mode=request.mode,
        application=request.runbook.application,
        source=request.source,
        target=request.target,
        steps=in_order([*steps, *following_steps(request, (VERIFY,), Phase.FORWARD)], request.limits),
        at=request.at,
    )


def _preflight(request: PlanRequest) -> list[Step]:
    """All that may still say no, before anybody is asked."""
    source, target = request.source, request.target
    words = {
        Verb.COMPARE_SITES: f"{target} is equal to {source}",
        Verb.MEASURE_LAG: f"{target} really follows {source}",
        Verb.VERIFY_CONSISTENCY: "both sites hold the same",
    }
    return [
        make_step(name, verb, target, f"{name}: {said}", name="verify_before" if verb is _CONSISTENT else "")
        for name in data_components(request)
        for verb, said in words.items()
        if can(request, name, verb)
    ]


_CONSISTENT = Verb.VERIFY_CONSISTENCY


def _window(request: PlanRequest) -> Step:
    assert request.at is not None
    return Step(
        id=WINDOW,
        verb=Verb.WINDOW,
        words=f"wait until {request.at:%Y-%m-%d %H:%M} UTC",
        site=request.target,
        worker="control",
        needs=(GATE,),
        phase=Phase.PREPARE,
        expected=0.0,
    )
