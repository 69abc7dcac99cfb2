"""Workflow code is refused here, in its source, what Temporal's sandbox refuses while it runs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "workflows").rglob("*.py"))

ALLOWED = {
    *("abc", "asyncio", "collections.abc", "contextlib", "dataclasses", "datetime", "enum", "hashlib", "html", "json"),
    *("re", "typing", "urllib.parse", "pydantic", "temporalio", "temporalio.common", "temporalio.exceptions"),
    *("temporalio.workflow", "pydantic.json_schema", "shlex"),
    # Its tables change with Python: they decide on the texts of messages only, which no replay compares.
    "unicodedata",
}
"""What workflow code may import, besides itself. None of it reads a clock, a file, a socket or the environment, but
for the calls below."""

UNDETERMINED = {
    "now",
    "utcnow",
    "today",
    "sleep",
    "wait",
    "as_completed",
    "open",
    "input",
    "exec",
    "eval",
    "id",
    "hash",
}
"""Calls that differ from one execution to the next: the clock, the event loop's own order, addresses in memory."""

OF_TEMPORAL = {"workflow.now", "workflow.sleep", "workflow.wait", "workflow.as_completed"}

MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


def called(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.rpartition(".")[2] in UNDETERMINED and name not in OF_TEMPORAL:
                yield f"{name}() in line {node.lineno}"


def shared(tree: ast.Module) -> Iterator[str]:
    """What stands in a module and can change: one run would see what another did."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"global in line {node.lineno}"
    for node in tree.body:
        frozen = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith(("Mapping", "Sequence"))
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, MUTABLE) and not frozen:
            yield f"line {node.lineno}: annotate it as a Mapping, a Sequence or a frozenset"


def faults(source: str) -> list[str]:
    tree = ast.parse(source)
    strange = (name for name in imported(tree) if name not in ALLOWED and not name.startswith("workflows."))
    return [*strange, *called(tree), *shared(tree)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_workflow_code_cannot_see_what_replay_would_not_repeat(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from time import time",
        "from os import environ",
        "import uuid",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "asyncio.sleep(1)",
        "asyncio.wait(tasks)",
        "open('x')",
        "hash('a')",
        "SEEN = {}",
        "SEEN: dict[str, int] = {}",
        "def f():\n    global seen",
    ],
)
def test_what_differs_between_two_executions_is_found(source: str) -> None:
    assert faults(source)
