"""Failover, as a graph of steps: the components move when people agree, and nothing of the failed site is asked."""

from datetime import timedelta

from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode, Operation, Phase, Plan, Step
from workflows.model.verbs import Verb

from .evidence import LATEST
from .graph import in_order
from .moving import NEEDED, insist_on_restore, moving_steps
from .steps import GATE, SHORT, can, data_components, insist_on, make_gate

HOLD_OFF = "source.hold_off"
LOOK_AGAIN = "source.look_again"


def plan_failover(request: PlanRequest) -> Plan:
    """The plan of a failover from `request.source` to `request.target`.

    Raises:
        PermanentError: UNSUPPORTED when a provider lacks a verb that the plan needs.
    """
    insist_on(request, NEEDED)
    insist_on_restore(request)
    _insist_on_the_latest(request)
    _insist_on_a_polite_fence(request)
    moved = [name for name in data_components(request) if name not in request.promoted]
    known = [f"{name}.{Verb.CHOOSE_RECOVERY_POINT}" for name in moved]
    gate = make_gate(request, f"people decide: fail over to {request.target}", known)
    waits = _hold_off(request)
    return Plan(
        operation=Operation.FAILOVER,
        mode=request.mode,
        application=request.runbook.application,
        source=request.source,
        target=request.target,
        steps=in_order([gate, *waits, *moving_steps(request, waits[-1].id if waits else GATE)], request.limits),
    )


def holds_off(request: PlanRequest) -> bool:
    """Whether the source must have been down for a while. Not where its health does not decide: in a planned move, in
    one back to an earlier moment, and in one that goes on from what another run has done to it."""
    lost = request.mode is Mode.UNPLANNED and request.choice == LATEST and request.adopts is None
    return lost and request.runbook.detection.hold_off > timedelta(0)


def _hold_off(request: PlanRequest) -> list[Step]:
    """Two steps before anything that users notice: the wait, beside the people who decide; and behind both a last look,
    for the case that people took long."""
    if not holds_off(request):
        return []
    seconds = request.runbook.detection.hold_off.total_seconds()
    wait = Step(
        id=HOLD_OFF,
        verb=Verb.HOLD_OFF,
        words=f"{request.source} stays down for {in_words(seconds)}",
        site=request.source,
        worker="control",
        phase=Phase.PREPARE,
        timeout=request.runbook.detection.hold_off + SHORT,
        expected=seconds,
    )
    look = Step(
        id=LOOK_AGAIN,
        verb=Verb.LOOK_AGAIN,
        words=f"{request.source} is down still",
        site=request.source,
        worker="control",
        needs=(GATE, HOLD_OFF),
        phase=Phase.PREPARE,
        expected=0.0,
    )
    return [wait, look]


def _insist_on_the_latest(request: PlanRequest) -> None:
    if request.mode is Mode.PLANNED and request.choice != "latest":
        raise PermanentError(
            Code.UNSUPPORTED,
            "A planned failover loses nothing, so it cannot go to an earlier recovery point.",
            "Start an unplanned failover to go back to one.",
        )


def _insist_on_a_polite_fence(request: PlanRequest) -> None:
    """A planned failover fences through the provider. An unplanned one goes through the site's fence device; without
    one the fence step parks, and asks a person to accept the risk by name: refusing here would leave no way at all."""
    if request.mode is Mode.UNPLANNED:
        return
    for name in data_components(request):
        lacking = [verb.value for verb in (Verb.FENCE, Verb.UNFENCE) if not can(request, name, verb)]
        if lacking:
            kind = request.runbook.components[name].kind
            raise PermanentError(
                Code.UNSUPPORTED,
                f"The component {name} of kind {kind} cannot {', '.join(lacking)}.",
                "Choose a kind that can, or fail over unplanned.",
            )
