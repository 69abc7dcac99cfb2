"""The form of outcomes: read as strictly as a runbook, and refused where the world contradicts it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from activities.by_hand.form import form_text
from activities.by_hand.judging import Judgement
from activities.by_hand.reading import FilledForm
from activities.by_hand.told import report_of
from activities.report_render import to_html, to_json, to_markdown
from tests.support.by_hand_facts import AT, facts_of
from workflows.model.observed import Observation, Reach
from workflows.model.outcome_form import OutcomeForm
from workflows.model.progress import RunState, StepState

FACTS = facts_of(done=("approve", "db.choose_recovery_point", "app.start_instances", "db.fence", "db.sync_delta"))


def filled(**lines: str) -> str:
    """The form as ben fills it in; `lines` replace what a line of that name says."""
    text = form_text(FACTS).replace("outcome: fill-in", "outcome: by-hand").replace("by: fill-in", "by: ben")
    text = text.replace('at: "fill-in"', 'at: "14:05"').replace("active_site: fill-in", "active_site: recovery")
    for name, value in lines.items():
        old = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
        text = text.replace(old, f"{name}: {value}")
    return text


def outcome(text: str, step: str, said: str) -> str:
    """The form with another outcome of one step."""
    head, _, rest = text.partition(f'"{step}":')
    return f'{head}"{step}":{rest.replace("outcome: by-hand", f"outcome: {said}", 1)}'


def read(folder: Path, text: str) -> FilledForm:
    path = folder / "form.yaml"
    path.write_text(text, encoding="utf-8")
    found = FilledForm(path)
    found.check_against(FACTS.runbook, FACTS.plan)
    return found


def form_of(folder: Path, text: str) -> OutcomeForm:
    found = read(folder, text)
    assert found.problems == []
    assert found.form is not None
    return found.form


def look(component: str, site: str, reach: Reach, **facts: object) -> Observation:
    return Observation(component=component, site=site, observer="control", reach=reach, at=AT, facts=facts)


def world(*changes: Observation) -> list[Observation]:
    """As it is after a failover that went through; `changes` take the place of what is seen."""
    seen = [
        look("db", "primary", Reach.SILENT),
        look("app", "primary", Reach.UNKNOWN),
        look("front", "primary", Reach.STANDBY, epoch=3),
        look("db", "recovery", Reach.SERVING, epoch=3),
        look("app", "recovery", Reach.UNKNOWN),
        look("front", "recovery", Reach.SERVING, epoch=3),
    ]
    changed = {(one.component, one.site): one for one in changes}
    return [changed.get((one.component, one.site), one) for one in seen]


def contradictions(form: OutcomeForm, looks: Iterable[Observation]) -> str:
    return " ".join(Judgement(form, FACTS.runbook, FACTS.plan, [*looks]).contradictions)


def test_a_form_as_it_is_printed_is_refused_until_it_is_filled_in(tmp_path: Path) -> None:
    found = read(tmp_path, form_text(FACTS))
    assert found.form is None
    told = {problem.field: str(problem) for problem in found.problems}
    assert "steps.db.promote.outcome" in told
    assert "expected one of by-run, by-hand, not-done; got 'fill-in'" in told["steps.db.promote.outcome"]
    assert "expected an answer, or no such line at all" in told["active_site"]
    lines = form_text(FACTS).splitlines()
    at = int(told["active_site"].split(":")[1])
    assert lines[at - 1].startswith("active_site")


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (filled().replace("    by: ben\n", ""), "steps.db.promote", "the name of the person who did the step"),
        (filled(active_site="moon"), "active_site", "'moon' is no site of the runbook"),
        (filled(epoch="0"), "epoch", "expected 1 or more"),
        (filled(epoch="three"), "epoch", "expected a whole number"),
        (filled().replace('"db.promote":', '"db.promotion":'), "steps.db.promotion", "Did you mean 'db.promote'?"),
        (filled().replace('"db.promote":', '"db.promotion":'), "steps", "the step db.promote is missing"),
        (filled() + "colour: red\n", "colour", "there is no such field"),
        (filled(form="2"), "form", "expected"),
        ("- a list\n", "", "this is not a form"),
        ("", "", "the file is empty"),
        ("a: &x 1\n", "a", "an anchor"),
    ],
)
def test_what_is_wrong_with_a_form_is_told_by_line_field_and_what_was_expected(
    tmp_path: Path, text: str, field: str, words: str
) -> None:
    problems = read(tmp_path, text).problems
    assert any(problem.field == field and words in str(problem) for problem in problems), [str(p) for p in problems]


def test_a_form_that_the_world_bears_out_is_taken(tmp_path: Path) -> None:
    judged = Judgement(form_of(tmp_path, filled()), FACTS.runbook, FACTS.plan, world())
    assert judged.contradictions == ()
    assert any(line.startswith("db at primary") for line in judged.unseen)


@pytest.mark.parametrize(
    ("text", "seen", "words"),
    [
        (filled(), look("db", "recovery", Reach.STANDBY, epoch=3), "no write would be accepted there"),
        (filled(), look("db", "recovery", Reach.SILENT), "no write would be accepted there"),
        (filled(), look("db", "primary", Reach.SERVING, epoch=2), "TWO WRITERS"),
        (filled(), look("front", "recovery", Reach.STANDBY, epoch=3), "users are served at recovery, and front is not"),
        (filled(), look("app", "recovery", Reach.STANDBY), "app is not"),
        (filled(), look("db", "recovery", Reach.SERVING, epoch=4), "a later run has changed it"),
        (filled(), look("db", "recovery", Reach.SERVING, epoch=2), "epoch 3 was not written beside it (2 stands)"),
        (filled(), look("front", "recovery", Reach.SERVING, epoch=None), "(None stands)"),
        (filled(protected="true"), look("db", "primary", Reach.STANDBY, receiving=False), "follows nobody"),
        (filled(active_site="primary"), look("db", "primary", Reach.SERVING), "that primary is active"),
        (outcome(filled(), "db.promote", "not-done"), look("app", "primary", Reach.UNKNOWN), "db.promote was not done"),
        (outcome(filled(), "front.flip_dns", "not-done"), look("app", "primary", Reach.UNKNOWN), "flip_dns was not"),
    ],
)
def test_a_form_that_the_world_contradicts_is_refused(tmp_path: Path, text: str, seen: Observation, words: str) -> None:
    assert words in contradictions(form_of(tmp_path, text), world(seen))


def test_a_run_that_was_undone_by_hand_is_told_so(tmp_path: Path) -> None:
    text = filled(active_site="primary").replace("outcome: by-hand", "outcome: not-done")
    form = form_of(tmp_path, text)
    looks = world(
        look("db", "primary", Reach.SERVING, epoch=2),
        look("db", "recovery", Reach.STANDBY, epoch=2, receiving=True),
        look("front", "primary", Reach.SERVING, epoch=2),
        look("front", "recovery", Reach.STANDBY, epoch=2),
    )
    assert contradictions(form, looks) == ""
    report = report_of(form, FACTS.runbook, FACTS.plan, looks, "ben", "Temporal is lost", AT)
    assert report.end_state is RunState.COMPENSATED


def test_the_report_says_who_did_what_and_measures_nothing(tmp_path: Path) -> None:
    text = outcome(filled(), "db.measure_loss", "not-done")
    report = report_of(form_of(tmp_path, text), FACTS.runbook, FACTS.plan, world(), "ben", "Temporal is lost", AT)
    states = {step.id: (step.state, step.detail) for step in report.steps}
    assert states["db.promote"] == (StepState.DONE, "Done by hand by ben, 14:05.")
    assert states["db.fence"] == (StepState.DONE, "Done by the run, as people saw.")
    assert states["db.measure_loss"] == (StepState.SKIPPED, "Not done.")
    assert report.end_state is RunState.RECOVERED
    assert (report.rta_seconds, report.rpa_seconds, report.protected) == (None, None, False)
    assert "runs unprotected" in report.left_to_do[0]
    for form in (to_html, to_markdown, to_json):
        assert "Done by hand by ben" in form(report)
