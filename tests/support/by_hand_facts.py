"""Runs as they stood, over the shipped runbooks: what the page for break-glass is made of."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from activities.providers.registry import Registry
from activities.runbook_file import read_runbook
from workflows.model.hand_over import HandOver
from workflows.model.messages import PlanRequest
from workflows.model.observed import Observation, Reach
from workflows.model.plan import Mode, Operation
from workflows.model.progress import RunState, StepRecord, StepState
from workflows.model.runbook import Runbook
from workflows.planning.failover import plan_failover
from workflows.planning.reprotect import plan_reprotect
from workflows.planning.switchover import plan_switchover

AT = datetime(2026, 11, 22, 14, 5, 33, tzinfo=UTC)
RUN = "failover/shop/2026-11-22T14-05-33Z"
_PLANNERS = {
    Operation.FAILOVER: plan_failover,
    Operation.SWITCHOVER: plan_switchover,
    Operation.FAILBACK: plan_switchover,
    Operation.REPROTECT: plan_reprotect,
}


def facts_of(
    runbook: str = "shop",
    operation: Operation = Operation.FAILOVER,
    mode: Mode = Mode.UNPLANNED,
    done: Collection[str] = (),
    states: Mapping[str, StepState] | None = None,
    change: Runbook | None = None,
) -> HandOver:
    """A run of a shipped runbook with the values of its example, from primary to recovery, under epoch 3."""
    root = Path(__file__).parents[2]
    loaded = read_runbook(root / "runbooks" / f"{runbook}.yaml", Registry(), examples=True)
    plan = _PLANNERS[operation](
        PlanRequest(
            runbook=loaded.runbook,
            verbs=loaded.verbs,
            source="primary",
            target="recovery",
            mode=mode,
            operation=operation,
        )
    )
    known = dict.fromkeys(done, StepState.DONE) | dict(states or {})
    return HandOver(
        at=AT,
        workflow_id=RUN,
        run_id="1",
        state=RunState.RUNNING,
        requested_by="ben",
        reason="site A is gone",
        declared=AT,
        epoch=3,
        runbook=change or loaded.runbook,
        plan=plan,
        steps=tuple(
            StepRecord(
                id=step.id,
                component=step.component,
                site=step.site,
                kind=step.verb,
                words=step.words,
                phase=step.phase,
                state=known.get(step.id, StepState.PENDING),
            )
            for step in plan.steps
        ),
        observations=(
            Observation(
                component="front",
                site="recovery",
                observer="recovery",
                reach=Reach.STANDBY,
                at=AT,
                facts={"addresses": ["10.1.0.20"], "epoch": 2},
            ),
        ),
    )
