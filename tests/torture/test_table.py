"""docs/safety.md is what the code says, and names nothing that does not exist."""

import ast
from pathlib import Path

from tests.torture.cases import CASES
from tests.torture.mutations import MUTATIONS
from tests.torture.named import ROWS
from tests.torture.table import ROOT, TARGET, page, scenarios_of, shown_by


def test_the_page_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == page(), "run: python -m tests.torture.table"


def test_every_case_has_a_scenario_a_test_or_a_word() -> None:
    assert [case.number for case in CASES] == list(range(1, 64))
    assert [case.number for case in CASES if not (scenarios_of(case) or case.tests or case.said)] == []
    known = {case.number for case in CASES}
    assert {number for row in ROWS for number in row.cases} <= known


def test_every_test_that_is_named_exists() -> None:
    missing = [test for case in CASES for test in shown_by(case) if not _exists(test)]
    assert missing == []


def test_names_are_used_once_and_broken_engines_have_their_scenario() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {mutation.scenario for mutation in MUTATIONS} <= set(names)


def _exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    return file.exists() and (not name or name.rpartition("::")[2] in _functions(file))


def _functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
