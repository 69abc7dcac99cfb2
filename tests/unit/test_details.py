"""The details pane of the Web UI: what to know and what to send, whatever the values hold."""

import json
import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support import sample_reports, sample_views
from tests.unit.panel_kit import Block, assert_left_alone
from workflows.engine.details import details_html, headline, update_json
from workflows.model.progress import ProgressView, RunState, StepState
from workflows.model.requests import Answer, Approval, RiskAcceptance

VIEWS = ("waiting", "running", "parked", "ended")


def view(name: str) -> ProgressView:
    found: ProgressView = getattr(sample_views, f"{name}_view")()
    return found


@pytest.mark.parametrize("name", VIEWS)
def test_the_block_is_one_that_the_web_ui_leaves_alone(name: str) -> None:
    assert_left_alone(details_html(view(name)))


def test_an_open_gate_shows_the_question_the_facts_and_what_to_paste() -> None:
    html = details_html(view("waiting"))
    gate = view("waiting").gate
    assert gate is not None
    assert gate.question in unescape(html)
    assert "silent for 2 of 2 observers" in html
    assert '<code>{"approver": "anna", "code": "K7Q4"}</code>' in html
    assert "<code>approve</code>" in html
    assert "<code>reject</code>" in html
    assert "unanswered it means: reject" in html
    assert html.index(gate.question) < html.index("db: fence at primary")


def test_the_json_for_a_gate_is_an_approval_by_somebody_who_has_not_answered() -> None:
    waiting = view("waiting").model_copy(update={"gate": sample_views.gate(required=2, approved_by=("anna",))})
    approval = Approval.model_validate_json(update_json("approve", waiting))
    assert (approval.approver, approval.code) == ("ben", "K7Q4")
    assert "1 of 2 so far (anna)" in details_html(waiting)


def test_a_parked_run_shows_why_what_stands_and_each_answer() -> None:
    html = details_html(view("parked"))
    assert "It is not proved that primary refuses writes" in html
    assert "The application runs at recovery without its database." in html
    for action in ("retry", "accept_split_brain_risk", "abort"):
        assert f"<code>{action}</code>" in html
    codes = [json.loads(code) for code in Block(html).codes if code.startswith("{")]
    assert {"by": "your-name", "step": "db.fence"} in codes
    assert Answer.model_validate(codes[0]).step == "db.fence"


def test_the_placeholder_of_a_risk_acceptance_is_refused_as_it_stands() -> None:
    parked = view("parked")
    pasted = json.loads(update_json("accept_split_brain_risk", parked, parked.parked[0]))
    with pytest.raises(ValidationError) as caught:
        RiskAcceptance.model_validate(pasted)
    assert {error["loc"][0] for error in caught.value.errors()} == {"by", "statement"}
    assert pasted["code"] == "X9PL"


def test_cancel_and_terminate_are_told_apart_until_the_run_ends() -> None:
    html = details_html(view("running"))
    assert "<b>Cancel</b> = settle and roll back (before the point of no return)" in html
    assert "<b>Terminate</b> = stop dead: nothing is undone, and a new run has to adopt the lease" in html
    assert "Terminate" not in details_html(view("ended"))


def test_abort_is_not_offered_after_the_point_of_no_return() -> None:
    running = {"state": StepState.RUNNING, "ended": None}
    records = sample_reports.steps(until="app.health_check", db__health_check=running)
    after = sample_views.view(RunState.RUNNING, records, 800)
    assert "<code>abort</code>" not in details_html(after)
    assert "<code>abort</code>" in details_html(view("running"))


@pytest.mark.parametrize("name", VIEWS)
def test_the_pivot_is_marked(name: str) -> None:
    assert "point of no return</b>: db: promote" in details_html(view(name))


def test_sixty_steps_fit_and_finished_ones_are_folded() -> None:
    rows = [
        record.model_copy(update={"id": f"{record.id}-{number}", "detail": "d" * 4000, "words": "w" * 50})
        for number in range(6)
        for record in view("running").steps[:10]
    ]
    html = details_html(view("running").model_copy(update={"steps": tuple(rows)}))
    assert_left_alone(html)
    assert "finished steps</summary>" in html
    assert html.count("🔄") == 6


def test_a_flood_of_parked_steps_is_cut_and_says_so() -> None:
    parked = tuple(sample_reports.parked_step().model_copy(update={"step": f"c{n}.fence"}) for n in range(50))
    html = details_html(view("parked").model_copy(update={"parked": parked}))
    assert_left_alone(html)
    assert "46 more steps are parked" in html


TEXT = st.text(max_size=60) | st.sampled_from(["</div>\n\n<script>", "&amp;\"'", "`x` *y* [a](b) 1/2", "\x1b[2J\u202e"])


@settings(max_examples=60)
@given(TEXT, st.sampled_from(VIEWS), st.integers(1, 8))
def test_no_value_breaks_the_block(text: str, name: str, times: int) -> None:
    shown = view(name)
    steps = [s.model_copy(update={"words": text, "detail": text, "site": text, "code": text}) for s in shown.steps]
    parked = [
        one.model_copy(update={"reason": text * 30, "standing": (text,) * 9, "step": text}) for one in shown.parked
    ]
    gate = shown.gate and sample_views.gate(question=text * 30, facts=((text, text),) * 30)
    update = {"steps": tuple(steps) * times, "parked": tuple(parked) * times, "gate": gate, "application": text}
    html = details_html(shown.model_copy(update=update))
    assert_left_alone(html)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", html)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "waiting",
            "Failover of shop to recovery waits for approval by anna or ben (0 of 1 so far) until 14:35:00 UTC.",
        ),
        ("running", "Failover of shop to recovery: db: promote at recovery (attempt 2)."),
        ("ended", "Failover of shop to recovery has recovered."),
    ],
)
def test_the_headline_is_one_sentence(name: str, expected: str) -> None:
    assert headline(view(name)) == expected


def test_the_headline_of_a_parked_run_names_the_step_and_the_answers() -> None:
    sentence = headline(view("parked"))
    assert sentence.startswith("Failover of shop to recovery is parked at db.fence and waits for retry or ")
    assert "It is not proved" in sentence


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_has_a_headline_and_a_block(state: RunState) -> None:
    for records in ((), sample_reports.recovered().steps):
        shown = sample_views.view(state, records, 10)
        assert headline(shown).startswith("Failover of shop to recovery")
        assert_left_alone(details_html(shown))


def test_the_reason_of_an_end_is_added_once() -> None:
    refused = sample_views.view(RunState.REFUSED, (), 1, headline="Primary answers and accepts writes.")
    once = headline(refused)
    assert once == (
        "Failover of shop to recovery was refused, and nothing was changed. Primary answers and accepts writes."
    )
    assert headline(refused.model_copy(update={"headline": once})) == once
