"""The report as people read it: nothing missing, nothing made up, nothing that a value could break."""

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from activities.report_render import report_schema, to_html, to_json, to_markdown
from activities.report_render.picture import timeline_svg
from tests.support import sample_homeward, sample_reports
from workflows.model.observed import Consistency, DivergedTable, Divergence, Finding, Loss, TableComparison
from workflows.model.plan import Operation
from workflows.model.progress import StepState
from workflows.model.report import Report, Scorecard

SAMPLES = ("recovered", "compensated", "parked", "refused", "drill", "live_drill", "reprotect", "failback")
HOSTILE = "<script>alert(1)</script> | `x` </svg> {{ 7*7 }} \x1b[31m \u202eevil\n\n# heading"


def sample(name: str) -> Report:
    place = sample_reports if hasattr(sample_reports, name) else sample_homeward
    report: Report = getattr(place, name)()
    return report


class Page(HTMLParser):
    """The words of a page, and its tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "hr", "img", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", SAMPLES)
def test_the_page_stands_alone_and_its_tags_are_closed(name: str) -> None:
    page = Page(to_html(sample(name)))
    assert page.open == []
    names = {tag for tag, _attributes in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object"}
    assert not any(key in attributes for _tag, attributes in page.tags for key in ("src", "href", "onclick", "style"))
    assert "url(http" not in to_html(sample(name))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("form", [to_html, to_markdown])
def test_both_forms_hold_what_was_asked_what_was_done_and_the_hashes(name: str, form: object) -> None:
    report = sample(name)
    text = Page(to_html(report)).text if form is to_html else to_markdown(report).replace("\\", "")
    facts = [report.workflow_id, report.run_id, report.requested_by, report.reason, report.summary]
    facts += [report.runbook_sha256, report.plan_sha256, report.end_state.value, report.code]
    facts += [step.words for step in report.steps] + [step.detail for step in report.steps]
    facts += [proof.method for proof in report.fence_proofs] + [one.approver for one in report.approvals]
    facts += [*report.standing, *report.left_to_do, *report.not_proven]
    facts += [one.reason for one in report.parked] + [one.reason for one in report.actions]
    missing = [fact for fact in facts if fact and fact not in text]
    assert missing == []


def test_null_reads_not_measured_and_nothing_lost_reads_none() -> None:
    unknown = sample("compensated")
    none_lost = sample("recovered").model_copy(
        update={"rpa": Loss(seconds=0, bytes=0, transactions=0), "rpa_seconds": 0.0, "rpa_bytes": 0}
    )
    markdown = to_markdown(unknown)
    assert "| Data lost, in bytes | not measured |" in markdown
    assert "| Acknowledged transactions lost | not measured |" in markdown
    assert "| Recovery time (RTA): declared to verified | not measured | from approved: not measured |" in markdown
    assert "Not measured: recovery time, data loss in time, data loss in bytes, lost transactions." in markdown
    assert "| Data lost, in bytes | none |" in to_markdown(none_lost)


def test_an_incomplete_count_of_loss_is_a_lower_bound() -> None:
    report = sample("recovered")
    report = report.model_copy(update={"rpa": report.rpa.model_copy(update={"complete": False})})
    assert "at least 3 transactions" in to_markdown(report)
    assert "the true loss may be larger" in to_html(report)


def test_what_was_undone_is_said() -> None:
    markdown = to_markdown(sample("compensated"))
    section = markdown.partition("## What was undone")[2].partition("##")[0]
    assert "| app: start instances at recovery | stop the application at recovery | undone | stopped |" in section
    assert "| db: fence at primary | let primary serve again | undone | primary serves again |" in section


def test_before_and_after_show_what_differs() -> None:
    section = to_markdown(sample("recovered")).partition("## Before and after")[2].partition("##")[0]
    assert "| front.flip_dns | address | 192.0.2.10 | 192.0.2.20 |" in section
    assert "| db.promote | timeline | 1 | 2 |" in section


HOSTILE_COPIES = {
    "protected": False,
    "source": HOSTILE,
    "divergences": (
        Divergence(
            component=HOSTILE,
            site=HOSTILE,
            diverged=True,
            folder=HOSTILE,
            detail=HOSTILE,
            tables=(DivergedTable(table=HOSTILE, rows=1, keys=(HOSTILE,)),),
        ),
    ),
    "comparisons": (
        Consistency(
            component=HOSTILE,
            equal=False,
            at=sample_reports.at(0),
            detail=HOSTILE,
            tables=(TableComparison(table=HOSTILE, rows_source=1, rows_target=2, equal=False, differing=(HOSTILE,)),),
        ),
    ),
    "findings": (Finding(code=HOSTILE, sentence=HOSTILE, next_step=HOSTILE),),
    "scorecard": Scorecard(kind="isolated", real=1, simulated=0, skipped=0, fidelity=1.0, canaries={HOSTILE: HOSTILE}),
}


def hostile(operation: Operation = Operation.FAILOVER) -> Report:
    """A report in which every free text is an attack on the page."""
    report = sample("parked")
    texts = {"summary": HOSTILE, "reason": HOSTILE, "requested_by": HOSTILE, "application": HOSTILE, "owner": HOSTILE}
    step = {"words": HOSTILE, "detail": HOSTILE, "component": HOSTILE, "before": {HOSTILE: HOSTILE}, "site": HOSTILE}
    return report.model_copy(
        update={
            **texts,
            "steps": tuple(one.model_copy(update=step) for one in report.steps),
            "standing": (HOSTILE,),
            **HOSTILE_COPIES,
            "operation": operation,
            "target": HOSTILE,
            "left_to_do": ("1. one", "# two", "- three"),
            "extra": {HOSTILE: HOSTILE},
        }
    )


@pytest.mark.parametrize("operation", list(Operation))
def test_no_value_becomes_markup_in_the_page(operation: Operation) -> None:
    page = to_html(hostile(operation))
    assert Page(page).open == []
    assert "script" not in {tag for tag, _attributes in Page(page).tags}
    assert "alert(1)" in Page(page).text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)
    ElementTree.fromstring(timeline_svg(hostile()))  # noqa: S314


@pytest.mark.parametrize("operation", list(Operation))
def test_no_value_becomes_markup_in_the_markdown(operation: Operation) -> None:
    lines = to_markdown(hostile(operation)).splitlines()
    assert not any("<" in line or "\x1b" in line for line in lines)
    assert [line for line in lines if line.startswith("# ")] == [lines[0]]
    assert [line for line in lines if line.startswith("- ")][:3] == ["- 1\\. one", "- \\# two", "- \\- three"]
    tables = [line for line in lines if line.startswith("| ")]
    for line, following in itertools.pairwise(tables):
        if set(following) == set("| -"):
            assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"\|", following))


def test_a_report_is_its_own_json() -> None:
    report = sample("recovered")
    assert Report.model_validate_json(to_json(report)) == report
    assert json.loads(to_json(sample("compensated")))["rpa_seconds"] is None


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_report_gives_the_same_bytes(name: str) -> None:
    assert to_html(sample(name)) == to_html(sample(name))
    assert to_markdown(sample(name)) == to_markdown(sample(name))


def test_a_refused_run_has_no_picture_and_says_so() -> None:
    assert timeline_svg(sample("refused")) == ""
    assert "No step started" in to_html(sample("refused"))


def test_every_field_of_the_report_is_described_in_the_committed_schema() -> None:
    schema = report_schema()
    assert [name for name, field in schema["properties"].items() if not field.get("description")] == []
    assert set(schema["properties"]) == set(Report.model_fields)
    committed = Path(__file__).parents[2] / "docs" / "reference" / "report.schema.json"
    assert json.loads(committed.read_text()) == schema, "write report_schema() to docs/reference/report.schema.json"


def test_every_state_of_a_step_has_a_tone() -> None:
    for state in StepState:
        records = sample_reports.steps(db__fence={"state": state})
        assert to_html(sample("recovered").model_copy(update={"steps": records}))
