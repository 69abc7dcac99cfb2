"""What a `Replicate` does now, by what is due. Pure: points and times go in, steps and a verdict come out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from workflows.model.base import bytes_in_words, in_words
from workflows.model.entity import CopyState, ReplicationState
from workflows.model.messages import PlanRequest, StepResult
from workflows.model.observed import RecoveryPoint
from workflows.model.plan import Step
from workflows.model.runbook import Component, ReplicationMode, Role
from workflows.model.verbs import Verb

from .steps import can, make_step, streams

PULL_LOG = "pull_log"
"""The step that brings the log beside the copies of a component that streams too: between two of them any moment can
then be restored."""

LITTLE_ROOM = 0.1
"""The share of a volume below which its room is called little."""


def copying_steps(request: PlanRequest, name: str, points: Sequence[RecoveryPoint], now: datetime) -> list[Step]:
    """The steps of one data component, one after the other."""
    component, target = request.runbook.components[name], request.target
    verbs: list[tuple[Verb, str, str]] = []
    if can(request, name, Verb.MEASURE_CAPACITY):
        # First: what fails for want of room is then told with it.
        verbs.append((Verb.MEASURE_CAPACITY, "", f"{name}: what room there is at {target}"))
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


def clearing_steps(request: PlanRequest) -> list[Step]:
    """What removes, at both sites, what runs have launched and taken back again. It comes after the copies: its failure
    says nothing of them."""
    launching = (name for name, part in request.runbook.components.items() if part.role is Role.COMPUTE)
    words = "remove what runs left behind"
    return [
        make_step(name, Verb.PRUNE, request.target, f"{name}: {words}")
        for name in launching
        if can(request, name, Verb.PRUNE)
    ]


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


def copy_of(
    name: str, lag: float | None, results: Sequence[StepResult], last: ReplicationState | None, now: datetime
) -> CopyState:
    """What the turn found of one component's copy; throughput by what has come in since the last turn, or by what the
    copying itself measured."""
    found: dict[str, Any] = {}
    for result in results:
        found |= {key: value for key, value in result.after.items() if value is not None}
    copy = CopyState(
        component=name,
        lag_seconds=lag,
        free_bytes=found.get("free_bytes"),
        volume_bytes=found.get("volume_bytes"),
        received_bytes=found.get("received_bytes"),
        bytes_per_second=found.get("bytes_per_second"),
    )
    before = next((old for old in last.copies if old.component == name), None) if last else None
    if last is None or before is None or before.received_bytes is None or copy.received_bytes is None:
        return copy
    came, seconds = copy.received_bytes - before.received_bytes, (now - last.at).total_seconds()
    # A counter that fell is another replica's: nothing is known of the time between.
    return copy.model_copy(update={"bytes_per_second": came / seconds}) if came >= 0 and seconds > 0 else copy


def told(copy: CopyState, promised: float) -> str:
    """One component's copy, for people."""
    if copy.lag_seconds is None:
        return f"{copy.component}: how far the copy is behind was not measured"
    over = " MORE THAN THE RPO" if copy.lag_seconds > promised else ""
    words = [f"{copy.component} is {in_words(copy.lag_seconds)} behind (RPO {in_words(promised)}){over}"]
    if copy.bytes_per_second is not None:
        words.append(f"{bytes_in_words(copy.bytes_per_second)}/s come in")
    if copy.free_bytes is not None and copy.volume_bytes:
        share = copy.free_bytes / copy.volume_bytes
        little = "ONLY " if share < LITTLE_ROOM else ""
        words.append(f"{little}{bytes_in_words(copy.free_bytes)} ({share:.0%}) free there")
    return ", ".join(words)
