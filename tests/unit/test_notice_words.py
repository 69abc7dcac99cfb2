"""What a message says to whom: asked for, promised, lost; and what no message ever holds."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.report_render import to_markdown
from tests.support import sample_reports, sample_views
from workflows.engine.details import details_html
from workflows.engine.notice_words import MOST_SUBJECT, Occasion, plain, text
from workflows.model.notices import AGAIN, MOST_BODY, Audience, Event, NoticeRecord, sent_again
from workflows.model.plan import Mode, Operation
from workflows.model.progress import GateView, ParkedStep, RunState

DECLARED = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)
GATE = GateView(
    step="gate",
    code="K7QF",
    question="Fail over shop from primary to recovery (unplanned)?",
    approvers=("anna", "ben"),
    required=1,
    expires=DECLARED + timedelta(hours=1),
    on_silence="reject",
)
PARKED = ParkedStep(
    step="db.fence",
    code="FENCE_UNPROVEN",
    reason="primary gave no answer.",
    actions=("retry", "accept_split_brain_risk", "abort"),
    since=DECLARED,
)


def occasion(event: Event, **changes: Any) -> Occasion:
    plainly = Occasion(
        event=event,
        drill=False,
        application="shop",
        operation=Operation.FAILOVER,
        mode=Mode.UNPLANNED,
        source="primary",
        target="recovery",
        run="failover/shop/2026-11-22T02-00Z",
        now=DECLARED + timedelta(minutes=4),
        declared=DECLARED,
        rto=timedelta(minutes=15),
        rpo=timedelta(seconds=30),
        loss="2.00 s",
        requested_by="carl",
        reason="Berlin is gone",
        summary="shop from primary to recovery: recovered in 3 min 2 s from declared.",
    )
    return replace(plainly, **changes)


def test_an_approval_says_what_is_asked_what_is_promised_and_how_to_answer() -> None:
    said = text(occasion(Event.WAITING_FOR_APPROVAL, gate=GATE), Audience.RESPONDERS)
    assert said.subject == "shop: approval wanted for the failover to recovery"
    assert said.body.splitlines() == [
        "Failover of shop from primary to recovery, declared at 2026-11-22 02:00:00 UTC.",
        "Asked of you: Fail over shop from primary to recovery (unplanned)?",
        "1 of anna, ben must agree. By 2026-11-22 03:00:00 UTC; unanswered it means: reject.",
        "Answer: seawall approve failover/shop/2026-11-22T02-00Z or: seawall reject failover/shop/2026-11-22T02-00Z",
        "See it: seawall watch failover/shop/2026-11-22T02-00Z",
        "I have it, call nobody else: seawall ack failover/shop/2026-11-22T02-00Z",
        "Time: at most 15 min was promised (RTO); 11 min are left, until 2026-11-22 02:15:00 UTC.",
        "Data: at most 30 s of it may be lost (RPO); lost so far as is known: 2.00 s.",
        "Run: failover/shop/2026-11-22T02-00Z",
    ]


def test_a_stuck_run_names_the_step_and_every_safe_answer() -> None:
    said = text(occasion(Event.PARKED, parked=(PARKED,)), Audience.RESPONDERS)
    assert said.tone == "failure"
    assert "Stuck: db.fence, FENCE_UNPROVEN: primary gave no answer." in said.body
    assert "seawall retry | accept-split-brain-risk | abort with: failover/shop/2026-11-22T02-00Z" in said.body


def test_an_rto_that_has_passed_says_so() -> None:
    late = occasion(Event.PARKED, now=DECLARED + timedelta(minutes=18))
    assert "it ended at 2026-11-22 02:15:00 UTC, 3 min ago." in text(late, Audience.STAKEHOLDERS).body


def test_the_end_says_what_it_took_and_what_was_lost() -> None:
    said = text(occasion(Event.RECOVERED, took=182.0), Audience.STAKEHOLDERS)
    assert said.subject == "shop: recovered, failover to recovery done"
    assert "at most 15 min was promised (RTO); it took 3 min 2 s." in said.body
    assert "at most 30 s of it may be lost (RPO); lost: 2.00 s." in said.body


def test_stakeholders_are_given_no_command() -> None:
    for event in Event:
        said = text(occasion(event, gate=GATE, parked=(PARKED,)), Audience.STAKEHOLDERS)
        assert "seawall" not in said.body


def test_the_status_page_tells_no_site_no_name_no_reason_and_no_run() -> None:
    for event in Event:
        said = text(occasion(event, gate=GATE, parked=(PARKED,)), Audience.STATUS_PAGE)
        for secret in ("primary", "recovery", "carl", "anna", "Berlin", "failover/", "db", "seawall"):
            assert secret not in f"{said.subject}\n{said.body}", (event, secret)


def test_the_status_page_calls_a_planned_move_maintenance() -> None:
    assert text(occasion(Event.STARTED), Audience.STATUS_PAGE).subject == "shop: outage"
    assert text(occasion(Event.STARTED, mode=Mode.PLANNED), Audience.STATUS_PAGE).subject == "shop: maintenance"


@pytest.mark.parametrize("audience", list(Audience))
@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("operation", list(Operation))
def test_in_a_drill_every_subject_and_every_body_begins_with_it(
    operation: Operation, event: Event, audience: Audience
) -> None:
    said = text(occasion(event, drill=True, operation=operation), audience)
    assert said.subject.startswith("DRILL: shop: ")
    assert said.body.startswith("This is a drill.")
    assert not text(occasion(event, operation=operation), audience).subject.startswith("DRILL")


def test_a_message_that_is_sent_again_says_so_at_its_end() -> None:
    said = sent_again(text(occasion(Event.RECOVERED, summary="x" * 5000), Audience.RESPONDERS))
    assert said.body.endswith(AGAIN)
    assert len(said.body) <= MOST_BODY


def test_what_is_to_be_pasted_into_a_shell_is_one_word() -> None:
    said = text(occasion(Event.WAITING_FOR_APPROVAL, gate=GATE, run="x; rm -rf ~"), Audience.RESPONDERS)
    assert "seawall approve 'x; rm -rf ~'" in said.body


hostile = st.text(max_size=400) | st.sampled_from(
    ["a\r\nBcc: all@example.org", "\x1b[2J\x07", "\u202eevil", "\u2066x\u2069", "line\u2028line", "\ud800", "x" * 5000]
)


@given(
    name=hostile,
    reason=hostile,
    run=hostile,
    event=st.sampled_from(Event),
    audience=st.sampled_from(Audience),
    drill=st.booleans(),
    operation=st.sampled_from(Operation),
)
def test_no_hostile_name_makes_a_message_long_or_puts_a_control_into_it(
    name: str, reason: str, run: str, event: Event, audience: Audience, drill: bool, operation: Operation
) -> None:
    asked = GATE.model_copy(update={"question": reason, "approvers": (name, reason), "loss": name})
    stuck = tuple(PARKED.model_copy(update={"step": name, "reason": reason}) for _ in range(9))
    it = occasion(
        event,
        drill=drill,
        operation=operation,
        application=name,
        source=name,
        target=reason,
        run=run,
        requested_by=name,
        reason=reason,
        summary=reason,
        loss=name,
        gate=asked,
        parked=stuck,
    )
    said = text(it, audience)
    assert 0 < len(said.subject) <= MOST_SUBJECT
    assert len(said.body) <= MOST_BODY
    assert len(said.body.splitlines()) <= 20
    for character in said.subject + said.body.replace("\n", ""):
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), hex(ord(character))
    assert said.subject.encode()
    assert said.body.encode()


def test_what_is_plain_stays_as_it_is() -> None:
    assert plain("Größe: 3 €, später", 40) == "Größe: 3 €, später"


def test_the_panel_shows_how_to_stop_the_calls_and_then_who_did() -> None:
    waits = sample_views.view(RunState.AWAITING_APPROVAL, (), 30, gate=GATE)
    assert "acknowledge" not in details_html(waits)
    assert '{"by": "your-name"}' in details_html(waits.model_copy(update={"escalates": True}))
    taken = details_html(waits.model_copy(update={"acknowledged": "anna <b> at 02:03:00 UTC"}))
    assert "Acknowledged</b> by anna &lt;b&gt; at 02:03:00 UTC: nobody else is called." in taken


def test_the_report_lists_every_message_and_what_became_of_it() -> None:
    said = {"at": DECLARED, "event": Event.STARTED, "audience": "status_page", "channel": "chat"}
    told = tuple(
        NoticeRecord.model_validate(said | more)
        for more in (
            {"delivered": True},
            {"delivered": False, "detail": "a dead tool"},
            {},
            {"delivered": True, "by": "mail"},
        )
    )
    written = to_markdown(sample_reports.recovered().model_copy(update={"notices": told}))
    for verdict in ("| yes |", "| no | a dead tool", "| not known |", "| by mail, its fallback |"):
        assert verdict in written
    assert "## Notices" not in to_markdown(sample_reports.recovered())
