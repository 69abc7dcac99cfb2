"""What a run would do, before anybody starts one: for `seawall plan`, and for every other door that shows it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from activities.providers.registry import Registry
    from workflows.model.progress import CompiledPlan

PLANNERS = {
    "failover": "workflows.planning.failover:plan_failover",
    "switchover": "workflows.planning.switchover:plan_switchover",
    "failback": "workflows.planning.switchover:plan_switchover",
    "reprotect": "workflows.planning.reprotect:plan_reprotect",
    "drill": "workflows.planning.drill:plan_drill",
    "live-drill": "workflows.planning.drill:plan_live_drill",
}


def compiled(
    file: Path,
    registry: "Registry",
    operation: str,
    *,
    planned: bool = False,
    choice: str = "latest",
    live: bool = False,
) -> "CompiledPlan":
    """The plan of an operation: from the runbook's home to its other site, and the way home for a failback.

    Raises:
        PermanentError: RUNBOOK_INVALID, or why there is no such plan.
    """
    from importlib import import_module

    from activities.runbook_file import read_runbook
    from workflows.model.messages import PlanRequest
    from workflows.model.plan import Mode, Operation
    from workflows.planning.graph import compile_plan

    operation = kind_of(operation, live)
    loaded = read_runbook(file, registry, examples=True)
    home = loaded.runbook.home
    other = loaded.runbook.other_sites(home)[0]
    # After a failover to the other site the way home begins there, and home is what is rebuilt.
    ends = (other, home) if operation == "failback" else (home, other)
    calm = planned or operation not in ("failover", "drill")
    request = PlanRequest(
        runbook=loaded.runbook,
        verbs=loaded.verbs,
        limits=loaded.limits,
        source=ends[0],
        target=ends[1],
        mode=Mode.PLANNED if calm else Mode.UNPLANNED,
        operation=Operation(operation.removeprefix("live-")),
        choice=choice,
    )
    module, _, name = PLANNERS[operation].partition(":")
    return compile_plan(getattr(import_module(module), name)(request))


def kind_of(operation: str, live: bool) -> str:
    """The planner's name.

    Raises:
        PermanentError: INVALID_INPUT, with the names that exist.
    """
    from workflows.model.failure import Code, PermanentError

    name = "live-drill" if live and operation == "drill" else operation
    if name not in PLANNERS:
        raise PermanentError(
            Code.INVALID_INPUT, f"There is no plan for {name[:40]!r}. Use one of {', '.join(PLANNERS)}."
        )
    return name
