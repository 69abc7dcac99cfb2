"""What is shipped beside the code: the example runbook, its values, the schema and the authors' guide."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import workflows.model.runbook as model
from activities.providers.registry import Registry
from activities.runbook_file import SCHEMA_FILE, check_runbook, read_runbook, runbook_schema
from workflows.model.base import Strict

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "runbooks" / "shop.yaml"


def test_the_example_runbook_is_right_with_the_example_values(tmp_path: Path) -> None:
    for name in ("shop.yaml", "shop.values.example.yaml"):
        (tmp_path / name).write_bytes((ROOT / "runbooks" / name).read_bytes())
    found = check_runbook(tmp_path / "shop.yaml", Registry(), examples=True)
    assert [problem.field for problem in found if not problem.field.startswith("review")] == [""]
    assert "shop.values.example.yaml" in found[0].wrong
    loaded = read_runbook(tmp_path / "shop.yaml", Registry(), examples=True)
    assert "promote" in loaded.verbs["db"]
    assert loaded.runbook.components["db"].settings["sites"]["primary"]["port"] == 5432


def test_the_committed_schema_is_up_to_date() -> None:
    committed = json.loads((ROOT / SCHEMA_FILE).read_text(encoding="utf-8"))
    assert committed == runbook_schema(Registry()), "run: python -m activities.runbook_file --schema"


def test_the_schema_allows_placeholders_where_other_values_are_expected() -> None:
    schema = runbook_schema(Registry())
    definitions = schema["$defs"]
    shapes = {
        ("Replication", "synchronous"): "boolean",
        ("TcpCheck", "port"): "integer",
        ("Objectives", "rto"): "string",
        ("Component", "needs"): "array",
    }
    for (name, field), kind in shapes.items():
        choices = definitions[name]["properties"][field]["anyOf"]
        assert choices[0]["type"] == kind
        assert re.search(definitions[choices[1]["$ref"].rsplit("/", 1)[1]]["pattern"], "${a_name}")
    assert schema["properties"]["deadline"]["default"] == "4h"
    assert definitions["HttpCheck"]["properties"]["kind"]["const"] == "http"


def test_the_schema_knows_the_settings_of_each_kind() -> None:
    definitions = runbook_schema(Registry())["$defs"]
    kinds = {
        rule["if"]["properties"]["kind"]["const"]: rule["then"]["properties"]["settings"]["$ref"]
        for name in ("Component", "FenceDevice", "BubbleDevice")
        for rule in definitions[name]["allOf"]
    }
    assert sorted(kinds) == Registry().kinds
    assert all(ref.rsplit("/", 1)[1] in definitions for ref in kinds.values())


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    text = json.dumps(runbook_schema(Registry()))
    names = set(re.findall(r'"#/\$defs/([^"]+)"', text))
    assert names <= json.loads(text)["$defs"].keys()


def _models() -> list[type[BaseModel]]:
    own = [item for item in vars(model).values() if isinstance(item, type) and item.__module__ == model.__name__]
    return [item for item in own if issubclass(item, Strict)]


@pytest.mark.parametrize("part", _models(), ids=lambda part: part.__name__)
def test_the_guide_names_every_field(part: type[BaseModel]) -> None:
    guide = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    missing = [name for name in part.model_fields if f"`{name}`" not in guide]
    assert missing == []


def test_the_runbook_of_the_guide_is_right(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", guide, re.DOTALL)
    assert [name for name, _ in blocks] == ["wiki.yaml", "wiki.values.yaml"]
    for name, text in blocks:
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = check_runbook(tmp_path / "wiki.yaml", Registry())
    assert [str(problem) for problem in found if not problem.field.startswith("review")] == []


def test_the_schema_command_writes_the_schema(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    run = [sys.executable, "-W", "error", "-m", "activities.runbook_file", "--schema"]
    subprocess.run(run, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    written = json.loads((tmp_path / SCHEMA_FILE).read_text(encoding="utf-8"))
    assert written["title"] == "Seawall runbook"
