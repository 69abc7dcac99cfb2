"""What each sort of run says of itself: a sentence for every operation and state, and a panel that shows what it is."""

import re

import pytest

from tests.support import sample_homeward, sample_reports, sample_views
from tests.unit.panel_kit import assert_left_alone
from workflows.engine.details import details_html, headline
from workflows.model.plan import Mode, Operation
from workflows.model.progress import ProgressView, RunState, StepState

RUNS = [
    (Operation.FAILOVER, Mode.UNPLANNED, "Failover of shop to recovery"),
    (Operation.FAILOVER, Mode.PLANNED, "Planned failover of shop to recovery"),
    (Operation.SWITCHOVER, Mode.PLANNED, "Switchover of shop to recovery"),
    (Operation.FAILBACK, Mode.PLANNED, "Failback of shop to recovery"),
    (Operation.REPROTECT, Mode.PLANNED, "Reprotect of shop at primary"),
    (Operation.DRILL, Mode.UNPLANNED, "Isolated drill of shop at recovery"),
    (Operation.DRILL, Mode.PLANNED, "Live drill of shop to recovery and back"),
    (Operation.REPLICATE, Mode.PLANNED, "Replicate of shop to recovery"),
]


@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize(("operation", "mode", "begins"), RUNS)
def test_every_run_in_every_state_says_in_a_sentence_what_it_is(
    operation: Operation, mode: Mode, begins: str, state: RunState
) -> None:
    parked = (sample_reports.parked_step(),) if state is RunState.PARKED else ()
    for records in ((), sample_homeward.drill().steps):
        shown = sample_views.view(state, records, 30, operation=operation, mode=mode, parked=parked)
        sentence = headline(shown)
        assert sentence.startswith(begins)
        assert re.fullmatch(r"[A-Z][^\n]{20,}\.", sentence)
        assert headline(shown.model_copy(update={"headline": sentence})) == sentence
        assert_left_alone(details_html(shown))
        if operation is Operation.DRILL:
            assert "failover" not in f"{sentence} {details_html(shown)}".lower()
            assert "recovered" not in sentence


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (
            sample_homeward.view(sample_homeward.drill(), RunState.RECOVERED),
            "Isolated drill of shop at recovery passed.",
        ),
        (
            sample_homeward.view(sample_homeward.reprotect(), RunState.RECOVERED),
            "Reprotect of shop at primary is done: primary follows recovery again.",
        ),
        (
            sample_homeward.view(sample_homeward.failback(), RunState.RECOVERED),
            "Failback of shop to primary is done: shop serves at primary.",
        ),
        (
            sample_homeward.window_view(),
            "Failback of shop to primary waits until 2026-11-22 16:05 UTC, then goes on by itself.",
        ),
    ],
)
def test_how_a_run_on_the_way_home_ends_or_waits(shown: ProgressView, expected: str) -> None:
    assert headline(shown) == expected


def test_a_drill_that_did_not_pass_says_what_failed() -> None:
    rows = sample_homeward.records(
        sample_homeward.DRILL_ROWS, until="start_instances", promote={"state": StepState.FAILED, "code": "CHECK_FAILED"}
    )
    shown = sample_homeward.view(
        sample_homeward.drill(), RunState.COMPENSATED, steps=rows, headline="The clone did not start."
    )
    sentence = headline(shown)
    assert "did not pass (failed: db: promote at recovery), and all that was begun is undone. The clone" in sentence
    assert "CHECK_FAILED" in details_html(shown)


def test_a_stopped_run_whose_effects_stand_does_not_claim_that_nothing_was_changed() -> None:
    stopped = sample_views.view(RunState.REFUSED, sample_reports.steps(until="db.promote"), 760)
    assert "nothing was changed" not in headline(stopped)
    assert "its report says what stands" in headline(stopped)


def test_a_drill_is_shown_as_a_rehearsal_and_what_it_only_shows_as_simulated() -> None:
    html = details_html(sample_homeward.drill_view())
    assert "Rehearsal on clones in a bubble at recovery: production is not touched." in html
    assert "<b>Cancel</b> = close the bubble and end." in html
    assert "(1 only simulated)" in html
    assert "\U0001f3ad simulated" in details_html(sample_homeward.view(sample_homeward.drill()))
    live = details_html(sample_homeward.view(sample_homeward.live_drill()))
    assert "Live rehearsal: users are moved to recovery and back to primary." in live
    assert "production is not touched" not in live


def test_a_wait_for_the_agreed_time_is_no_wait_for_approval() -> None:
    html = details_html(sample_homeward.window_view())
    assert "WAITING_FOR_AGREED_TIME" in html
    assert "AWAITING_APPROVAL" not in html
    assert "<code>abort</code>" in html


def test_the_promised_time_is_shown_only_where_its_clock_runs() -> None:
    assert "promised (RTO) by 14:20:00" in details_html(sample_views.running_view())
    assert "promised" not in details_html(sample_homeward.drill_view())
    assert "promised" not in details_html(sample_homeward.window_view())


def test_twenty_five_steps_of_a_planned_move_are_all_there() -> None:
    rows = [
        record.model_copy(update={"id": f"{record.id}-{n}", "words": f"{record.words} {n}", "detail": "d" * 200})
        for n in range(3)
        for record in sample_homeward.window_view().steps
    ][:25]
    html = details_html(sample_homeward.window_view().model_copy(update={"steps": tuple(rows)}))
    assert_left_alone(html)
    assert "finished steps</summary>" in html
    assert all(record.words in html for record in rows)


def test_a_step_that_failed_and_was_undone_is_still_named_and_a_cancelled_one_is_not() -> None:
    changed = {
        "clone_data": {"state": StepState.UNDONE, "code": "OUTCOME_UNKNOWN"},
        "promote": {"state": StepState.FAILED, "code": "CANCELLED"},
    }
    rows = sample_homeward.records(sample_homeward.DRILL_ROWS, until="start_instances", **changed)
    sentence = headline(sample_homeward.view(sample_homeward.drill(), RunState.COMPENSATED, steps=rows))
    assert "(failed: db: clone data at recovery)" in sentence


@pytest.mark.parametrize("name", ["drill", "live_drill", "reprotect", "failback"])
@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.PAUSED, RunState.COMPENSATED, RunState.REFUSED])
def test_no_value_breaks_the_panel_of_the_new_runs(name: str, state: RunState) -> None:
    text = "</div>\n\n<script> & `x` \x1b[2J\u202e"
    shown = sample_homeward.view(getattr(sample_homeward, name)(), state, source=text, target=text, application=text)
    rows = tuple(one.model_copy(update={"words": text, "detail": text, "site": text}) for one in shown.steps)
    html = details_html(shown.model_copy(update={"steps": rows}))
    assert_left_alone(html)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", html)
