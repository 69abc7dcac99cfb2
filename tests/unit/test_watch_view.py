"""The terminal: everything fits, commands can be copied whole, and colours only repeat the words."""

import io
import shlex
import subprocess

import pytest
from rich.console import Console, RenderableType

from tests.support import sample_homeward, sample_reports, sample_views
from workers.cli.tables import DoctorRow, RunRow, doctor_table, runs_table, status_table
from workers.cli.watch_view import answer_command, render
from workflows.model.entity import ApplicationState, DrillSummary, Lease, ReplicationState
from workflows.model.plan import Operation
from workflows.model.progress import ProgressView, RunState, StepState

VIEWS = ("waiting", "running", "parked", "ended")
HOSTILE = "[red]x[/red] \x1b[2J\u202eevil"


def view(name: str) -> ProgressView:
    found: ProgressView = getattr(sample_views, f"{name}_view")()
    return found


def shown(thing: RenderableType, width: int = 80) -> str:
    """What a terminal without colours shows; nothing may be cut or stick out."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(thing)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    return str(text)


def words(text: str) -> str:
    """The text with its folds and frames taken away."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [60, 80, 132])
def test_every_step_is_named_at_every_width(name: str, width: int) -> None:
    text = words(shown(render(view(name), width), width))
    assert view(name).workflow_id in text
    for step in view(name).steps:
        assert step.words.split()[1] in text
    assert "── point of no return ──" in text


def test_a_gate_shows_the_question_the_facts_and_the_commands() -> None:
    text = shown(render(view("waiting"), 80))
    assert "silent for 2 of 2 observers" in text
    assert "14:35:00 UTC (27 min 55 s left); unanswered it means: reject" in text
    assert "\nseawall approve failover/shop/2026-11-22T14-05Z --as NAME" in text
    assert "\nseawall reject failover/shop/2026-11-22T14-05Z --as NAME" in text
    assert "awaiting approval" in text


def test_a_parked_run_shows_the_reason_and_a_command_for_each_answer() -> None:
    text = shown(render(view("parked"), 80))
    assert "FENCE_UNPROVEN: It is not proved that primary refuses writes" in words(text)
    assert "Stands now: The application runs at recovery without its database." in words(text)
    for command in ("retry", "accept-split-brain-risk", "abort"):
        assert f"\nseawall {command} failover/shop/2026-11-22T14-05Z" in text


def test_a_folded_command_is_one_command_for_a_shell() -> None:
    parked = view("parked").model_copy(update={"workflow_id": "failover/shop/it's a long id"})
    text = shown(render(parked, 60), 60)
    start = text.index("seawall accept-split-brain-risk")
    end = text.index("\nundo everything")
    lines = "\n".join(line.rstrip() for line in text[start:end].splitlines())
    expected = answer_command("accept_split_brain_risk", parked, parked.parked[0])
    assert "\\\n" in lines
    script = f'set -- {lines}; printf "%s\\n" "$@"'
    answer = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
    assert answer.splitlines() == shlex.split(expected)


def test_the_step_is_named_in_the_command_only_when_several_are_parked() -> None:
    one = view("parked")
    two = one.model_copy(
        update={"parked": (one.parked[0], one.parked[0].model_copy(update={"step": "app.health_check"}))}
    )
    assert "--step" not in answer_command("retry", one, one.parked[0])
    assert "--step app.health_check" in answer_command("retry", two, two.parked[1])


@pytest.mark.parametrize(
    ("now", "expected"),
    [(30, "30 s of 15 min (RTO), 14 min 30 s left"), (1000, "16 min 40 s of 15 min (RTO), over by 1 min 40 s")],
)
def test_the_time_left_is_said_in_words(now: float, expected: str) -> None:
    running = sample_views.view(RunState.RUNNING, view("running").steps, now)
    assert expected in words(shown(render(running, 80)))


def test_the_clock_of_an_ended_run_stands_still() -> None:
    later = view("ended").model_copy(update={"now": sample_reports.at(99_999)})
    assert "12 min 40 s of 15 min (RTO)" in shown(render(later, 80))


