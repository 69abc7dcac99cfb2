"""One message by Apprise to a real server: sent once as far as can be known, marked where it cannot, secret always."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.apprise_box import load
from activities.send_notice import SendNotice
from activities.sent_notices import KEPT_SECONDS, SentNotices
from tests.support.sink import TOKEN, Sink, sink
from workflows.model.base import SecretRef
from workflows.model.failure import Code
from workflows.model.notices import AGAIN, NoticeText, SendNoticeRequest, SentNotice

TEXT = NoticeText(subject="shop: failover has begun", body="Time: 15 min.\nData: 30 s.", tone="warning")


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with sink() as made:
        monkeypatch.setenv("CHAT_URL", made.url)
        yield made


def request(key: str = "run started chat", **changes: Any) -> SendNoticeRequest:
    return SendNoticeRequest(key=key, channel="chat", url=SecretRef(env="CHAT_URL"), text=TEXT).model_copy(
        update=changes
    )


async def attempt(folder: Path, asked: SendNoticeRequest, seconds: float = 5.0) -> SentNotice:
    found: SentNotice = await ActivityEnvironment().run(SendNotice(folder, seconds).send_notice, asked)
    return found


async def test_a_message_arrives_as_it_was_written(chat: Sink, tmp_path: Path) -> None:
    assert await attempt(tmp_path, request()) == SentNotice()
    (got,) = chat.got
    assert (got["title"], got["message"], got["type"]) == (TEXT.subject, TEXT.body, "warning")


async def test_a_retry_behind_a_delivered_attempt_sends_nothing(chat: Sink, tmp_path: Path) -> None:
    await attempt(tmp_path, request())
    again = await attempt(tmp_path, request())
    assert again.detail == "It was sent by an earlier attempt."
    assert len(chat.got) == 1


async def test_another_message_is_no_retry(chat: Sink, tmp_path: Path) -> None:
    await attempt(tmp_path, request())
    await attempt(tmp_path, request(key="run end chat"))
    assert len(chat.got) == 2


async def test_where_the_answer_was_lost_the_retry_is_marked(chat: Sink, tmp_path: Path) -> None:
    chat.mode, chat.once = "loses", True
    with pytest.raises(ApplicationError) as failure:
        await attempt(tmp_path, request())
    assert failure.value.type == Code.OUTCOME_UNKNOWN
    assert not failure.value.non_retryable
    await attempt(tmp_path, request())
    first, second = chat.got
    assert AGAIN not in first["message"]
    assert second["message"].endswith(AGAIN)


async def test_a_worker_that_died_between_sending_and_noting_marks_it_too(chat: Sink, tmp_path: Path) -> None:
    SentNotices(tmp_path / "notices").note(request().key, "begun")
    await attempt(tmp_path, request())
    assert chat.got[0]["message"].endswith(AGAIN)


@pytest.mark.parametrize("mode", ["refuses", "hangs"])
async def test_a_channel_that_does_not_take_it_is_a_failure_within_bounds(
    mode: str, chat: Sink, tmp_path: Path
) -> None:
    chat.mode = mode
    with pytest.raises(ApplicationError) as failure:
        await attempt(tmp_path, request(), seconds=1.0)
    assert failure.value.type == Code.OUTCOME_UNKNOWN


async def test_a_message_is_sent_though_it_cannot_be_noted(chat: Sink, tmp_path: Path) -> None:
    (tmp_path / "notices").write_text("a file where the folder should be", encoding="utf-8")
    said = await attempt(tmp_path, request())
    assert "could not be noted" in said.detail
    assert len(chat.got) == 1


@pytest.mark.parametrize("value", [None, "", "no-such-tool://x", f"mailto:/{TOKEN}"])
async def test_a_channel_without_a_good_url_fails_at_once_and_tells_no_secret(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAT_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("CHAT_URL", value)
    with pytest.raises(ApplicationError) as failure:
        await attempt(tmp_path, request())
    assert failure.value.type == Code.CONFIGURATION
    assert failure.value.non_retryable
    assert TOKEN not in str(failure.value)


@pytest.mark.parametrize("mode", ["takes", "refuses", "loses"])
async def test_the_url_stands_in_no_log_and_no_file(
    mode: str, chat: Sink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load()
    chat.mode = mode
    told = ""
    with caplog.at_level(logging.DEBUG):
        try:
            await attempt(tmp_path, request())
        except ApplicationError as error:
            told = f"{error} {error.details}"
    assert TOKEN not in told
    assert TOKEN in chat.paths[0]
    assert TOKEN not in caplog.text
    assert TOKEN not in kept_in(tmp_path)


def kept_in(folder: Path) -> str:
    return " ".join(file.read_text(encoding="utf-8") for file in folder.rglob("*.json"))


def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    book = SentNotices(tmp_path)
    for key in ("old", "new"):
        book.note(key, "done")
    oldest = min(tmp_path.iterdir(), key=lambda file: "old" not in file.read_text(encoding="utf-8"))
    long_ago = time.time() - KEPT_SECONDS - 60
    os.utime(oldest, (long_ago, long_ago))
    book.forget_old()
    assert (book.state("old"), book.state("new")) == ("new", "done")


def test_a_damaged_note_counts_as_begun(tmp_path: Path) -> None:
    book = SentNotices(tmp_path)
    book.note("key", "done")
    next(tmp_path.iterdir()).write_text("{", encoding="utf-8")
    assert book.state("key") == "begun"
