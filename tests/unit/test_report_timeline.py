"""The time axis: long waits are folded, work never is, and the order of moments is kept."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.report_render import timeline
from activities.report_render.picture import timeline_svg
from tests.support import sample_homeward, sample_reports
from workflows.model.progress import StepRecord, StepState
from workflows.model.report import Report

seconds = st.floats(min_value=0, max_value=100_000, allow_nan=False)


def with_steps(*records: StepRecord) -> Report:
    clock = sample_reports.refused().clock.model_copy(update={"ended": None})
    return sample_reports.refused().model_copy(update={"steps": records, "clock": clock})


def test_a_long_approval_is_folded_and_the_work_keeps_its_room() -> None:
    report = sample_reports.recovered()
    axis = timeline.axis(report, 0, 600)
    (fold,) = axis.folds
    assert fold.end - fold.start == pytest.approx(754.02 - 2.1)
    assert fold.right - fold.left == timeline.FOLD_WIDTH
    promote = next(step for step in report.steps if step.kind == "promote")
    assert promote.started is not None
    assert promote.ended is not None
    assert axis.x(axis.seconds(promote.ended)) - axis.x(axis.seconds(promote.started)) > 40
    assert "12 min 32 s" in timeline_svg(report)


def test_a_long_step_is_work_and_is_not_folded() -> None:
    slow = sample_reports.step("db", "snapshot", "recovery", "prepare", 0, 3600)
    quick = sample_reports.step("db", "promote", "recovery", "pivot", 3600, 3601)
    assert timeline.axis(with_steps(slow, quick), 0, 600).folds == ()


def test_work_beside_the_wait_is_not_hidden_by_the_fold() -> None:
    wait = sample_reports.step("", "approve", "recovery", "prepare", 0, 1000)
    beside = sample_reports.step("app", "start_instances", "recovery", "prepare", 400, 410)
    after = sample_reports.step("db", "promote", "recovery", "pivot", 1000, 1005)
    folds = timeline.axis(with_steps(wait, beside, after), 0, 600).folds
    assert [(round(fold.start), round(fold.end)) for fold in folds] == [(0, 400), (410, 1000)]


def test_the_time_that_a_step_was_parked_counts_as_waiting() -> None:
    report = sample_reports.parked()
    long_parked = report.parked[0].model_copy(update={"since": sample_reports.at(760)})
    clock = report.clock.model_copy(update={"ended": sample_reports.at(90_000)})
    report = report.model_copy(update={"parked": (long_parked,), "clock": clock, "actions": ()})
    assert [round(fold.end) for fold in timeline.axis(report, 0, 600).folds] == [754, 90_000]


@given(st.lists(st.tuples(seconds, seconds, st.booleans()), min_size=1, max_size=12))
def test_later_is_never_drawn_further_left_or_outside(spans: list[tuple[float, float, bool]]) -> None:
    records = [
        sample_reports.step("", "approve", "x", "prepare", start, start + length)
        if gate
        else sample_reports.step("db", f"verb{number}", "x", "prepare", start, start + length)
        for number, (start, length, gate) in enumerate(spans)
    ]
    axis = timeline.axis(with_steps(*records), 100, 900)
    moments = sorted(axis.seconds(moment) for one in records for moment in (one.started, one.ended) if moment)
    places = [axis.x(moment) for moment in moments]
    assert places == sorted(places)
    assert all(100 - 1e-6 <= place <= 900 + 1e-6 for place in places)
    assert axis.pieces[0].start == 0
    assert all(one.end == pytest.approx(two.start) for one, two in zip(axis.pieces, axis.pieces[1:], strict=False))


def test_the_time_of_the_undos_is_not_folded() -> None:
    folds = timeline.axis(sample_reports.compensated(), 0, 600).folds
    assert [round(fold.end) for fold in folds] == [754]


def test_the_critical_path_is_read_from_the_times() -> None:
    path = timeline.critical_path(sample_reports.recovered())
    assert path[-1] == "front.verify"
    assert "approve" in path
    assert "app.start_instances" not in path
    assert "db.measure_loss" not in path


def test_a_critical_path_that_the_run_gives_is_taken() -> None:
    report = sample_reports.recovered().model_copy(update={"extra": {"critical_path": ["db.promote"]}})
    assert timeline.critical_path(report) == ("db.promote",)


def test_steps_at_the_same_moment_end_the_search_for_the_path() -> None:
    at_once = [sample_reports.step("db", f"verb{number}", "x", "prepare", 1, 1) for number in range(5)]
    assert len(timeline.critical_path(with_steps(*at_once))) == 5


def test_the_picture_marks_the_pivot_and_every_step_that_began() -> None:
    picture = timeline_svg(sample_reports.recovered())
    assert "point of no return" in picture
    assert len(re.findall("<title>", picture)) == len(sample_reports.recovered().steps)
    assert "url(#waiting)" in picture


def test_one_step_of_no_length_can_be_drawn() -> None:
    only = sample_reports.step("db", "fence", "x", "commit", 0, 0)
    assert "<svg" in timeline_svg(with_steps(only))
    unfinished = only.model_copy(update={"ended": None, "state": StepState.RUNNING})
    assert "not ended, running" in timeline_svg(with_steps(unfinished))


def test_times_of_other_zones_are_the_same_moments() -> None:
    report = sample_reports.recovered()
    assert timeline.last_moment(report) - sample_reports.DECLARED == timedelta(seconds=760)


def test_the_wait_for_the_agreed_time_is_folded_and_the_seconds_after_it_stay_apart() -> None:
    report = sample_homeward.failback()
    (fold,) = timeline.axis(report, 0, 600).folds
    assert [round(fold.start), round(fold.end)] == [2, 7200]
    labels = re.findall(r">\+([^<]+)<", timeline_svg(report))
    assert len(labels) == len(set(labels)) > 1


def test_what_a_drill_only_shows_is_drawn_as_simulated() -> None:
    picture = timeline_svg(sample_homeward.drill())
    assert picture.count(", simulated") >= 1
    assert "failover" not in picture.lower()
