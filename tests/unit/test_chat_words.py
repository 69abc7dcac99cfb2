"""What the chat gateway shows and reads: within Slack's bounds, and safe, whatever the words are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import sample_views
from tests.support.sample_reports import at, recovered
from tests.support.slack_rules import calls, careless, wrong_message, wrong_view
from tests.support.slack_texts import buttons, texts_of, words
from workers.chat.blocks import Shown
from workers.chat.card import Asked, card
from workers.chat.happenings import ending, happenings
from workers.chat.lists import help_text
from workers.chat.modals import Kept, answer_form, told
from workers.chat.settings import read_chat_settings
from workers.chat.text import cut, fitted, plain, safe
from workers.chat.typed import read
from workflows.model.failure import PermanentError
from workflows.model.progress import GateView, ProgressView, RunState, StepState

VIEWS = ("waiting", "running", "parked", "ended")
HOSTILE = st.text(st.sampled_from("<>&!@|*_~`\n\u202e\u200bab\"'#U0 "), max_size=400) | st.text(max_size=4000)


def view(name: str) -> ProgressView:
    found: ProgressView = getattr(sample_views, f"{name}_view")()
    return found


def fits(message: Shown) -> None:
    assert not wrong_message(message.blocks, message.text)
    assert not careless(message.blocks)
    assert not calls(message.text)
    assert not any(calls(text["text"]) for text in texts_of(message.blocks) if text["type"] == "mrkdwn")


@pytest.mark.parametrize("name", VIEWS)
def test_a_card_is_one_that_slack_takes(name: str) -> None:
    fits(card(view(name), Asked("carl", "site A is gone")))


def test_an_open_gate_shows_the_question_the_facts_the_code_and_its_buttons() -> None:
    shown = card(view("waiting"))
    text = words(shown.blocks)
    assert "Fail shop over from primary to recovery" in text
    assert "silent for 2 of 2 observers" in text
    assert "`K7Q4`" in text
    assert "anna or ben: 0 of 1 so far" in text
    found = {one["action_id"]: json.loads(one["value"]) for one in buttons(shown.blocks)}
    run = view("waiting").workflow_id
    assert found["dr:approve"] == found["dr:reject"] == {"run": run, "code": "K7Q4"}
    assert "dr:accept_data_loss" not in found


def test_a_loss_beyond_the_rpo_has_a_button_of_its_own() -> None:
    base = view("waiting")
    shown = card(base.model_copy(update={"gate": sample_views.gate(loss="1 min 30 s")}))
    assert "dr:accept_data_loss" in {one["action_id"] for one in buttons(shown.blocks)}
    assert "1 min 30 s: it must be accepted besides" in words(shown.blocks)


def test_a_parked_step_shows_what_stands_and_a_button_for_each_safe_action() -> None:
    base = view("parked")
    shown = card(base)
    one = base.parked[0]
    text = words(shown.blocks)
    assert one.reason in text
    assert all(effect in text for effect in one.standing)
    acts = {it["action_id"].removeprefix("dr:") for it in buttons(shown.blocks)}
    assert set(one.actions) - {"accept_split_brain_risk"} <= acts
    assert "accept_split_brain_risk" not in acts


def test_the_risk_of_two_writers_is_accepted_at_a_terminal_and_by_no_button() -> None:
    base = view("parked")
    risky = base.parked[0].model_copy(update={"actions": ("accept_split_brain_risk",), "risk_code": "RSK1"})
    shown = card(base.model_copy(update={"parked": (risky,)}))
    assert "seawall accept-split-brain-risk" in words(shown.blocks)
    assert not any("risk" in one["action_id"] for one in buttons(shown.blocks))


def test_after_the_end_there_is_nothing_to_click() -> None:
    assert buttons(card(view("ended")).blocks) == []


def test_a_card_holds_no_running_clock() -> None:
    base = view("running")
    later = base.model_copy(update={"now": at(5000.0)})
    assert card(base) == card(later)


@given(HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    gate = sample_views.gate(question=text, facts=((text, text),), on_silence=text, code=text[:12])
    asked = Asked(text, text)
    base = view("waiting").model_copy(update={"gate": gate, "headline": text, "acknowledged": text})
    fits(card(base, asked, trouble=text))
    one = view("parked").parked[0].model_copy(update={"reason": text, "standing": (text,), "step": text})
    parked = view("parked").model_copy(update={"parked": (one,) * 9})
    fits(card(parked, asked))
    for found in (base, parked):
        for event in happenings(found, asked):
            fits(event.message)
    report = recovered().model_copy(update={"summary": text, "left_to_do": (text,)})
    fits(ending(report, text).message)
    assert not wrong_view(answer_form(Kept("approve", "run", code=gate.code), base))
    assert not wrong_view(told("Done", text))


@given(st.integers(min_value=0, max_value=400))
def test_a_run_of_any_size_fits_into_one_message(count: int) -> None:
    base = view("running")
    long = base.steps[0].model_copy(update={"words": "w" * 400, "detail": "<" * 400, "state": StepState.UNKNOWN})
    fits(card(base.model_copy(update={"steps": (long,) * count})))


@given(st.text(max_size=4000), st.integers(min_value=2, max_value=400))
def test_no_text_is_cut_within_an_entity(text: str, most: int) -> None:
    once = cut(safe(text, 4000), most)
    assert len(once) <= most
    for part in once.rstrip("…").split("&")[1:]:
        assert part.startswith(("amp;", "lt;", "gt;"))
    assert len(plain(text, most)) <= most
    assert all(len(one) <= most for one in fitted(safe(text, 4000).split(), most))


def test_what_a_phone_makes_of_a_command_is_still_read() -> None:
    typed = read("Failover shop \u2014planned \u2014point before 2026-11-22T14:05:00Z it\u2019s gone")
    assert (typed.verb, typed.about, typed.words) == ("failover", "shop", "it\u2019s gone")
    assert typed.options == {"planned": True, "point": "before 2026-11-22T14:05:00Z"}
    quoted = read('failover shop --despite-evidence "two of three are wrong" go')
    assert quoted.options == {"despite_evidence": "two of three are wrong"}
    assert quoted.words == "go"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("explode shop", "There is no `/dr explode`"),
        ("failover shop --fast now", "--fast of `/dr failover` does not exist"),
        ("failover shop --to", "--to of `/dr failover` wants a value"),
        ("status --planned", "--planned of `/dr status` does not exist"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, wrong: str) -> None:
    with pytest.raises(PermanentError) as found:
        read(text)
    assert wrong in str(found.value)


@given(st.text(max_size=300))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        answer = read(text).verb
    except PermanentError as error:
        answer = error.sentence
    assert answer


def test_no_command_at_all_is_a_call_for_help() -> None:
    assert read("").verb == "help"
    fits(help_text())


def test_what_is_missing_in_the_environment_is_named() -> None:
    with pytest.raises(PermanentError) as found:
        read_chat_settings({"SEAWALL_SLACK_CHANNEL": "C1"})
    assert "SEAWALL_SLACK_BOT_TOKEN" in str(found.value)
    assert "SEAWALL_SLACK_APP_TOKEN" in str(found.value)
    told = {"SEAWALL_SLACK_BOT_TOKEN": "xoxb-1", "SEAWALL_SLACK_CHANNEL": "C1", "SEAWALL_SLACK_SIGNING_SECRET": "s3"}
    made = read_chat_settings(told | {"SEAWALL_SLACK_APPLICATIONS": "shop, crm"})
    assert made.applications == {"shop", "crm"}
    assert "xoxb-1" not in repr(made)
    assert "s3" not in repr(made)


def test_the_question_who_has_started_it_is_not_put_to_the_channel() -> None:
    gate: GateView = sample_views.gate(step="start")
    base = view("waiting").model_copy(update={"gate": gate, "state": RunState.AWAITING_APPROVAL})
    assert not any(one["action_id"] == "dr:approve" for one in buttons(card(base).blocks))
    assert not [one for one in happenings(base, None) if one.loud]


def test_a_form_carries_what_it_needs_and_no_more() -> None:
    kept = Kept("start", "failover/shop/x", operation="failover", application="shop", fields={"point": "latest"})
    assert Kept.loaded(kept.dumped()) == kept
    with pytest.raises(ValueError, match="cannot carry"):
        Kept("retry", "r" * 3000).dumped()
