"""The rules of the house that a linter does not see."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.common import SearchAttributeIndexedValueType

from activities.bench import Bench
from activities.providers.registry import KINDS, Registry
from infra.lab.plan import SEARCH_ATTRIBUTES
from workers.guard import OURS, check_package_names
from workers.worker import WORKFLOWS, verb_activities
from workflows.engine.attributes import ALL
from workflows.model.verbs import Verb

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in (*OURS, "infra") for path in (ROOT / folder).rglob("*.py")]


def test_every_verb_is_an_activity_of_its_name(tmp_path) -> None:
    bench = Bench(Registry(), "control", tmp_path)
    names = {activity._Definition.must_from_callable(found).name for found in verb_activities(bench)}
    waits = {Verb.GATE, Verb.WINDOW, Verb.HOLD_OFF, Verb.LOOK_AGAIN, Verb.SIMULATE, Verb.ROUND_TRIP}
    assert names == {verb.value for verb in Verb if verb not in waits}


def test_every_workflow_message_has_a_name_and_a_description() -> None:
    for found in WORKFLOWS:
        definition = workflow._Definition.must_from_class(found)
        assert definition.name == found.__name__
        for message in (*definition.updates.values(), *definition.queries.values()):
            assert message.name
            assert message.description, f"{definition.name}.{message.name} is shown in the Web UI without a word"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_loads_and_says_what_it_can_do(kind: str) -> None:
    provider = Registry().get(kind)
    assert provider.kind == kind
    assert provider.verbs


def test_only_ours_owns_the_generic_package_names() -> None:
    check_package_names()


def test_files_stay_short_enough_to_read() -> None:
    lines = {path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {path: count for path, count in lines.items() if count > 400} == {}, "is it one room, or two?"


def test_functions_stay_short_enough_to_read() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long == []


def test_help_loads_nothing_heavy() -> None:
    """The promise is half a second; what keeps it is that no client library is imported."""
    heavy = ("temporalio", "pydantic", "rich", "asyncio", "psycopg", "dns", "yaml", "httpx")
    code = f"import sys, workers.cli.main; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]"


def test_the_lab_registers_every_search_attribute_that_runs_set() -> None:
    """The lab names them as text, so that starting it does not load the SDK."""
    types = {"Keyword": SearchAttributeIndexedValueType.KEYWORD, "Int": SearchAttributeIndexedValueType.INT}
    registered = {tuple(entry.split("=")) for entry in SEARCH_ATTRIBUTES}
    assert {(name, types[kind]) for name, kind in registered} == {(key.name, key.indexed_value_type) for key in ALL}
