"""Failover, as a graph of steps: the components move when people agree, and nothing of the failed site is asked."""

from workflows.model.failure import Code, PermanentError
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode, Operation, Plan
from workflows.model.verbs import Verb

from .graph import in_order
from .moving import NEEDED, insist_on_restore, moving_steps
from .steps import GATE, can, data_components, insist_on, make_gate


def plan_failover(request: PlanRequest) -> Plan:
    """The plan of a failover from `request.source` to `request.target`.

    Raises:
        PermanentError: UNSUPPORTED when a provider lacks a verb that the plan needs.
    """
    insist_on(request, NEEDED)
    insist_on_restore(request)
    _insist_on_the_latest(request)
    _insist_on_a_polite_fence(request)
    known = [f"{name}.{Verb.CHOOSE_RECOVERY_POINT}" for name in data_components(request)]
    gate = make_gate(request, f"people decide: fail over to {request.target}", known)
    return Plan(
        operation=Operation.FAILOVER,
        mode=request.mode,
        application=request.runbook.application,
        source=request.source,
        target=request.target,
        steps=in_order([gate, *moving_steps(request, GATE)]),
    )


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
