"""Runbooks from files: found, read, checked, frozen; and every fault told at its place."""

import random
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.runbook_file import Problem, RunbookFiles, check_runbook, find_runbook, read_runbook
from tests.unit.runbook_kit import RUNBOOK, changed, registry, settings_of, write
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import LoadRunbookRequest

TODAY = date(2026, 11, 22)


def check(folder: Path, text: str, values: str | None = None) -> list[Problem]:
    return check_runbook(write(folder, text, values), registry(), today=TODAY)


def test_a_right_runbook_has_no_problem_and_is_frozen_with_its_hash_and_verbs(tmp_path: Path) -> None:
    assert check(tmp_path, RUNBOOK) == []
    loaded = read_runbook(tmp_path / "shop.yaml", registry())
    assert loaded.runbook.application == "shop"
    assert settings_of(loaded.runbook, "db")["sites"] == {"primary": {"host": "a"}, "recovery": {"host": "b"}}
    assert loaded.verbs["app"] == ("observe", "start_instances", "stop_instances")
    assert len(loaded.sha256) == 64


def test_the_hash_follows_the_meaning_and_not_the_layout(tmp_path: Path) -> None:
    first = read_runbook(write(tmp_path), registry()).sha256
    same = changed(("rto: 2m\n  rpo: 5s", "rpo: 5s  # seconds\n  rto: 120s"))
    assert read_runbook(write(tmp_path, same), registry()).sha256 == first
    other = changed(("rto: 2m", "rto: ${rto}"))
    assert read_runbook(write(tmp_path, other, "rto: 3m\n"), registry()).sha256 != first


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("continuous", "continous", "20:25 components.db.replication.mode: expected one of continuous, interval, "
         "backup; got 'continous'. Did you mean 'continuous'?"),
        ("rto: 2m", "rto: 2", "7:8 objectives.rto: expected a duration with its unit"),
        ("tier: hot", "tear: hot", "5:1 tear: expected one of application, approvals"),
        ("tier: hot", "tear: hot", "1:1 tier: this field is missing."),
        ("port: 5432", 'port: "5432"', "22:13 components.db.settings.port: expected a whole number without quotes"),
        ("port: 5432", "prot: 5432", "22:7 components.db.settings.prot: expected one of connect_timeout, password"),
        ("synchronous: true", "synchronous: 1", "20:50 components.db.replication.synchronous: expected true or false"),
        ("{env: TOKEN}", "{env: token}", "12:84 sites.primary.fence_device.settings.token.env: expected the name of an "
         "environment variable"),
        ("kind: sim.power", "kind: sim.powr", "12:26 sites.primary.fence_device.kind: expected one of"),
        ("kind: sim.power", "kind: sim.data", "12:26 sites.primary.fence_device.kind: The kind sim.data is for data"),
        ("kind: sim.compute", "kind: sim.computer", "Did you mean 'sim.compute'?"),
        ("kind: http", "kind: htp", "36:24 components.app.checks.primary[0].kind: expected one of tcp, http"),
        ("http://a/readyz", "a/readyz", "expected a URL that begins with http:// or https://"),
        ("argv: [run, --fast]", "argv: []", "components.app.settings.argv: expected at least 1 of them"),
        ("argv: [run, --fast]", "argv: run", "34:22 components.app.settings.argv: expected a list"),
        ("    settings: {argv: [run, --fast]}\n", "", "30:3 components.app.settings.argv: this field is missing."),
        ("[anna, ben]", "[anna, anna]", "47:3 approvals.failover: an approver stands twice"),
        ("2026-11-01", "2026-11-31", "4:16 review.last: 2026-11-31 is not a day of the calendar"),
        ("application: shop", "application: shpo", "1:14 application: expected 'shop', as the file is named"),
        ("description: A shop.", "description:", "2:13 description: blank."),
        ("  primary:\n    name: Site A", "  Primary:\n    name: Site A", "10:3 sites.Primary: expected a name of at"),
        ("replication: {mode: continuous, synchronous: true}", "critical: true", "data component wants `replication`"),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_place_and_what_was_expected(tmp_path: Path, old: str, new: str, told: str) -> None:
    found = [str(problem) for problem in check(tmp_path, changed((old, new)))]
    assert any(told in problem for problem in found), found
    with pytest.raises(PermanentError) as refused:
        read_runbook(tmp_path / "shop.yaml", registry())
    assert refused.value.code is Code.RUNBOOK_INVALID


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = changed(("rto: 2m", "rto: 2"), ("port: 5432", "port: no"), ("kind: sim.traffic", "kind: sim.trafic"))
    fields = [problem.field for problem in check(tmp_path, text)]
    assert fields == ["objectives.rto", "components.db.settings.port", "components.front.kind"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("password: {env: PASSWORD}", "password: hunter2canary"),
        ("password: {env: PASSWORD}", "password: {env: hunter2canary}"),
        ("password: {env: PASSWORD}", "password: [hunter2canary]"),
        ("port: 5432", "port: postgres://u:hunter2canary@host/db"),
        ("port: 5432", "port: 5432\n      api_key: hunter2canary"),
    ],
)
def test_what_may_be_a_secret_is_never_repeated(tmp_path: Path, old: str, new: str) -> None:
    found = check(tmp_path, changed((old, new)))
    assert found
    assert all("hunter2canary" not in str(problem) for problem in found)
    with pytest.raises(PermanentError) as refused:
        read_runbook(tmp_path / "shop.yaml", registry())
    assert "hunter2canary" not in str(refused.value)


