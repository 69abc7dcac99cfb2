"""The runbooks for AWS are right, with the values that stand beside them, and can be planned."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.registry import Registry
from activities.runbook_file import read_runbook
from workers.cli.validate import problems_of
from workflows.model.messages import PlanRequest
from workflows.model.plan import Mode, Plan
from workflows.model.runbook import Runbook
from workflows.planning.failover import plan_failover
from workflows.planning.graph import dependants
from workflows.planning.steps import serving_step

RUNBOOKS = sorted((Path(__file__).parents[2] / "runbooks").glob("cloud-*.yaml"))
BOOKS = [path for path in RUNBOOKS if ".values." not in path.name]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_runbook_is_right(path: Path) -> None:
    assert [str(problem) for problem in problems_of(path, Registry()) if not problem.warning] == []


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_an_unplanned_failover_of_it_sends_users_over_last(path: Path) -> None:
    runbook, plan = planned(path)
    steps = [step.id for step in plan.steps]
    data = next(name for name, part in runbook.components.items() if part.role == "data")
    assert steps.index(f"{data}.promote") < steps.index("front.flip_dns")


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_nothing_serves_before_what_it_stands_on_is_seen_to_serve(path: Path) -> None:
    """By a check that passes, however long that takes, and not by a pause."""
    runbook, plan = planned(path)
    waits = [(name, need) for name, part in runbook.components.items() for need in part.needs]
    assert waits
    for name, need in waits:
        assert serving_step(name, runbook.components[name]) in dependants(
            plan, serving_step(need, runbook.components[need])
        )


def planned(path: Path) -> tuple[Runbook, Plan]:
    """Its unplanned failover."""
    loaded = read_runbook(path, Registry(), examples=True)
    request = PlanRequest(
        runbook=loaded.runbook, verbs=loaded.verbs, source="primary", target="recovery", mode=Mode.UNPLANNED
    )
    return loaded.runbook, plan_failover(request)


# --- Identifiers that cannot be right ---

OTHERS = {"": "a blank", "i-0123456789abcdef0": "an instance", "vol-0123456789abcdef0": "a volume", "nowhere": "a word"}
TYPED = ("subnet-", "sg-", "lt-", "ami-", "arn:", "Z")


def leaves(value: Any, *way: str | int) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text of the settings, with the way to it."""
    if isinstance(value, str):
        yield way, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if _many(value) else ()):
        yield from leaves(inner, *way, key)


def _many(value: Any) -> bool:
    return isinstance(value, list | tuple)


def exchanged(value: Any, way: tuple[str | int, ...], text: str) -> Any:
    """The same, with another text at the end of the way."""
    if not way:
        return text
    if isinstance(value, dict):
        return value | {way[0]: exchanged(value[way[0]], way[1:], text)}
    return [exchanged(inner, way[1:], text) if at == way[0] else inner for at, inner in enumerate(value)]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_blank_and_an_identifier_of_another_kind_are_refused_when_it_is_read(path: Path) -> None:
    """Each text of each component is tried; nothing is asked of AWS by then."""
    tried = 0
    for part in read_runbook(path, Registry(), examples=True).runbook.components.values():
        model = Registry().get(part.kind).Settings
        model.model_validate(part.settings)
        for way, text in leaves(part.settings):
            for other in OTHERS if text.startswith(TYPED) else [""]:
                with pytest.raises(ValidationError):
                    model.model_validate(exchanged(part.settings, way, other))
                tried += 1
    print(f"{path.stem}: {tried} tried")
    assert tried > 20
