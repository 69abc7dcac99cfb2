"""`seawall doctor`: what is missing on this machine for the runbooks that are here."""

import importlib.util
import json
from pathlib import Path

import pytest

from infra.lab.layout import ROOT
from workers.cli.doctor import run_doctor

WANTED = {"cloud-pair": "AWS", "shop": "PostgreSQL"}


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    run_doctor(json_output=True)
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


@pytest.fixture(params=sorted(WANTED))
def runbook(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only one on this machine."""
    name = str(request.param)
    for suffix, beside in ((".yaml", ".yaml"), (".values.example.yaml", ".values.yaml")):
        (tmp_path / f"{name}{beside}").write_bytes((ROOT / "runbooks" / f"{name}{suffix}").read_bytes())
    monkeypatch.setenv("SEAWALL_RUNBOOKS", str(tmp_path))
    monkeypatch.setenv("SEAWALL_TEMPORAL_ADDRESS", "127.0.0.1:1")
    return name


def test_a_library_is_missing_where_a_runbook_wants_it_and_else_not(
    runbook: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = {"psycopg", "boto3"}
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else found(name))
    seen = rows(capsys)
    assert seen["runbooks"]["good"], seen["runbooks"]
    wanted = WANTED[runbook]
    (other,) = set(WANTED.values()) - {wanted}
    assert (seen[wanted]["good"], seen[other]["good"]) == (False, True)
    assert runbook in str(seen[wanted]["detail"])
    assert str(seen[wanted]["mend"]).startswith("pip install")
    assert seen["lab"]["good"]


def test_nothing_is_missing_where_all_is_there(runbook: str, capsys: pytest.CaptureFixture[str]) -> None:
    seen = rows(capsys)
    assert runbook in str(seen["runbooks"]["detail"])
    assert [name for name, row in seen.items() if not row["good"]] == ["Temporal"]
