"""Slack is down, strict, forgetful or somebody's toy; gateways die; and no recovery notices."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.chat.kit import Room, room
from tests.provider.support import free_port
from tests.support.bed import eventually
from tests.support.flow import dead_primary, kept
from tests.support.sim import Fault
from tests.support.slack_fake import Post
from tests.support.slack_rules import calls, careless
from workers import connect
from workers.settings import read_settings
from workflows.model.progress import RunState

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("workers"), pytest.mark.deep]

UNPROVED = {"proofs": [], "failover": {"approvers": ["anna"]}}
BY_NAME = {"proofs": ["otp", "voucher"], "failover": {"approvers": ["anna", "ben"]}}


def once_each(r: Room, root: Post) -> None:
    """One thread, and nothing said twice in it."""
    assert r.slack.roots() == [root]
    keys = [one.metadata["event_payload"]["key"] for one in r.slack.thread(root) if one.metadata]
    assert len(set(keys)) == len(keys), keys
    files = [name for one in r.slack.thread(root) for name in one.files]
    assert len(files) == 1, files


async def finished(r: Room, root: Post) -> None:
    """All is told: the end, the report, and the mark."""
    await eventually(lambda: root.metadata["event_payload"]["final"], 40.0)
    assert r.slack.files(root)
    assert "Recovered" in root.words


async def test_slack_goes_down_in_a_run_which_ends_and_the_thread_catches_up(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.says(root, "Code")
        window = await r.person("anna").clicks(root, "Approve")
        await r.person("anna").submit(window)
        r.slack.mode = "down"
        report = await r.handle(root).result()
        assert report.end_state is RunState.RECOVERED
        assert "Recovered" not in root.words
        r.slack.mode = "up"
        await finished(r, root)
        once_each(r, root)
        kept(r.bed.world)


async def test_slack_is_down_from_the_start_and_a_run_from_elsewhere_is_told_later(
    client: Client, tmp_path: Path
) -> None:
    async with room(client, tmp_path, approvals=UNPROVED) as r:
        r.slack.mode = "down"
        async with r.gateway():
            run = await r.bed.start()
            await r.bed.approve(run)
            assert (await run.result()).end_state is RunState.RECOVERED
            r.slack.mode = "up"
            root = await r.root()
            await finished(r, root)
            once_each(r, root)


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update", "files.completeUploadExternal"])
async def test_an_answer_of_slack_is_lost_and_nothing_is_said_twice(
    client: Client, tmp_path: Path, method: str
) -> None:
    async with room(client, tmp_path) as r:
        r.slack.loses.add(method)
        async with r.gateway():
            root = await r.starts("carl", f"failover {r.application} site A is gone")
            await r.approves("anna", root)
            await r.handle(root).result()
            await finished(r, root)
            once_each(r, root)
            assert method not in r.slack.loses


async def test_slack_is_strict_and_the_message_still_ends_right(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r:
        r.slack.strict = True
        async with r.gateway():
            root = await r.starts("carl", f"failover {r.application} site A is gone")
            await r.approves("anna", root)
            await r.handle(root).result()
            await finished(r, root)
            once_each(r, root)
            assert r.slack.limited, "it was told to slow down, and did"
            assert r.slack.called["chat.postMessage"] < 40


async def test_edits_keep_their_distance_however_fast_a_run_goes(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway(edit_seconds=0.5):
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.approves("anna", root)
        await r.handle(root).result()
        await finished(r, root)
        gaps = [later - sooner for sooner, later in zip(root.edits, root.edits[1:], strict=False)]
        assert gaps
        assert min(gaps) > 0.4, "counted where they arrive"


async def test_nothing_is_edited_while_nothing_changes(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.says(root, "Code")
        await r.hears(root, "Approval is wanted")
        await eventually(lambda: all(one.words != "" for one in r.slack.thread(root)))
        await asyncio.sleep(1.0)
        edits = len(root.edits)
        await asyncio.sleep(2.0)
        assert len(root.edits) == edits, "people think, and Slack is left alone"
        await r.approves("anna", root)
        await r.handle(root).result()


async def test_a_gateway_dies_in_a_run_and_the_next_one_goes_on_in_its_thread(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r:
        async with r.gateway():
            root = await r.starts("carl", f"failover {r.application} site A is gone")
            await r.hears(root, "Approval is wanted")
        async with r.gateway():
            await r.approves("anna", root)
            await r.handle(root).result()
        async with r.gateway():
            await finished(r, root)
        said = len(r.slack.posts)
        async with r.gateway():
            await asyncio.sleep(1.5)
            assert len(r.slack.posts) == said, "a thread that has its end is left alone"
        once_each(r, root)


async def test_two_gateways_settle_on_one_thread(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path, approvals=UNPROVED) as r, r.gateway(), r.gateway():
        run = await r.bed.start()
        await r.bed.approve(run)
        await run.result()
        root = await r.root()
        await eventually(lambda: len(r.slack.roots()) == 1)
        root = r.slack.roots()[0]
        await finished(r, root)
        await eventually(lambda: len(r.slack.files(root)) == 1)
        once_each(r, root)


async def test_temporal_is_down_and_chat_says_so_calmly(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAWALL_TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")
    nowhere = await connect.connect(read_settings(), lazy=True)
    async with room(client, tmp_path) as r, r.gateway(nowhere):
        said = await r.person("carl").asks(f"/dr status {r.application}")
        assert "Temporal does not answer here" in said
        assert "What runs goes on" in said
        window = await r.person("carl").opens(f"/dr failover {r.application} site A is gone")
        assert "promote" in window.words, "the plan needs no server"
        assert "Temporal does not answer here" in await r.person("carl").submits(window)


async def test_a_socket_that_slack_closes_is_opened_again(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        await r.person("olga").asks("/dr help")
        await r.slack.cut()
        await eventually(lambda: r.slack.connections >= 2 and r.slack.sockets)
        assert "/dr status" in await r.person("olga").asks("/dr help")


async def test_the_first_message_is_deleted_by_somebody_and_is_made_anew(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.says(root, "Code")
        r.slack.posts = [one for one in r.slack.posts if root.ts not in (one.ts, one.thread)]
        await r.person("carl").asks(f"/dr ack {r.application}")
        await eventually(lambda: [one for one in r.slack.roots() if one.ts != root.ts])
        again = r.slack.roots()[0]
        await r.approves("anna", again)
        await r.handle(again).result()
        await finished(r, again)


async def test_a_run_that_is_terminated_is_told_as_that(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.says(root, "Code")
        await r.handle(root).terminate("a mistake")
        await r.says(root, "It was terminated from outside")
        await eventually(lambda: root.metadata["event_payload"]["final"], 40.0)


HOSTILE = (
    "<!channel> <@U0ANNA> <https://evil.test|Approve> &lt;!here&gt; *bold*\n\n`code` @everyone \u202egnorw " + "x" * 300
)


async def test_hostile_words_call_nobody_and_break_nothing(client: Client, tmp_path: Path) -> None:
    world = dead_primary(flip_dns=Fault("refuse", 1))
    async with room(client, tmp_path, world, approvals=BY_NAME) as r, r.gateway():
        carl = r.person("carl")
        window = await carl.opens(f"/dr failover {r.application} {HOSTILE}")
        await carl.submits(window)
        root = await r.root()
        await r.approves("anna", root, reason=HOSTILE)
        await r.says(root, "Parked")
        await r.person("carl").asks(f"/dr ack {r.application} {HOSTILE}")
        await r.person("carl").asks(f"/dr retry {r.application} {HOSTILE}")
        await r.handle(root).result()
        await finished(r, root)
        assert "<!channel>" in root.words, "people see what was written"
        for one in r.slack.posts:
            shown = [one.blocks, *one.versions]
            assert not calls(one.text)
            assert not any(calls(text["text"]) for blocks in shown for text in _mrkdwn(blocks))
            assert not any(careless(blocks) for blocks in shown)
        assert r.slack.refused == []


def _mrkdwn(blocks: list[dict[str, object]]) -> list[dict[str, str]]:
    from tests.support.slack_texts import texts_of

    return [one for one in texts_of(blocks) if one["type"] == "mrkdwn"]
