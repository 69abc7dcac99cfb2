"""Notices on a real Temporal server and real HTTP sinks: nobody waits for them, nobody is told twice unmarked, and
others are called until somebody answers."""

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from tests.support.bed import Bed, bed, eventually
from tests.support.flow import Run, cancelled, dead_primary, healthy, hot
from tests.support.sim import Fault, World
from tests.support.sink import TOKEN, Sink, sink
from workers.converter import DATA_CONVERTER
from workers.sandbox import strict_runner
from workers.worker import WORKFLOWS
from workflows.model.notices import AGAIN, Event
from workflows.model.progress import RunState
from workflows.model.report import Report
from workflows.model.requests import Acknowledgement, FreeRequest

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with sink() as made:
        monkeypatch.setenv("CHAT_URL", made.url)
        yield made


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with sink() as made:
        monkeypatch.setenv("MAIL_URL", made.url)
        yield made


def notices(**fields: Any) -> dict[str, Any]:
    return {
        "channels": {"chat": {"url": {"env": "CHAT_URL"}}, "mail": {"url": {"env": "MAIL_URL"}}},
        "audiences": {"responders": ["chat"]},
    } | fields


WITH_FALLBACK = {"chat": {"url": {"env": "CHAT_URL"}, "fallback": "mail"}, "mail": {"url": {"env": "MAIL_URL"}}}


@contextlib.asynccontextmanager
async def shop(env: WorkflowEnvironment, folder: Path, world: World | None = None, **fields: Any) -> AsyncIterator[Bed]:
    async with bed(env.client, folder, world or dead_primary(), notices=notices(**fields)) as b:
        yield b


async def finished(b: Bed, run: Run) -> Report:
    await b.approve(run)
    return await run.result()


async def replayed(run: Run) -> str:
    """The history of the run, which takes the same way again; as text."""
    history = await run.fetch_history()
    replayer = Replayer(workflows=list(WORKFLOWS), workflow_runner=strict_runner(), data_converter=DATA_CONVERTER)
    assert (await replayer.replay_workflow(history)).replay_failure is None
    return history.to_json()


async def test_responders_are_told_of_all_from_the_start_to_the_end(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink
) -> None:
    async with shop(temporal, tmp_path) as b:
        run = await b.start()
        report = await finished(b, run)
        told = [one.event for one in report.notices] or [one.event for one in b.reports[-1].notices]
        assert told == [Event.STARTED, Event.WAITING_FOR_APPROVAL, Event.POINT_OF_NO_RETURN, Event.RECOVERED]
        kept = b.reports[-1].notices
        assert all(one.delivered and one.audience == "responders" and one.channel == "chat" for one in kept)
        assert len(b.reports) == 2, "the report is there at once, and again with what became of the messages"
        asked = chat.about("approval wanted")[0]["message"]
        assert f"seawall approve {run.id}" in asked
        assert "2 min was promised (RTO)" in asked
        ended = chat.about("recovered")[0]["message"]
        assert "5.00 s of it may be lost (RPO); lost:" in ended
        await replayed(run)


@pytest.mark.deep
async def test_a_sink_that_hangs_delays_no_step_and_the_run_ends(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink
) -> None:
    chat.mode = "hangs"
    async with shop(temporal, tmp_path) as b:
        run = await b.start()
        await b.approve(run)
        await eventually(lambda: b.reports)
        assert b.reports[0].notices[-1].delivered is None, "the report does not wait for messages"
        assert (await b.state()).lease is None, "nor does the lease"
        report = await run.result()
        assert report.end_state is RunState.RECOVERED
        assert report.notices
        assert not any(one.delivered for one in report.notices)
        await replayed(run)


async def test_a_dead_channel_is_reported_and_the_quiet_path_is_taken(
    temporal: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mail: Sink
) -> None:
    with sink("dead") as dead:
        monkeypatch.setenv("CHAT_URL", dead.url)
        async with shop(temporal, tmp_path, channels=WITH_FALLBACK) as b:
            run = await b.start()
            report = await finished(b, run)
            assert [(one.delivered, one.channel, one.by) for one in report.notices] == [(True, "chat", "mail")] * 4
            assert "could not be reached" in report.notices[0].detail
            assert len(mail.got) == 4
            await replayed(run)


