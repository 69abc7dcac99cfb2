"""Notices in a runbook: what is refused, with the field where it is mended, and what a secret never does."""

from pathlib import Path
from typing import Any

import pytest

from activities.runbook.problem import Problem
from activities.runbook_file import check_runbook
from tests.unit.runbook_kit import RUNBOOK, registry, write
from workflows.model.notice_rules import doubts, faults
from workflows.model.notices import Audience, Event, Notices
from workflows.model.runbook import Runbook

CHAT = {"url": {"env": "CHAT_URL"}}
MAIL = {"url": {"file": "/run/secrets/mail"}}

SECTION = """
notices:
  channels:
    chat: {url: {env: CHAT_URL}, fallback: mail}
    mail: {url: {file: /run/secrets/mail}}
  audiences:
    responders: [chat]
    stakeholders: [mail]
  escalation:
    - {after: 5m, to: [mail]}
    - {after: 15m, to: [chat, mail]}
"""


def notices(**fields: Any) -> Notices:
    return Notices.model_validate({"channels": {"chat": CHAT, "mail": MAIL}, **fields})


def checked(folder: Path, section: str) -> list[Problem]:
    return check_runbook(write(folder, RUNBOOK + section), registry())


def test_a_right_section_has_no_fault(tmp_path: Path) -> None:
    assert [problem for problem in checked(tmp_path, SECTION) if problem.field.startswith("notices")] == []


@pytest.mark.parametrize(
    ("fields", "where", "told"),
    [
        ({"audiences": {"responders": ["chat", "chatt"]}}, "audiences.responders.1", "There is no channel chatt"),
        ({"audiences": {"status_page": ["page"]}}, "audiences.status_page.0", "There is no channel page"),
        ({"escalation": [{"after": "5m", "to": ["pager"]}]}, "escalation.0.to.0", "There is no channel pager"),
        ({"channels": {"chat": CHAT | {"fallback": "sms"}}}, "channels.chat.fallback", "There is no channel sms"),
        ({"channels": {"chat": CHAT | {"fallback": "chat"}}}, "channels.chat.fallback", "chat -> chat"),
        (
            {"channels": {"chat": CHAT | {"fallback": "mail"}, "mail": MAIL | {"fallback": "chat"}}},
            "channels.chat.fallback",
            "chat -> mail -> chat",
        ),
        (
            {"escalation": [{"after": "5m", "to": ["chat"]}, {"after": "5m", "to": ["mail"]}]},
            "escalation.1.after",
            "The ladder must rise: 5m does not come after 5m",
        ),
    ],
)
def test_a_fault_names_its_field(fields: dict[str, Any], where: str, told: str) -> None:
    (found,) = faults(notices(**fields))
    assert ".".join(map(str, found[0])) == f"notices.{where}"
    assert told in found[1]
    assert found[2]


def test_what_leads_into_a_circle_is_told_once() -> None:
    circle = {"b": CHAT | {"fallback": "c"}, "c": MAIL | {"fallback": "b"}, "a": CHAT | {"fallback": "b"}}
    assert len([*faults(notices(channels=circle))]) == 1


def test_what_is_hardly_meant_is_a_warning() -> None:
    told = [sentence for _path, sentence, _step in doubts(notices(audiences={"stakeholders": ["chat"]}))]
    assert told == ["Nothing is ever sent by mail.", "No responder is told of anything, so nobody is asked to act."]


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ("notices: [{audience: ops, events: [started], channel: chat}]\n", "notices"),
        ("notices: {channels: {chat: {url: {env: A}}}, escalation: [{after: 0s, to: [chat]}]}\n",
         "notices.escalation[0].after"),
        ("notices: {channels: {chat: {url: {env: A}}}, send: {responders: [sarted]}}\n", "notices.send.responders[0]"),
        ("notices: {channels: {chat: {url: {env: A}}}, send: {responders: [escalation]}}\n",
         "notices.send.responders[0]"),
    ],
)  # fmt: skip
def test_what_has_a_wrong_form_is_told_with_line_and_field(tmp_path: Path, written: str, field: str) -> None:
    found = [problem for problem in checked(tmp_path, written) if problem.field.startswith("notices")]
    assert field in [problem.field for problem in found]
    assert all(problem.line == len(RUNBOOK.splitlines()) + 1 for problem in found)
    assert not all(problem.warning for problem in found)


def test_a_url_in_the_runbook_itself_is_refused_and_not_repeated(tmp_path: Path) -> None:
    found = checked(tmp_path, 'notices: {channels: {chat: {url: "slack://s3cret/t0ken"}}}\n')
    assert "notices.channels.chat.url" in [problem.field for problem in found]
    assert "s3cret" not in " ".join(problem.model_dump_json() for problem in found)


@pytest.mark.parametrize("was", [[], [{"audience": "ops", "events": ["ended"], "channel": "mail"}]])
def test_a_runbook_that_was_frozen_with_a_list_of_notices_is_read_and_tells_nobody(tmp_path: Path, was: Any) -> None:
    from activities.runbook_file import read_runbook

    frozen = read_runbook(write(tmp_path), registry()).runbook.model_dump(mode="json", exclude_none=True)
    assert Runbook.model_validate({**frozen, "notices": was}).notices == Notices()


def test_by_default_the_status_page_is_told_of_no_drill_and_no_gate() -> None:
    plain = notices()
    assert Audience.STATUS_PAGE not in plain.drills
    assert Event.WAITING_FOR_APPROVAL not in plain.send.status_page
    assert Event.PARKED not in plain.send.stakeholders
    assert set(plain.send.responders) == set(Event) - {Event.ESCALATION}
