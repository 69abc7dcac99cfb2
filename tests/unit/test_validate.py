"""`seawall validate` and `seawall plan` as their users see them."""

import json
from pathlib import Path

import pytest

from tests.unit.runbook_kit import RUNBOOK, changed, registry, write
from workers.cli.plan import show_plan
from workers.cli.validate import BAD_INPUT, OK, validate
from workflows.model.policy import POLICY_FILE

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


def test_a_right_runbook_is_said_to_be_right(tmp_path: Path, capsys: Output) -> None:
    assert validate([write(tmp_path)], False, registry()) == OK
    assert capsys.readouterr().out == "1 file: all right.\n"


def test_each_problem_is_one_line_that_an_editor_can_follow(tmp_path: Path, capsys: Output) -> None:
    path = write(tmp_path, changed(("continuous", "continous"), ("rto: 2m", "rto: 2")))
    assert validate([path], False, registry()) == BAD_INPUT
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}:7:8 objectives.rto: expected a duration with its unit")
    assert lines[1] == (
        f"{path}:20:25 components.db.replication.mode: expected one of continuous, interval, backup; got 'continous'. "
        "Did you mean 'continuous'?"
    )
    assert lines[2] == "1 file: 2 problems, 0 warnings."


def test_a_warning_is_told_apart_and_does_not_fail(tmp_path: Path, capsys: Output) -> None:
    path = write(tmp_path, f"{RUNBOOK}deadline: 1m\n")
    assert validate([path], False, registry()) == OK
    lines = capsys.readouterr().out.splitlines()
    assert f"{path}:49:11 warning: deadline: " in lines[0]
    assert lines[-1] == "1 file: right, with 1 warning."


def test_what_this_release_cannot_plan_is_a_problem(tmp_path: Path, capsys: Output) -> None:
    copies = "{mode: interval, period: 15m, snapshots: {}}"
    path = write(tmp_path, changed(("{mode: continuous, synchronous: true}", copies), ("tier: hot", "tier: cold")))
    assert validate([path], False, registry()) == BAD_INPUT
    assert "cannot be restored from a recovery point" in capsys.readouterr().out


def test_json_is_a_list_of_problems(tmp_path: Path, capsys: Output) -> None:
    path = write(tmp_path, changed(("port: 5432", "port: no")))
    assert validate([path], True, registry()) == BAD_INPUT
    found = json.loads(capsys.readouterr().out)
    assert [(p["file"], p["line"], p["column"], p["field"], p["warning"]) for p in found] == [
        (str(path), 22, 13, "components.db.settings.port", False)
    ]
    assert validate([write(tmp_path)], True, registry()) == OK
    assert json.loads(capsys.readouterr().out) == []


def test_a_folder_stands_for_its_runbooks_and_values(tmp_path: Path, capsys: Output) -> None:
    write(tmp_path, changed(("port: 5432", "port: ${port}")), "port: 1\n")
    write(tmp_path, "application: other\n", name="other")
    assert validate([tmp_path], False, registry()) == BAD_INPUT
    out = capsys.readouterr().out
    assert "other.yaml:1:1 owner: this field is missing." in out
    assert "3 files: " in out
    assert "shop" not in out


@pytest.mark.parametrize("name", ["absent.yaml", "notes.txt", ""])
def test_what_is_no_runbook_is_refused_with_a_sentence(tmp_path: Path, capsys: Output, name: str) -> None:
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    assert validate([tmp_path / name], False, registry()) == BAD_INPUT
    assert capsys.readouterr().out.strip()


def test_markup_in_a_runbook_is_only_text(tmp_path: Path, capsys: Output) -> None:
    path = write(tmp_path, changed(("tier: hot", "tier: '[red]x[/nope]'")))
    assert validate([path], False, registry()) == BAD_INPUT
    assert "'[red]x[/nope]'" in capsys.readouterr().out


def test_the_plan_is_a_tree_with_phases_undo_and_the_pivot(tmp_path: Path, capsys: Output) -> None:
    assert show_plan(write(tmp_path), "failover", False, False, registry()) == OK
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "shop: unplanned failover from primary to recovery"
    assert max(map(len, lines)) <= 80
    assert out.index("fence primary") < out.index("==== PIVOT") < out.index("promote at recovery")
    assert out.count("PIVOT: no way back") == 1
    assert "while people decide; at recovery; nothing to undo" in out
    assert "undo: let" in out
    assert lines[-1].startswith("* critical path: ")
    assert "\x1b[" not in out


def test_the_plan_of_a_planned_failover_fences_from_its_own_site(tmp_path: Path, capsys: Output) -> None:
    assert show_plan(write(tmp_path), "failover", True, False, registry()) == OK
    out = capsys.readouterr().out
    assert out.startswith("shop: planned failover")
    assert "by the worker of recovery" not in out


def test_the_plan_as_json_has_the_steps_and_the_critical_path(tmp_path: Path, capsys: Output) -> None:
    assert show_plan(write(tmp_path), "failover", False, True, registry()) == OK
    found = json.loads(capsys.readouterr().out)
    marked = [item["step"]["expected"] for item in found["steps"] if item["on_critical_path"]]
    assert sum(marked) == pytest.approx(found["expected_seconds"])


@pytest.mark.parametrize(
    ("operation", "text", "told"),
    [
        ("fallover", RUNBOOK, "There is no plan for 'fallover'"),
        ("failover", changed(("tier: hot", "tier: hott")), "Did you mean 'hot'?"),
        ("failover", changed(("needs: [db]", "needs: [front]")), "wait for each other"),
        ("failover", changed(("kind: sim.data", "kind: sim.lame")), "cannot promote"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    tmp_path: Path, capsys: Output, operation: str, text: str, told: str
) -> None:
    assert show_plan(write(tmp_path, text), operation, False, False, registry()) == BAD_INPUT
    output = capsys.readouterr()
    assert told in output.err
    assert output.out == ""


def test_a_policy_is_checked_too_and_an_approver_without_the_role_is_told(tmp_path: Path, capsys: Output) -> None:
    file = write(tmp_path)
    policy = tmp_path / POLICY_FILE
    policy.write_text("people: {anna: {}}\neverywhere: {approver: [anna]}\n", encoding="utf-8")
    assert validate([tmp_path], False, registry()) == OK
    said = capsys.readouterr().out
    assert "ben is an approver here, and no approver by the policy" in said
    assert "anna is an approver" not in said
    policy.write_text("people: {anna: {}}\neverywhere: {approver: [ann]}\n", encoding="utf-8")
    assert validate([file, policy], False, registry()) == BAD_INPUT
    assert f"{POLICY_FILE}:2:25 everywhere.approver[0]: There is nobody called ann." in capsys.readouterr().out