async def test_no_channel_at_all_fails_no_run(temporal: WorkflowEnvironment, tmp_path: Path) -> None:
    async with shop(temporal, tmp_path) as b:  # CHAT_URL is not set
        report = await finished(b, await b.start())
        assert report.end_state is RunState.RECOVERED
        assert [one.delivered for one in report.notices] == [False] * 4
        assert "CHAT_URL" in report.notices[0].detail


async def test_a_lost_answer_is_sent_again_with_a_mark_and_no_third_time(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink
) -> None:
    chat.mode, chat.once = "loses", True
    async with shop(temporal, tmp_path) as b:
        report = await finished(b, await b.start())
        first, again = chat.about("has begun")
        assert AGAIN not in first["message"]
        assert again["message"].endswith(AGAIN)
        assert all(one.delivered for one in report.notices)
        assert "not known whether" in report.notices[0].detail


async def test_the_secret_stands_in_no_history_and_no_report(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop(temporal, tmp_path) as b:
        run = await b.start()
        report = await finished(b, run)
        assert any(TOKEN in path for path in chat.paths)
        text = await replayed(run)
        payloads = [base64.b64decode(one, validate=False) for one in re.findall(r'"data": ?"([^"]+)"', text)]
        assert len(payloads) > 10
        assert TOKEN not in text
        assert not any(TOKEN.encode() in one for one in payloads)
        assert TOKEN not in report.model_dump_json()
        assert TOKEN not in caplog.text


async def test_each_audience_is_told_in_its_own_words(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, mail: Sink
) -> None:
    told = {"responders": ["chat"], "status_page": ["mail"]}
    async with shop(temporal, tmp_path, audiences=told) as b:
        await finished(b, await b.start())
        await eventually(lambda: len(mail.got) == 2)
        name = b.runbook.application
        assert mail.subjects == [f"{name}: outage", f"{name}: outage over"]
        assert len(chat.got) == 4


async def test_a_drill_marks_every_message_and_tells_no_user(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, mail: Sink
) -> None:
    told = {"responders": ["chat"], "status_page": ["mail"]}
    async with shop(temporal, tmp_path, healthy(), audiences=told) as b:
        run = await b.launch("Drill")
        report = await run.result()
        assert report.end_state is RunState.RECOVERED
        assert [one.event for one in report.notices][-1] is Event.DRILL_RESULT
        assert chat.subjects
        assert all(subject.startswith("DRILL: ") for subject in chat.subjects)
        assert mail.got == []
        await replayed(run)


@pytest.mark.deep
async def test_the_legs_of_a_live_drill_are_marked_too(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink
) -> None:
    async with shop(temporal, tmp_path, hot()) as b:
        report = await b.complete("Drill", live=True)
        assert report.end_state is RunState.RECOVERED
        await eventually(lambda: len(chat.about("recovered, switchover")) == 2)
        assert all(subject.startswith("DRILL: ") for subject in chat.subjects)


async def test_the_ladder_climbs_until_somebody_acknowledges(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, mail: Sink
) -> None:
    ladder = [{"after": f"{second}s", "to": ["mail"]} for second in (1, 2, 4)]
    async with shop(temporal, tmp_path, escalation=ladder) as b:
        run = await b.start()
        assert (await b.until(run, RunState.AWAITING_APPROVAL)).escalates
        await eventually(lambda: len(mail.got) == 2)
        said = await run.execute_update("acknowledge", Acknowledgement(by="anna", note="on my way"))
        assert "anna" in said
        view = await b.progress(run)
        assert view.acknowledged.startswith("anna at ")
        assert not view.escalates
        assert view.state is RunState.AWAITING_APPROVAL, "it answers nothing"
        await asyncio.sleep(3)
        assert len(mail.got) == 2, "the third step of the ladder finds that it is not wanted"
        assert all("NOBODY HAS ANSWERED" in subject for subject in mail.subjects)
        assert f"seawall ack {run.id}" in mail.got[0]["message"]
        report = await finished(b, run)
        taken = next(action for action in report.actions if action.action == "acknowledge")
        assert (taken.by, taken.reason) == ("anna", "on my way")
        await replayed(run)


@pytest.mark.deep
async def test_the_last_step_of_the_ladder_is_called_again_until_somebody_answers(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, mail: Sink
) -> None:
    ladder = [{"after": "1s", "to": ["mail"]}]
    async with shop(temporal, tmp_path, escalation=ladder, repeat_last="1s") as b:
        run = await b.start()
        await eventually(lambda: len(mail.got) >= 3)
        await finished(b, run)
        await replayed(run)


@pytest.mark.deep
async def test_an_answer_stops_the_ladder_as_well(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, mail: Sink
) -> None:
    async with shop(temporal, tmp_path, escalation=[{"after": "2s", "to": ["mail"]}]) as b:
        run = await b.start()
        report = await finished(b, run)
        assert report.end_state is RunState.RECOVERED
        assert mail.got == []
        await replayed(run)


async def test_what_is_parked_climbs_a_ladder_of_its_own(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, mail: Sink
) -> None:
    world = dead_primary(flip_dns=Fault("refuse", 1))
    async with shop(temporal, tmp_path, world, escalation=[{"after": "1s", "to": ["mail"]}]) as b:
        run = await b.start()
        await b.approve(run)
        await b.until(run, RunState.PARKED)
        await eventually(lambda: mail.about("NOBODY HAS ANSWERED"))
        assert "front.flip_dns" in mail.about("NOBODY")[0]["message"]
        assert chat.about("is stuck")
        await b.tell(run, "retry")
        report = await run.result()
        assert report.end_state is RunState.RECOVERED
        await replayed(run)


async def test_there_is_nothing_to_acknowledge_while_nothing_waits(
    temporal: WorkflowEnvironment, tmp_path: Path
) -> None:
    world = dead_primary()
    world.held.add("load")
    async with shop(temporal, tmp_path, world) as b:
        run = await b.start()
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.execute_update("acknowledge", Acknowledgement(by="anna"))
        assert "Nothing in this run waits" in str(refused.value.cause)
        world.held.clear()
        world.released.set()
        await finished(b, run)


async def test_a_cancelled_run_still_tells_how_it_ended(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink
) -> None:
    async with shop(temporal, tmp_path) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await run.cancel()
        await cancelled(run)
        assert chat.subjects[-1].endswith(("is undone", "did not happen"))
        await replayed(run)


async def test_a_runbook_without_notices_commands_nothing(temporal: WorkflowEnvironment, tmp_path: Path) -> None:
    async with bed(temporal.client, tmp_path, dead_primary()) as b:
        run = await b.start()
        report = await finished(b, run)
        text = await replayed(run)
        assert "send_notice" not in text
        assert report.notices == ()
        assert len(b.reports) == 1


async def test_a_run_that_is_ended_from_outside_is_told_of_until_somebody_takes_it_over(
    temporal: WorkflowEnvironment, tmp_path: Path, chat: Sink, mail: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.engine.janitor.CALL_AGAIN", timedelta(seconds=1))
    async with shop(temporal, tmp_path, escalation=[{"after": "1h", "to": ["mail"]}]) as b:
        run = await b.start()
        await b.until(run, RunState.AWAITING_APPROVAL)
        await run.terminate(reason="the wrong button")
        await eventually(lambda: len(chat.about("STILL ORPHANED")) >= 1)
        first, name = chat.about("ORPHANED")[0], b.runbook.application
        assert first["title"] == f"{name}: ORPHANED, its failover was ended from outside"
        assert "the wrong button" in first["message"]
        assert f"seawall adopt {name}" in first["message"]
        await eventually(lambda: mail.about("STILL ORPHANED"))
        assert len(mail.about("ORPHANED")) == len(mail.about("STILL ORPHANED")), "others are called later"
        state = await b.state()
        shop_ = b.client.get_workflow_handle(f"application/{name}")
        free = FreeRequest(by="anna", epoch=state.epoch, active_site="primary", reason="looked at it")
        await shop_.execute_update("free_lease", free)
        told = len(chat.about("ORPHANED"))
        await asyncio.sleep(2.5)
        assert len(chat.about("ORPHANED")) <= told + 1, "nobody is called any more"