# --- The values file ---


def test_a_whole_placeholder_takes_the_typed_value_and_one_within_text_its_words(tmp_path: Path) -> None:
    text = changed(
        ("synchronous: true", 'synchronous: "${sync}"'),
        ("port: 5432", "port: ${port}"),
        ("argv: [run, --fast]", 'argv: "${argv}"'),
        ("http://a/readyz", "http://${host}:${port}/readyz"),
    )
    values = 'sync: false\nport: 6000\nargv: [serve, "5"]\nhost: a.example.org\n'
    assert check(tmp_path, text, values) == []
    runbook = read_runbook(tmp_path / "shop.yaml", registry()).runbook
    assert runbook.components["db"].replication is not None
    assert runbook.components["db"].replication.synchronous is False
    assert settings_of(runbook, "db")["port"] == 6000
    assert settings_of(runbook, "app")["argv"] == ["serve", "5"]
    assert "http://a.example.org:6000/readyz" in runbook.model_dump_json()


@pytest.mark.parametrize(
    ("placeholder", "values", "told"),
    [
        (
            "${prot}",
            "port: 1\n",
            "22:13 components.db.settings.port: there is no value 'prot' in shop.values.yaml. Did you",
        ),
        ("${port}", None, "there is no values file beside the runbook. Write shop.values.yaml"),
        ("${Port}", "port: 1\n", "not a placeholder"),
        ("${}", "port: 1\n", "not a placeholder"),
        ("${port", "port: 1\n", "a placeholder is not closed"),
        ("${port + 1}", "port: 1\n", "not a placeholder"),
        ("a${port}", "port: true\n", "only text and whole numbers fit inside a longer text"),
        ("a${port}", "port: [a]\n", "only text and whole numbers fit inside a longer text"),
        ("${port}", "port: abc\n", "expected a whole number without quotes; got 'abc' (from ${port})"),
        ("${port}", "port: ${other}\n", "shop.values.yaml:1:1 port: a value cannot hold another placeholder"),
        ("${port}", "port: {a: 1}\n", "shop.values.yaml:1:1 port: values are single ones"),
        ("${port}", "port: [[1]]\n", "values are single ones"),
        ("${port}", "port: no\n", "shop.values.yaml:1:7 port: 'no' without quotes"),
        ("${port}", "port:\n", "shop.values.yaml:1:6 port: blank"),
        ("${port}", "port: ' '\n", "shop.values.yaml:1:7 port: blank"),
        ("${port}", "port: ''\n", "expected a whole number without quotes; got ''"),
        ("a${port}", "port: ''\n", "only text and whole numbers fit inside a longer text"),
        ("${port}", "- port\n", "shop.values.yaml:1:1: this is not a mapping"),
        ("${port}", "port: 1\nPort: 2\n", "not a name for a value"),
        ("${port}", f"port: {'x' * 200_000}\n", "expected a whole number"),
    ],
)
def test_faults_of_values_are_told(tmp_path: Path, placeholder: str, values: str | None, told: str) -> None:
    found = [str(problem) for problem in check(tmp_path, changed(("port: 5432", f"port: {placeholder}")), values)]
    assert any(told in problem for problem in found), found


def test_an_unused_value_is_only_a_warning(tmp_path: Path) -> None:
    found = check(tmp_path, RUNBOOK, "spare: 1\n")
    assert [(p.file, p.field, p.warning) for p in found] == [("shop.values.yaml", "spare", True)]
    assert read_runbook(tmp_path / "shop.yaml", registry()).runbook.application == "shop"


def test_example_values_stand_in_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, changed(("port: 5432", "port: ${port}")))
    (tmp_path / "shop.values.example.yaml").write_text("port: 5432\n", encoding="utf-8")
    found = check_runbook(path, registry(), examples=True, today=TODAY)
    assert [problem.warning for problem in found] == [True]
    with pytest.raises(PermanentError, match="no values file"):
        read_runbook(path, registry())


