"""The runbooks for AWS are right, with the values that stand beside them, and can be planned."""

from pathlib import Path

import pytest

from activities.providers.registry import Registry
from activities.runbook_file import read_runbook
from workers.cli.validate import problems_of
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode
from workflows.planning.failover import plan_failover

RUNBOOKS = sorted((Path(__file__).parents[2] / "runbooks").glob("cloud-*.yaml"))
BOOKS = [path for path in RUNBOOKS if ".values." not in path.name]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_runbook_is_right(path: Path) -> None:
    assert [str(problem) for problem in problems_of(path, Registry()) if not problem.warning] == []


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_an_unplanned_failover_of_it_sends_users_over_last(path: Path) -> None:
    loaded = read_runbook(path, Registry(), examples=True)
    plan = plan_failover(
        PlanRequest(
            runbook=loaded.runbook, verbs=loaded.verbs, source="primary", target="recovery", mode=Mode.UNPLANNED
        )
    )
    steps = [step.id for step in plan.steps]
    data = next(name for name, part in loaded.runbook.components.items() if part.role == "data")
    assert steps.index(f"{data}.promote") < steps.index("front.flip_dns")
