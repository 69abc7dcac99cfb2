"""The report of drills and of the way home: what was kept, what is equal, what was only shown. Null is no pass."""

import pytest

from activities.report_render import to_html, to_markdown
from tests.support import sample_homeward, sample_reports
from workflows.model.observed import Loss
from workflows.model.progress import RunState
from workflows.model.report import Objective, Report, Scorecard


def sample(name: str) -> Report:
    """One of the made-up reports."""
    place = sample_reports if hasattr(sample_reports, name) else sample_homeward
    report: Report = getattr(place, name)()
    return report


def part(report: Report, title: str) -> str:
    """One section of the Markdown."""
    return to_markdown(report).partition(f"## {title}\n")[2].partition("\n## ")[0].replace("\\", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("recovered", "Failover of shop from primary to recovery: Recovered"),
        ("drill", "Isolated drill of shop at recovery: Passed"),
        ("live_drill", "Live drill of shop from primary to recovery and back: Passed"),
        ("reprotect", "Reprotect of shop at primary, from recovery: Protected again"),
        ("failback", "Failback of shop from recovery to primary: Moved home"),
    ],
)
def test_each_operation_has_its_own_title_and_end(name: str, expected: str) -> None:
    assert to_markdown(sample(name)).startswith(f"# {expected}\n")
    assert f"<title>{expected}</title>" in to_html(sample(name))


def test_a_drill_is_never_called_a_failover_and_fails_in_words() -> None:
    failed = sample_homeward.drill(end_state=RunState.COMPENSATED, scorecard=None)
    missed = (Objective(name="RTO", promised_seconds=1, measured_seconds=4.3, met=False),)
    for report in (sample("drill"), sample("live_drill"), failed):
        assert "failover" not in to_markdown(report).lower()
    assert "drill of shop at recovery: Did not pass" in to_markdown(failed)
    assert ": Passed, but a promise was missed\n" in to_markdown(sample_homeward.drill(objectives=missed))


def test_the_scorecard_says_how_real_the_drill_was_and_how_it_compares() -> None:
    card = part(sample("drill"), "Scorecard of the drill")
    assert "| Fidelity | 7 of 8 steps done for real, 1 simulated |" in card
    assert "| RTO against its promise | kept: 4.30 s of 15 min |" in card
    assert "| Leftovers | 0 |" in card
    assert "| Against the last drill | 2.50 s faster |" in card
    assert "drill/shop/2026-08-22T14-05Z, 2026-08-22 14:05:00.000 UTC: passed, 6.80 s, 88% for real" in card
    assert "| 192.0.2.10:5432 | not reached (ECONNREFUSED) |" in part(
        sample("drill"), "Could the bubble reach production?"
    )
    assert "| FSYNC_OFF | db at recovery runs without fsync. | Set fsync to on. | no |" in part(
        sample("drill"), "Findings"
    )


def test_what_a_drill_did_not_measure_is_never_zero_and_never_a_pass() -> None:
    card = Scorecard(kind="isolated", real=2, simulated=1, skipped=7, fidelity=0.2)
    blind = sample_homeward.drill(scorecard=card, objectives=(), rta_seconds=None, rpa_seconds=None, rpa=Loss())
    text = part(blind, "Scorecard of the drill")
    assert "| Fidelity | 2 of 10 steps done for real, 1 simulated, 7 not done |" in text
    assert "| Leftovers | not measured |" in text
    assert "| Last drill | none of this sort before |" in text
    assert "Not measured: no production endpoint was tried" in to_markdown(blind)
    unknown = card.model_copy(update={"compared_with": sample("drill").scorecard.compared_with})  # type: ignore[union-attr]
    assert "| Against the last drill | not measured |" in part(
        sample_homeward.drill(scorecard=unknown), "Scorecard of the drill"
    )


def test_a_canary_that_was_reached_and_things_left_behind_are_loud() -> None:
    card = Scorecard(
        kind="isolated", real=1, simulated=0, skipped=0, fidelity=1, canaries={"192.0.2.1:1": "reached"}, leftovers=2
    )
    page = to_html(sample_homeward.drill(scorecard=card))
    assert '<span class="mark bad">REACHED</span>' in page
    assert '<span class="mark bad">2</span>' in page


def test_what_only_the_old_site_had_is_named_with_its_keys_and_its_place() -> None:
    report = sample("reprotect")
    assert (
        "| db | 23 | 7,880 bytes | 0/5A3F2C8 | 0/5A41190 | /var/lib/seawall/diverged/db-primary-8 | all | timelines 1"
        in part(report, "What only primary had")
    )
    rows = part(report, "Archived rows")
    assert "| db | public.orders | 20 | 9001, 9002, 9003," in rows
    assert "9010 and 10 more |" in rows
    assert "| db | public.lines | 3 | 71, 72, 73 |" in rows
    assert '<p class="value">23 rows</p>' in to_html(report)


