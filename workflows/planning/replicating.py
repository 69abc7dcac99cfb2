"""What a `Replicate` does now, by what is due. Pure: points and times go in, steps and a verdict come out."""

from collections.abc import Sequence
from datetime import datetime

from workflows.model.base import in_words
from workflows.model.messages import PlanRequest
from workflows.model.observed import RecoveryPoint
from workflows.model.plan import Step
from workflows.model.runbook import Component, ReplicationMode
from workflows.model.verbs import Verb

from .steps import can, make_step, streams

PULL_LOG = "pull_log"
"""The step that brings the log beside the copies of a component that streams too: between two of them any moment can
then be restored."""


def copying_steps(request: PlanRequest, name: str, points: Sequence[RecoveryPoint], now: datetime) -> list[Step]:
    """The steps of one data component, one after the other."""
    component, target = request.runbook.components[name], request.target
    verbs: list[tuple[Verb, str, str]] = []
    if streams(component) and can(request, name, Verb.MEASURE_LAG):
        verbs.append((Verb.MEASURE_LAG, "", f"{name}: {target} really follows"))
    if snapshot_due(component, points, now) and can(request, name, Verb.SNAPSHOT):
        verbs.append((Verb.SNAPSHOT, "", f"{name}: a restorable copy at {target}"))
    if component.replication and component.replication.mode is not ReplicationMode.CONTINUOUS:
        verbs.append((Verb.SYNC_DELTA, "", f"{name}: bring what is new to {target}"))
    elif component.replication and component.replication.snapshots:
        verbs.append((Verb.SYNC_DELTA, PULL_LOG, f"{name}: the log of the copies at {target}"))
    if component.replication and component.replication.snapshots and can(request, name, Verb.PRUNE):
        verbs.append((Verb.PRUNE, "", f"{name}: remove old copies at {target}"))
    return [make_step(name, verb, target, words, name=step) for verb, step, words in verbs]


def choice_of(step: Step) -> str:
    """What a step asks for by `StepRequest.choice`: `archive` where only the log beside the copies is meant."""
    return "archive" if step.id.endswith(f".{PULL_LOG}") else "latest"


def snapshot_due(component: Component, points: Sequence[RecoveryPoint], now: datetime) -> bool:
    """Whether the newest copy is as old as the runbook lets it be."""
    wanted = component.replication.snapshots if component.replication else None
    if wanted is None:
        return False
    taken = [point.taken for point in points if point.taken is not None]
    return not taken or now - max(taken) >= wanted.every


def lag_of(component: Component, points: Sequence[RecoveryPoint], now: datetime) -> float | None:
    """How many seconds a component that does not stream is behind: since the last moment that its copies cover."""
    covered = [until for point in points if (until := point.covers_until or point.taken) is not None]
    return max(0.0, (now - max(covered)).total_seconds()) if covered and not streams(component) else None


def told(name: str, lag: float | None, promised: float) -> str:
    """One component's lag, for people."""
    if lag is None:
        return f"{name}: how far the copy is behind was not measured"
    over = " MORE THAN THE RPO" if lag > promised else ""
    return f"{name} is {in_words(lag)} behind (RPO {in_words(promised)}){over}"