def test_text_from_a_value_is_never_read_again(tmp_path: Path) -> None:
    text = changed(("description: A shop.", 'description: "${a}{b}"'))
    assert check(tmp_path, text, 'a: "$"\n') == []
    assert read_runbook(tmp_path / "shop.yaml", registry()).runbook.description == "${b}"


def test_empty_text_from_a_value_reaches_only_fields_that_allow_it(tmp_path: Path) -> None:
    found = check(tmp_path, changed(("description: A shop.", "description: ${a}")), "a: ''\n")
    assert [str(problem) for problem in found] == [
        "shop.yaml:2:14 description: expected at least 1 characters; got '' (from ${a})."
    ]


def test_values_cannot_grow_a_runbook_without_bound(tmp_path: Path) -> None:
    many = ",".join(['"${a}"'] * 5000)
    squared = check(tmp_path, changed(("argv: [run, --fast]", f"argv: [{many}]")), f"a: [{'x,' * 5000}]\n")
    assert any("too large together" in str(problem) for problem in squared)
    long = "${a}" * 5000
    repeated = check(tmp_path, changed(("description: A shop.", f"description: {long}")), f"a: {'x' * 200_000}\n")
    assert any("too large together" in str(problem) for problem in repeated)


# --- Finding ---


def test_an_unknown_runbook_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    write(tmp_path, RUNBOOK, "a: 1\n")
    assert find_runbook(tmp_path, "shop") == tmp_path / "shop.yaml"
    with pytest.raises(PermanentError) as refused:
        find_runbook(tmp_path, "shpo")
    assert refused.value.code is Code.RUNBOOK_NOT_FOUND
    assert refused.value.next_step == "Did you mean 'shop'? There are: shop."


@pytest.mark.parametrize(
    "name",
    ["../shop", "/etc/passwd", "shop.yaml", "", "Shop", "shop\n", "a/b", "..", "shop.values", "a" * 99, "shop\0"],
)
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path)
    write(tmp_path / "in", RUNBOOK, "a: 1\n")
    with pytest.raises(PermanentError) as refused:
        find_runbook(tmp_path / "in", name)
    assert refused.value.code is Code.RUNBOOK_NOT_FOUND


async def test_the_activity_loads_and_refuses(tmp_path: Path) -> None:
    write(tmp_path)
    files = RunbookFiles(tmp_path, registry())
    loaded = await ActivityEnvironment().run(files.load_runbook, LoadRunbookRequest(name="shop"))
    assert loaded.path == str(tmp_path / "shop.yaml")
    with pytest.raises(ApplicationError, match="There is no runbook 'shap'") as refused:
        await ActivityEnvironment().run(files.load_runbook, LoadRunbookRequest(name="shap"))
    assert (refused.value.type, refused.value.non_retryable) == ("RUNBOOK_NOT_FOUND", True)


# --- Anything at all ---

_LINES = RUNBOOK.splitlines()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(min_value=0), edits=st.integers(1, 6))
def test_a_damaged_runbook_gives_problems_and_never_raises(tmp_path: Path, seed: int, edits: int) -> None:
    chance = random.Random(seed)
    lines = list(_LINES)
    for _ in range(edits):
        at = chance.randrange(len(lines))
        _damage(lines, at, chance)
    path = write(tmp_path, "\n".join(lines) + "\n")
    found = check_runbook(path, registry(), today=TODAY)
    if all(problem.warning for problem in found):
        assert read_runbook(path, registry()).runbook.application == "shop"
    else:
        with pytest.raises(PermanentError):
            read_runbook(path, registry())


def _damage(lines: list[str], at: int, chance: random.Random) -> None:
    line = lines[at]
    cut = chance.randrange(len(line) + 1)
    letter = chance.choice('x: -{}[]"&*!#\t0é,$|>')
    lines[at] = chance.choice(
        [line[:cut] + line[cut + 1 :], line[:cut] + letter + line[cut:], f"  {line}", line.strip(), "", line[:cut]]
    )
    if chance.random() < 0.2:
        lines.insert(at, chance.choice(_LINES))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([
        "application", "sites", "components", "kind", "settings", "db", "checks", "primary", "fence_device", "needs",
        "approvals", "failover", "role", "replication"]), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_JSON)
def test_any_shape_of_data_gives_problems_and_never_raises(tmp_path: Path, shape: object) -> None:
    import yaml

    found = check(tmp_path, yaml.safe_dump(shape, allow_unicode=True))
    assert any(not problem.warning for problem in found)