@pytest.mark.parametrize("state", list(StepState))
def test_every_state_of_a_step_can_be_shown(state: StepState) -> None:
    text = shown(render(sample_views.view(RunState.RUNNING, sample_reports.steps(db__fence={"state": state}), 800), 80))
    quiet = (StepState.DONE, StepState.RUNNING, StepState.PENDING)
    assert state in quiet or state.value in text


def test_no_value_acts_on_the_terminal() -> None:
    parked = view("parked")
    steps = tuple(step.model_copy(update={"words": HOSTILE, "detail": HOSTILE}) for step in parked.steps)
    one = parked.parked[0].model_copy(update={"reason": HOSTILE, "step": HOSTILE, "standing": (HOSTILE,)})
    text = shown(render(parked.model_copy(update={"steps": steps, "parked": (one,), "headline": HOSTILE}), 80))
    assert "[red]x[/red]" in text
    assert "\u202e" not in text


def run_rows() -> list[RunRow]:
    at = sample_reports.at
    return [
        RunRow(sample_reports.RUN, "shop", RunState.RECOVERED, at(0), at(760), 759.4, 3),
        RunRow(f"{sample_reports.RUN}-a-rather-long-id", "shop", RunState.AWAITING_APPROVAL, at(0)),
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_of_runs_says_what_is_open_and_what_was_not_measured(width: int) -> None:
    text = shown(runs_table(run_rows()), width)
    assert "failover/shop/2026-11-22T14-05Z" in text
    assert "2026-11-22 14:05, 12 min 40 s" in text
    assert "awaiting approval" in text
    assert "not measured" in text


def test_figures_that_nobody_read_are_not_called_unmeasured() -> None:
    text = shown(runs_table([run_rows()[1]]))
    assert "not measured" not in text
    assert "RTA" not in text
    assert "2026-11-22 14:05, open" in text


def test_the_status_says_who_holds_an_application_and_that_it_is_unprotected() -> None:
    lease = Lease(
        application="shop",
        epoch=7,
        holder=sample_reports.RUN,
        operation=Operation.FAILOVER,
        active_site="primary",
        since=sample_reports.at(0),
    )
    states = [
        ApplicationState(application="shop", active_site="recovery", epoch=7, lease=lease, protected=False),
        ApplicationState(application="bank"),
    ]
    text = shown(status_table(states))
    assert sample_reports.RUN in text
    assert "UNPROTECTED" in text
    assert "runs UNPROTECTED at recovery. Start: seawall reprotect shop" in text
    assert "no run" in text
    assert words(text.partition("bank")[2]).startswith("not known 0 not known none")


def state(**more: object) -> ApplicationState:
    fields = {"application": "shop", "active_site": "primary", "epoch": 7, "last_run": sample_reports.RUN}
    return ApplicationState.model_validate({**fields, **more})


@pytest.mark.parametrize(
    ("healthy", "age", "expected"),
    [
        (True, 12, "replication: db is 40 ms behind (measured 12 s ago)"),
        (False, 12, "replication: NOT WELL: db is 40 ms behind (measured 12 s ago)"),
        (True, 7200, "(measured 2 h ago, TOO LONG AGO to be relied on)"),
    ],
)
def test_the_status_says_how_far_the_copy_is_behind_and_how_old_that_is(
    healthy: bool, age: float, expected: str
) -> None:
    seen = ReplicationState(at=sample_reports.at(0), healthy=healthy, lag_seconds=0.04, sentence="db is 40 ms behind")
    text = words(shown(status_table([state(replication=seen)], sample_reports.at(age))))
    assert expected in text


def test_an_unmeasured_replication_is_not_called_well() -> None:
    text = words(shown(status_table([state()])))
    assert "replication: not measured yet. See: seawall schedules" in text


def test_the_status_tells_of_a_running_rehearsal_and_of_the_last_drills() -> None:
    rehearsal = Lease(
        application="shop",
        epoch=8,
        holder="drill/shop/2026-11-22T15-00Z",
        operation=Operation.DRILL,
        active_site="primary",
        since=sample_reports.at(0),
    )
    failed = DrillSummary(
        workflow_id="drill/shop/2026-08-22T14-05Z", ended=sample_reports.at(0), end_state="COMPENSATED"
    )
    passed = DrillSummary(
        workflow_id="drill/shop/2026-07-22T14-05Z",
        live=True,
        ended=sample_reports.at(0),
        end_state="RECOVERED",
        rta_seconds=4.3,
    )
    found = state(rehearsal=rehearsal, last_drill=failed, last_live_drill=passed)
    text = words(shown(status_table([found]), 120))
    assert "rehearsal running since 2026-11-22 14:05: drill/shop/2026-11-22T15-00Z" in text
    assert "last isolated drill: 2026-11-22 14:05 UTC, DID NOT PASS (compensated, drill/shop/2026-08-22T14-05Z)" in text
    assert "RTA not measured" in text
    assert "last live drill: 2026-11-22 14:05 UTC, passed, recovery took 4.30 s" in text


def long_view(state: RunState = RunState.RUNNING, done: int = 20) -> ProgressView:
    rows = tuple(
        record.model_copy(
            update={"id": f"step-{n}", "words": f"step {n:02d}"}
            | ({} if n < done else {"state": StepState.PENDING, "started": None, "ended": None})
        )
        for n, record in enumerate((sample_homeward.drill().steps * 3)[:30])
    )
    return sample_views.view(state, rows, 30)


def test_a_long_list_is_folded_round_the_work_and_whole_when_the_run_has_ended() -> None:
    text = shown(render(long_view(), 80))
    assert "17 finished steps" in text
    assert "5 more steps to come" in text
    assert [f"step {n:02d}" in text for n in (0, 16, 17, 19, 20, 24, 25, 29)] == [0, 0, 1, 1, 1, 1, 0, 0]
    whole = shown(render(long_view(RunState.RECOVERED, 30), 80))
    assert all(f"step {n:02d}" in whole for n in range(30))
    assert "finished steps" not in whole


def test_what_failed_or_is_parked_is_never_folded_away() -> None:
    failed = long_view()
    rows = [
        record.model_copy(update={"state": StepState.UNKNOWN}) if n in (1, 28) else record
        for n, record in enumerate(failed.steps)
    ]
    text = shown(render(failed.model_copy(update={"steps": tuple(rows)}), 80))
    assert "step 01" in text
    assert "step 28" in text


def test_a_drill_says_that_it_is_a_rehearsal() -> None:
    text = words(shown(render(sample_homeward.drill_view(), 80)))
    assert "Rehearsal on clones in a bubble at recovery: production is not touched." in text
    assert "RTO" not in text
    assert "~ front: flip dns (simulated)" in words(shown(render(sample_homeward.view(sample_homeward.drill()), 80)))


def test_a_wait_for_the_agreed_time_says_until_when_and_how_to_end_it() -> None:
    text = shown(render(sample_homeward.window_view(), 80))
    assert "waiting for agreed time" in text
    assert "waits until 2026-11-22 16:05 UTC, then goes on by itself." in words(text)
    assert "\nseawall abort failback/shop/2026-11-22T14-05Z --as NAME" in text


def test_short_words_leave_the_marks_in_place() -> None:
    text = shown(render(sample_homeward.view(sample_homeward.live_drill()), 60), 60)
    assert "\n✓ move to recovery" in text
    assert "── point of no return ──" in text


def test_the_doctor_gives_a_command_for_what_is_missing() -> None:
    rows = [
        DoctorRow("PostgreSQL", True, "15.5", "never shown"),
        DoctorRow("Temporal", False, "no answer at 127.0.0.1:7233", "seawall lab up"),
        DoctorRow("clock", None, HOSTILE),
    ]
    text = shown(doctor_table(rows))
    assert "MISSING" in text
    assert "unknown" in text
    assert "seawall lab up" in text
    assert "never shown" not in text


def test_empty_lists_say_what_to_do() -> None:
    assert "seawall failover" in shown(runs_table([]))
    assert "first run" in shown(status_table([]))
