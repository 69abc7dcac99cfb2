"""What the schedules of a runbook are, when they fire, and what apply would change. Pure."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.runbooks import sim_runbook
from workers.cli.schedule_words import difference, drift_words, summary
from workers.schedule_diff import RECORD, Action, Change, Entry, Live, differences, drift
from workers.schedule_plan import SHORTEST, Wanted, fire_times, replication_interval, wanted_schedules
from workflows.model.requests import DrillRequest, ReplicateRequest
from workflows.model.runbook import DrillPolicy, Runbook

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
YEAR = (datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))


def with_data(*replications: dict[str, Any], marker: bool = False) -> Runbook:
    """A runbook with these data components."""
    part: dict[str, Any] = {"role": "data", "kind": "sim.data"} | ({"marker": {}} if marker else {})
    return sim_runbook(components={f"d{at}": {**part, "replication": one} for at, one in enumerate(replications)})


def with_drills(**policy: Any) -> Runbook:
    return sim_runbook(drills=DrillPolicy.model_validate(policy))


def live(wanted: Wanted, **changes: Any) -> Live:
    """The schedule as apply would have left it, but for the changes."""
    stands = Live(
        id=wanted.id, fields=wanted.fields(), applied=wanted.fields(), applied_note=wanted.note, note=wanted.note
    )
    return stands.model_copy(update=changes)


def one(runbook: Runbook | None = None, what: str = "drill") -> Wanted:
    return next(item for item in wanted_schedules(runbook or sim_runbook()) if item.what == what)


@pytest.mark.parametrize(
    ("replications", "marker", "seconds"),
    [
        ([{"mode": "continuous"}], False, 20),
        ([{"mode": "interval", "period": "15m", "snapshots": {}}], False, 900),
        ([{"mode": "interval", "period": "15m", "snapshots": {"every": "5m"}}], False, 300),
        ([{"mode": "interval", "period": "15m", "snapshots": {}}], True, 20),
        ([{"mode": "backup", "snapshots": {"every": "1d"}}], False, 86400),
        ([{"mode": "backup", "snapshots": {}}, {"mode": "continuous"}], False, 20),
        ([{"mode": "interval", "period": "1s", "snapshots": {}}], False, 10),
        ([], False, None),
    ],
)
def test_replication_is_looked_at_as_often_as_its_most_urgent_part_wants(
    replications: list[dict[str, Any]], marker: bool, seconds: int | None
) -> None:
    found = replication_interval(with_data(*replications, marker=marker))
    assert (found.total_seconds() if found else None) == seconds


def test_an_application_has_replication_a_drill_each_quarter_and_a_daily_review() -> None:
    found = {item.id: item for item in wanted_schedules(sim_runbook())}
    assert {name: (item.workflow, item.every) for name, item in found.items()} == {
        "seawall/replicate/shop": ("Replicate", 20 * SECOND),
        "seawall/drill/shop": ("Drill", 91 * DAY),
        "seawall/review/shop": ("Posture", DAY),
    }
    assert [name for name, item in found.items() if item.pause_on_failure] == ["seawall/drill/shop"]
    assert json.loads(found["seawall/review/shop"].input) == {"runbook": "shop", "reason": "scheduled review"}
    assert "Anna (anna@example.org)" in found["seawall/drill/shop"].note


def test_what_is_started_takes_its_input() -> None:
    runbook = with_drills(live_every="365d")
    live_drill = DrillRequest.model_validate_json(one(runbook, "drill-live").input)
    assert (live_drill.runbook, live_drill.live) == ("shop", True)
    assert DrillRequest.model_validate_json(one(runbook).input).live is False
    assert ReplicateRequest.model_validate_json(one(runbook, "replicate").input).runbook == "shop"
    assert one(runbook, "drill-live").workflow_id == "drill-live/shop"


def test_without_data_there_is_nothing_to_replicate() -> None:
    assert [item.what for item in wanted_schedules(with_data())] == ["drill", "review"]


@given(name=st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True), seconds=st.floats(0.5, 10**7))
def test_an_outage_never_leaves_a_row_of_slots_to_catch_up(name: str, seconds: float) -> None:
    runbook = sim_runbook(application=name, drills=DrillPolicy(isolated_every=timedelta(seconds=seconds)))
    for item in wanted_schedules(runbook):
        assert item.every >= SECOND
        assert item.every % SECOND == timedelta(0)
        assert timedelta(0) <= item.phase < item.every
        assert item.catch_up >= SHORTEST
        assert item.catch_up <= max(SHORTEST, item.every)
        assert item == next(again for again in wanted_schedules(runbook) if again.id == item.id)


def test_the_drills_of_many_applications_do_not_fall_on_one_moment() -> None:
    phases = {one(sim_runbook(application=f"shop-{number}")).phase for number in range(50)}
    assert len(phases) == 50


# --- A year ---


@given(
    every=st.integers(1, 120).map(lambda days: days * DAY),
    phase=st.integers(0, 120 * 86400).map(lambda seconds: seconds * SECOND),
    cut=st.integers(0, 364),
)
def test_slots_are_evenly_apart_and_none_is_counted_twice(every: timedelta, phase: timedelta, cut: int) -> None:
    start, end = YEAR
    slots = list(fire_times(every, phase % every, start, end))
    assert all(later - earlier == every for earlier, later in itertools.pairwise(slots))
    assert all(start < slot <= end for slot in slots)
    assert abs(len(slots) - (end - start) / every) <= 1
    middle = start + cut * DAY
    halves = [*fire_times(every, phase % every, start, middle), *fire_times(every, phase % every, middle, end)]
    assert halves == slots


@given(name=st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True), year=st.integers(1, 40))
def test_every_quarter_has_its_drill_whatever_the_application_is_called(name: str, year: int) -> None:
    drill = one(sim_runbook(application=name))
    start = YEAR[0] + year * 365 * DAY
    slots = list(fire_times(drill.every, drill.phase, start, start + 365 * DAY))
    assert len(slots) in (4, 5)
    assert slots[0] - start <= 91 * DAY


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        next(fire_times(timedelta(0), timedelta(0), *YEAR))


# --- The difference ---


def test_nothing_live_is_all_to_create() -> None:
    wanted = wanted_schedules(sim_runbook())
    found = differences(wanted, [])
    assert [entry.action for entry in found] == [Action.CREATE] * 3
    assert summary(found) == "3 to create, 0 to change, 0 to remove, 0 as they should be."


def test_a_second_time_there_is_nothing_to_do() -> None:
    wanted = wanted_schedules(sim_runbook())
    found = differences(wanted, [live(item) for item in wanted])
    assert {entry.action for entry in found} == {Action.UNCHANGED}
    assert summary(found) == "Nothing to do: 3 schedules are as they should be."


def test_a_changed_runbook_is_told_field_by_field_and_is_no_drift() -> None:
    before, after = one(), one(with_drills(isolated_every="30d"))
    (entry,) = differences([after], [live(before)])
    assert entry.action is Action.CHANGE
    assert not entry.drift
    assert ("every", "91d", "30d") in [(change.field, change.live, change.wanted) for change in entry.changes]
    assert {change.field for change in entry.changes} == {"every", "phase"}


def test_an_edit_by_hand_is_drift_also_when_the_runbook_changed_too() -> None:
    before, after = one(), one(with_drills(isolated_every="30d"))
    edited = live(before, fields=before.fields() | {"overlap": "allow all", "jitter": "seconds: 5"})
    (entry,) = differences([after], [edited])
    assert {change.field for change in entry.changes if change.by_hand} == {"overlap", "jitter"}
    assert {change.field for change in entry.changes if not change.by_hand} == {"every", "phase"}
    assert [change.field for change in drift(edited)] == ["overlap", "jitter"]
    assert "(1 edited by hand)" in summary([entry])
    assert "jitter: seconds: 5 -> nothing (edited by hand)" in difference([entry]).plain


def test_a_persons_pause_and_note_are_kept_and_shown() -> None:
    (entry,) = differences([one()], [live(one(), paused=True, note="frozen until Monday, anna")])
    assert entry.action is Action.UNCHANGED
    assert "seawall/drill/shop: stays paused: frozen until Monday, anna" in difference([entry]).plain


def test_our_own_note_follows_the_runbook_and_a_persons_does_not() -> None:
    after = one(sim_runbook(owner={"name": "Ben", "email": "ben@example.org"}))
    (entry,) = differences([after], [live(one())])
    assert [(change.field, change.by_hand) for change in entry.changes] == [("note", False)]
    (kept,) = differences([after], [live(one(), note="mine")])
    assert [change.field for change in kept.changes] == [RECORD]


def test_a_lost_record_is_drift_even_where_all_fields_are_right() -> None:
    bare = live(one(), applied=None, applied_note="")
    (entry,) = differences([one()], [bare])
    assert entry.action is Action.CHANGE
    assert entry.drift
    assert drift_words(drift(bare)).startswith("DRIFT: not written by apply")


def test_an_edit_that_the_runbook_followed_renews_the_record() -> None:
    before, after = one(), one(with_drills(isolated_every="30d"))
    (entry,) = differences([after], [live(before, fields=after.fields())])
    assert entry.changes == (Change(field=RECORD, live=None, wanted="", by_hand=False),)


def test_only_ours_is_removed() -> None:
    ours, theirs = live(one(), id="seawall/drill/gone"), live(one(), id="billing/nightly")
    found = differences(wanted_schedules(sim_runbook()), [ours, theirs])
    assert [entry.id for entry in found if entry.action is Action.REMOVE] == ["seawall/drill/gone"]
    assert "billing/nightly" not in {entry.id for entry in found}
    assert "- remove seawall/drill/gone" in difference(found).plain


FIELDS = st.dictionaries(st.sampled_from(["every", "overlap", "jitter", "input", "x"]), st.text(max_size=5))


@given(fields=FIELDS, applied=st.none() | FIELDS, note=st.text(max_size=5), paused=st.booleans())
def test_whatever_is_live_one_apply_ends_in_nothing_to_do(
    fields: dict[str, str], applied: dict[str, str] | None, note: str, paused: bool
) -> None:
    wanted = one()
    found = Live(id=wanted.id, fields=fields, applied=applied, note=note, paused=paused)
    (entry,) = differences([wanted], [found])
    assert entry.action is Action.CHANGE
    done = live(wanted, note=found.note_by_hand or wanted.note, paused=paused)
    (after,) = differences([wanted], [done])
    assert after == Entry(id=wanted.id, action=Action.UNCHANGED, wanted=wanted, live=done)