def test_what_could_not_be_told_as_rows_is_not_none() -> None:
    untold = sample("reprotect").divergences[0].model_copy(update={"tables": (), "complete": False, "bytes": None})
    report = sample_homeward.reprotect(divergences=(untold,))
    assert "| db | not measured | not measured |" in part(report, "What only primary had")
    assert "NOT ALL, the rest is kept as a log" in to_markdown(report)
    assert "| Only primary had | not measured | in its log: not measured |" in to_markdown(report)
    nothing = untold.model_copy(update={"diverged": False, "complete": True})
    same = sample_homeward.reprotect(divergences=(nothing,))
    assert "| Only primary had | none | in its log: none | nothing had to be archived |" in to_markdown(same)
    nobody = sample_homeward.reprotect(divergences=())
    assert "| Only primary had | not measured | in its log: not measured | nobody looked |" in to_markdown(nobody)


def test_a_comparison_says_when_it_was_made_and_equal_only_when_it_is() -> None:
    text = part(sample("failback"), "Both sites compared")
    assert "| db | before | equal | 3 | 4,200 | 0/6000148 | 1,048,576 bytes |" in text
    assert "| db | after | not measured | not measured | not measured | not measured | not measured |" in text
    different = sample_homeward.failback(comparisons=(sample_homeward.compared(2, equal=False),))
    assert "| db | before | DIFFERENT | 3 |" in part(different, "Both sites compared")
    tables = part(different, "Compared tables")
    assert tables.index("| public.ledger | 4,000 | 3,999 | DIFFERENT | chunk 3 of 4") < tables.index("public.t0")
    nothing = sample_homeward.failback(comparisons=())
    assert "Not measured: no comparison was made." in part(nothing, "Both sites compared")


@pytest.mark.parametrize(
    ("protected", "tone", "expected"),
    [
        (False, "bad", "shop runs UNPROTECTED at primary: nothing follows it. Start: seawall reprotect shop"),
        (True, "good", "shop is protected: recovery follows primary."),
    ],
)
def test_whether_anything_follows_the_serving_site_is_one_line_at_the_top(
    protected: bool, tone: str, expected: str
) -> None:
    report = sample_homeward.failback(protected=protected)
    assert f'<p class="protection {tone}">{expected}</p>' in to_html(report)
    assert f"**{expected}**" in to_markdown(report).split("\n\n")[1]
    assert 'class="protection' not in to_html(sample_homeward.failback(protected=None))


def test_a_planned_move_says_how_long_users_were_without() -> None:
    markdown = to_markdown(sample("failback"))
    assert "| Interruption: first step that users may notice, to verified | 3.10 s |" in markdown
    unverified = sample("failback").clock.model_copy(update={"verified": None})
    assert "to verified | not measured |" in to_markdown(sample_homeward.failback(clock=unverified))


def test_waiting_for_the_agreed_time_is_nobody_s_work() -> None:
    text = part(sample("failback"), "Steps")
    assert "Over 10 measured steps the orchestrator's own time adds up to 1.46 s." in text
    assert "| front: flip dns (simulated) | recovery | simulated |" in part(sample("drill"), "Steps")
    clocks = part(sample("failback"), "Clocks")
    assert "| 2 h 0 min 1 s |" in clocks
    assert "| 2 h 0 min 3 s |" in clocks


def test_an_isolated_drill_that_was_refused_at_once_is_not_called_live() -> None:
    card = Scorecard(kind="live", real=0, simulated=0, skipped=0, fidelity=None)
    refused = sample_homeward.drill(end_state=RunState.REFUSED, scorecard=card, steps=(), objectives=())
    assert to_markdown(refused).startswith("# Isolated drill of shop at recovery: Refused\n")
    text = part(refused, "Scorecard of the drill")
    assert "| Kind | isolated: on clones in a bubble |" in text
    assert "| Fidelity | not measured: the drill had no step |" in text
    assert "| Leftovers | not measured |" in text


def test_an_answer_that_is_neither_yes_nor_no_is_shown_as_a_warning() -> None:
    given = sample("recovered").approvals[0].model_copy(update={"decision": "data loss of 1 min 30 s accepted"})
    page = to_html(sample("recovered").model_copy(update={"approvals": (given,)}))
    assert '<span class="mark warn">data loss of 1 min 30 s accepted</span>' in page
