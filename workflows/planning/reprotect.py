"""Reprotect: replication is rebuilt from the serving site to the one that was left.

reopen_site -> archive_diverged -> rebuild_replica -> protect -> verify_consistency, for each data component.

The order is what keeps the data: nothing at the old site is overwritten before what only it has is archived and named,
and a site that was held off comes up with nothing of the application started, so that no stale primary ever serves.
Where nothing was overwritten in the end, it is held off again: whoever mended that machine would start a second writer.
The rebuild is this operation's pivot: it overwrites the old copy, and from then on the run only goes forward.
"""

from collections.abc import Mapping, Sequence

from workflows.model.messages import PlanRequest
from workflows.model.plan import Operation, Phase, Plan, Step
from workflows.model.runbook import Role, Tier
from workflows.model.verbs import Verb

from .graph import in_order
from .steps import GATE, can, data_components, insist_on, make_gate, make_site_step, make_step

REOPEN = "site.reopen_site"

NEEDED: Mapping[Role, Sequence[Verb]] = {Role.DATA: (Verb.OBSERVE, Verb.REBUILD_REPLICA, Verb.PROTECT)}


def plan_reprotect(request: PlanRequest) -> Plan:
    """The plan that makes `request.source` (the old site) follow `request.target`, which serves.

    Raises:
        PermanentError: UNSUPPORTED when a provider cannot rebuild its replica.
    """
    insist_on(request, NEEDED)
    data = data_components(request)
    archives = [_archive(request, name, (REOPEN,)) for name in data if _archives(request, name)]
    known = (REOPEN, *(step.id for step in archives))
    asks = request.runbook.failback.reprotect == "ask"
    gate = [make_gate(request, f"people decide: overwrite {request.source}", known)] if asks else []
    return Plan(
        operation=Operation.REPROTECT,
        mode=request.mode,
        application=request.runbook.application,
        source=request.source,
        target=request.target,
        steps=in_order(
            [_reopen(request), *archives, *gate, *following_steps(request, (GATE,) if asks else known, Phase.PIVOT)],
            request.limits,
        ),
    )


def following_steps(request: PlanRequest, needs: Sequence[str], rebuild: Phase) -> list[Step]:
    """What makes the old site follow, once it may be overwritten; the last part of every planned move too."""
    steps: list[Step] = []
    for name in data_components(request):
        steps += _follow(request, name, needs, rebuild)
    if request.runbook.tier is Tier.HOT:
        rebuilt = [f"{name}.{Verb.REBUILD_REPLICA}" for name in data_components(request)]
        steps += [
            make_step(
                name,
                Verb.START_INSTANCES,
                request.source,
                f"{name}: stand by at {request.source}",
                name="stand_by",
                needs=rebuilt,
                phase=Phase.FORWARD,
                critical=False,
            )
            for name, part in request.runbook.components.items()
            if part.role is Role.COMPUTE
        ]
    return steps


def _follow(request: PlanRequest, name: str, needs: Sequence[str], rebuild: Phase) -> list[Step]:
    source, target = request.source, request.target
    steps = []
    if rebuild is not Phase.PIVOT and _archives(request, name):
        steps.append(_archive(request, name, needs, Phase.FORWARD))
        needs = (f"{name}.{Verb.ARCHIVE_DIVERGED}",)
    steps += [
        make_step(
            name,
            Verb.REBUILD_REPLICA,
            source,
            f"{name}: {source} follows {target}",
            needs=needs,
            phase=rebuild,
        ),
        make_step(
            name,
            Verb.PROTECT,
            target,
            f"{name}: rely on the replica at {source}",
            needs=(f"{name}.{Verb.REBUILD_REPLICA}",),
            phase=Phase.FORWARD,
        ),
    ]
    if can(request, name, Verb.VERIFY_CONSISTENCY):
        steps.append(
            make_step(
                name,
                Verb.VERIFY_CONSISTENCY,
                target,
                f"{name}: both sites hold the same",
                name="verify_after",
                needs=(f"{name}.{Verb.PROTECT}",),
                phase=Phase.FORWARD,
            )
        )
    return steps


def _archives(request: PlanRequest, name: str) -> bool:
    return can(request, name, Verb.ARCHIVE_DIVERGED)


def _archive(request: PlanRequest, name: str, needs: Sequence[str], phase: Phase = Phase.PREPARE) -> Step:
    words = f"{name}: keep what only {request.source} has"
    return make_step(name, Verb.ARCHIVE_DIVERGED, request.source, words, needs=needs, phase=phase)


def _reopen(request: PlanRequest) -> Step:
    return make_site_step(
        "site",
        Verb.REOPEN_SITE,
        request.source,
        f"switch {request.source} on",
        worker=request.target,
        undo=Verb.CLOSE_SITE,
        undo_words=f"hold {request.source} off again",
    )
