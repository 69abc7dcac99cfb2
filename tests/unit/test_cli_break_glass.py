"""`seawall export` and `seawall import-outcome`, with no Temporal there."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from activities.break_glass import PageStore
from activities.by_hand.form import form_text
from activities.providers.registry import Registry
from infra.lab.layout import Ports
from tests.support.by_hand_facts import AT, RUN, facts_of
from workers.cli.main import app
from workflows.model.failure import PermanentError
from workflows.model.plan import Mode, Operation
from workflows.model.progress import RunState
from workflows.model.report import Clock, Report

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report store with one page, a runbook whose sites answer nobody, and no Temporal."""
    ports = Ports()
    runbooks = tmp_path / "runbooks"
    runbooks.mkdir()
    (runbooks / "shop.yaml").write_bytes((ROOT / "runbooks" / "shop.yaml").read_bytes())
    values = (ROOT / "runbooks" / "shop.values.example.yaml").read_text(encoding="utf-8")
    for host in ("10.0.0.53", "10.0.0.54", "10.1.0.10", "10.2.0.10"):
        values = values.replace(host, "127.0.0.1")
    values = values.replace("_port: 5432", f"_port: {ports.take('127.0.0.1')}")
    (runbooks / "shop.values.yaml").write_text(values, encoding="utf-8")
    monkeypatch.setenv("SEAWALL_TEMPORAL_ADDRESS", f"127.0.0.1:{ports.take('127.0.0.1')}")
    monkeypatch.setenv("SEAWALL_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("SEAWALL_RUNBOOKS", str(runbooks))
    monkeypatch.setenv("SEAWALL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SEAWALL_SHOP_DB_PASSWORD", "canary-password")
    PageStore(tmp_path / "reports", Registry()).write(facts_of())
    return tmp_path / "reports"


def seawall(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("run", ["shop", RUN])
@pytest.mark.parametrize(
    ("form", "begins"), [("md", "# By hand"), ("html", "<!DOCTYPE html>"), ("form", "# What became")]
)
def test_without_temporal_the_page_comes_from_the_report_store_and_says_so(
    reports: Path, run: str, form: str, begins: str
) -> None:
    found = seawall("export", run, "--format", form)
    assert found.exit_code == 0, found.output
    assert found.stdout.lstrip().startswith(begins)
    assert "Temporal does not answer" in found.stderr
    assert "the page that the run itself has written" in found.stderr


def test_a_page_of_a_run_that_has_ended_is_given_with_a_warning(reports: Path) -> None:
    from activities.report_store import ReportStore

    ReportStore(reports).write(
        Report(
            workflow_id=RUN,
            run_id="1",
            application="shop",
            operation=Operation.FAILOVER,
            mode=Mode.UNPLANNED,
            end_state=RunState.RECOVERED,
            summary="done",
            requested_by="ben",
            reason="gone",
            clock=Clock(declared=AT),
        )
    )
    assert "MIND: " in seawall("export", RUN).stderr


def test_a_page_is_written_to_a_file(reports: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    assert seawall("export", "shop", "--format", "html", "--output", str(target)).exit_code == 0
    assert target.read_text(encoding="utf-8").lstrip().startswith("<!DOCTYPE html>")
    assert seawall("export", "shop", "--output", str(tmp_path / "none" / "page")).exit_code == 1


@pytest.mark.parametrize("words", [("export", "shop", "--format", "pdf"), ("import-outcome", "form.yaml")])
def test_what_cannot_be_asked_for_is_bad_input(reports: Path, words: tuple[str, ...]) -> None:
    assert seawall(*words).exit_code == 2


def test_a_run_that_nobody_knows_has_no_page(reports: Path) -> None:
    found = seawall("export", "payroll")
    assert isinstance(found.exception, PermanentError)
    assert "there is no page of 'payroll'" in found.exception.sentence


TELL = ("--by", "ben", "--reason", "Temporal is lost")


def test_a_form_that_is_not_filled_in_is_told_line_by_line(reports: Path, tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    form.write_text(form_text(facts_of()), encoding="utf-8")
    found = seawall("import-outcome", str(form), *TELL)
    assert found.exit_code == 2
    assert "form.yaml:" in found.stdout
    assert "steps.db.promote.outcome: expected one of by-run, by-hand, not-done" in found.stdout
    assert "Nothing was told." in found.stdout


def test_a_form_whose_site_answers_nobody_is_refused_whatever_was_said(reports: Path, tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    text = form_text(facts_of()).replace("outcome: fill-in", "outcome: by-run").replace("    by: fill-in\n", "")
    text = (
        text.replace('    at: "fill-in"\n', "").replace("[fill-in]", "[anna]").replace("fill-in    #", "recovery    #")
    )
    form.write_text(text, encoding="utf-8")
    found = seawall("import-outcome", str(form), *TELL, "--yes")
    assert found.exit_code == 3, found.output
    assert "db is served at recovery, and no write would be accepted there" in found.stdout
    as_json = seawall("import-outcome", str(form), *TELL, "--yes", "--json")
    assert json.loads(as_json.stdout)["told"] is None
    assert "canary-password" not in found.output + as_json.output


def test_nothing_is_told_of_a_runbook_that_is_not_there(reports: Path, tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    text = form_text(facts_of()).replace("outcome: fill-in", "outcome: by-run").replace("    by: fill-in\n", "")
    text = (
        text.replace('    at: "fill-in"\n', "").replace("[fill-in]", "[anna]").replace("fill-in    #", "recovery    #")
    )
    form.write_text(text.replace("application: shop", "application: payroll"), encoding="utf-8")
    found = seawall("import-outcome", str(form), *TELL)
    assert isinstance(found.exception, PermanentError)
    assert "There is no runbook 'payroll'" in found.exception.sentence


@pytest.mark.parametrize("words", [("--by", " ", "--reason", "Temporal is lost"), ("--by", "ben", "--reason", "no")])
def test_who_tells_it_and_why_are_wanted_before_anything_is_read(reports: Path, words: tuple[str, ...]) -> None:
    found = seawall("import-outcome", "no-such-form.yaml", *words)
    assert found.exit_code == 2
    assert "Nothing was told" in found.stderr
