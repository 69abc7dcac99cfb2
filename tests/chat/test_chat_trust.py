"""Who is believed, and that nothing acts twice."""

import asyncio
import json
import time
import urllib.parse
from collections import Counter
from pathlib import Path

import pytest
import slack_sdk.signature
from temporalio.client import Client

from tests.chat.kit import Room, room
from tests.support.bed import eventually
from tests.support.flow import dead_primary
from tests.support.sim import Fault
from tests.support.slack_fake import TEAM
from tests.support.slack_people import Person, post, signed
from tests.support.slack_texts import buttons
from workers import control
from workflows.model.progress import RunState

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("workers")]


async def runs_of(r: Room) -> list[str]:
    return [row["run"] for row in await control.list_runs(r.bed.client, r.application)]


async def test_a_stranger_and_one_without_the_role_are_refused_with_a_sentence(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        said = await r.person("mallory").asks(f"/dr failover {r.application} let me in")
        assert "The policy knows no Slack member U0MALLORY" in said
        assert "slack: U0MALLORY" in said
        assert "olga may not say failover" in await r.person("olga").asks(f"/dr failover {r.application} let me in")
        assert await runs_of(r) == []
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        assert "olga may not say approve" in await r.approves("olga", root)
        assert "no Slack member U0MALLORY" in (await r.person("mallory").clicks(root, "Approve")).words
        assert "olga may not say abort" in await r.person("olga").asks(f"/dr abort {r.application}")
        view = await r.bed.progress(r.handle(root))
        assert view.gate is not None
        assert view.gate.approved_by == ()
        await r.approves("ben", root)
        await r.handle(root).result()


@pytest.mark.deep
async def test_the_requester_cannot_approve_their_own_run(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("anna", f"failover {r.application} site A is gone")
        assert "may not approve it too" in await r.approves("anna", root)
        await r.approves("ben", root)
        report = await r.handle(root).result()
        assert report.requested_by == "anna"
        assert report.approvals[-1].approver == "ben"


@pytest.mark.deep
async def test_a_form_that_is_sent_twice_starts_one_run(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        carl = r.person("carl")
        window = await carl.opens(f"/dr failover {r.application} site A is gone")
        form = dict(window.view)
        await asyncio.gather(carl.submit(window), carl.submit(window))
        await r.root()
        window.view, window.open = form, True
        assert "has begun" in await carl.submits(window), "the same run, once more"
        await eventually(lambda: runs_of(r))
        assert len(await runs_of(r)) == 1
        assert len(r.slack.roots()) == 1
        await r.approves("anna", await r.root())
        await r.handle(await r.root()).result()


@pytest.mark.deep
async def test_a_second_click_on_an_answered_gate_is_told_so(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.says(root, "Code")
        anna, ben = r.person("anna"), r.person("ben")
        first, second = await anna.clicks(root, "Approve"), await ben.clicks(root, "Approve")
        old = Counter(one["action_id"] for one in buttons(root.blocks))
        assert old["dr:approve"] == 1
        await anna.submits(first)
        assert "⚠️" in await ben.submits(second)
        report = await r.handle(root).result()
        assert [one.approver for one in report.approvals if one.step == "approve"] == ["anna"]


async def test_a_wrong_signature_and_an_old_one_are_refused(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path, http=True) as r, r.gateway():
        body = command(r.person("carl"), "help", "t1")
        assert (await post(r.slack, body, signed(body, secret="guessed")))[0] == 401
        assert (await post(r.slack, body, signed(body, time.time() - 301)))[0] == 401
        assert (await post(r.slack, body, signed(body, time.time() + 301)))[0] == 401
        assert (await post(r.slack, body + b"&x=1", signed(body)))[0] == 401
        assert (await post(r.slack, body, {"Content-Type": "application/x-www-form-urlencoded"}))[0] == 401
        assert r.person("carl").told == []
        assert (await post(r.slack, body, signed(body)))[0] == 200
        await eventually(lambda: r.person("carl").told)


async def test_a_thousand_replays_of_an_accepted_request_at_301_seconds(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(client, tmp_path, http=True) as r, r.gateway():
        carl = r.person("carl")
        await carl.command(f"/dr status {r.application}")
        await eventually(lambda: carl.told)
        body, headers = r.slack.sent[-1]
        monkeypatch.setattr(slack_sdk.signature.Clock, "now", lambda _self: time.time() + 301)
        answers = Counter([(await post(r.slack, body, headers))[0] for _ in range(1000)])
        assert answers == {401: 1000}
        assert len(carl.told) == 1


@pytest.mark.deep
async def test_a_delivery_that_slack_repeats_acts_once(client: Client, tmp_path: Path) -> None:
    world = dead_primary(flip_dns=Fault("refuse", 2))
    async with room(client, tmp_path, world, http=True) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.approves("anna", root)
        await r.says(root, "Parked")
        carl = r.person("carl")
        body = command(carl, f"retry {r.application}", carl.slack.trigger(carl.user))
        headers = signed(body)
        repeat = headers | {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
        first, second = await asyncio.gather(post(r.slack, body, headers), post(r.slack, body, repeat))
        assert (first[0], second[0]) == (200, 200)
        await eventually(lambda: carl.told)
        await r.bed.until(r.handle(root), RunState.PARKED)
        assert (await post(r.slack, body, repeat))[0] == 200
        retried = [one for one in (await control.report(client, r.handle(root).id)).actions if one.action == "retry"]
        assert len(retried) == 1
        assert len(carl.told) == 1
        window = await carl.clicks(root, "Retry")
        await carl.submits(window)
        assert (await r.handle(root).result()).end_state is RunState.RECOVERED


@pytest.mark.deep
async def test_a_click_by_somebody_who_forges_what_it_carries_gets_no_further(client: Client, tmp_path: Path) -> None:
    """Whatever comes back with a form: what the run itself says to it counts."""
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.says(root, "Code")
        window = await r.person("ben").clicks(root, "Approve")
        window.view["private_metadata"] = json.dumps({"act": "approve", "run": r.handle(root).id, "code": "ZZZZ"})
        assert "⚠️" in await r.person("ben").submits(window)
        view = await r.bed.progress(r.handle(root))
        assert view.gate is not None
        assert view.gate.approved_by == ()
        await r.approves("ben", root)
        await r.handle(root).result()


def command(person: Person, text: str, trigger: str) -> bytes:
    payload = {"command": "/dr", "text": text, "user_id": person.user, "team_id": TEAM, "channel_id": "C0RECOVERY"}
    more = {"trigger_id": trigger, "response_url": f"{person.slack.url}/respond/{person.user}"}
    return urllib.parse.urlencode(payload | more).encode()
