"""The channel in which runs are told: paced as Slack wants it, and nothing in it twice.

Slack takes no key with a message, and an answer of it can be lost after the message has come in. So each message
carries in its metadata what it is, and is looked for before it is posted and after: of two that are the same, the older
one stays. That holds after a restart, after a lost answer, and between two gateways.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from .blocks import Shown
from .files import File
from .settings import ChatSettings

_EVENT = "seawall_message"
_PAGE, _MOST_PAGES = 200, 10
_CLOCKS = 300.0
"""Seconds by which Slack's clock and Temporal's may differ."""
_SETTLED = ("channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "missing_scope", "account_inactive")
log = logging.getLogger("seawall.chat")


class SlackTrouble(Exception):
    """Slack did not do it, or did not say so."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.what = what
        self.wait = wait
        """How long Slack wants to be left alone, in seconds; 0 when it did not say."""


class Pace:
    """One turn in so many seconds, in the order in which they were asked for."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._free = 0.0
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for it."""
        async with self._queue:
            # Again after it, since somebody may have been told meanwhile to leave Slack alone.
            while (left := self._free - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(left)
            self._free = time.monotonic() + self._every

    def hold(self, seconds: float) -> None:
        """Nobody has a turn for so long."""
        self._free = max(self._free, time.monotonic() + seconds)


@dataclass(frozen=True)
class Message:
    """One of ours."""

    ts: str
    key: str
    final: bool = False
    files: tuple[str, ...] = ()


class Channel:
    """Slack, as far as the telling of runs uses it."""

    def __init__(self, settings: ChatSettings) -> None:
        # No handler that tries again: what is tried again is the newest state, after a look at what stands.
        self._web = AsyncWebClient(settings.bot_token, base_url=settings.api, timeout=10, retry_handlers=[])
        self._id = settings.channel
        self._posts, self._edits = Pace(settings.post_seconds), Pace(settings.edit_seconds)
        self._looks = Pace(settings.edit_seconds)

    async def post_once(
        self, key: str, message: Shown, since: float, thread: str = "", loud: bool = False
    ) -> tuple[Message, bool]:
        """The message of that key, and whether it is new: posted when it does not stand yet.

        Args:
            key: what it is, unlike every other message of the thread, or of the channel.
            since: when the run began, in seconds; nothing older is looked at.
            thread: in which thread; in the channel itself when empty.
            loud: the channel is shown a message of a thread too.
        """
        if standing := await self._standing(key, since, thread):
            return standing, False
        posted = await self._call(
            self._posts,
            "chat_postMessage",
            channel=self._id,
            text=message.text,
            blocks=message.blocks,
            metadata=_metadata(key, False),
            parse="none",
            unfurl_links=False,
            unfurl_media=False,
            **({"thread_ts": thread, "reply_broadcast": loud} if thread else {}),
        )
        ours = Message(ts=str(posted["ts"]), key=key)
        first = await self._standing(key, since, thread) or ours
        if first.ts == ours.ts:
            return ours, True
        await self._call(self._posts, "chat_delete", channel=self._id, ts=ours.ts)
        return first, False

    async def edit(self, key: str, ts: str, message: Shown, final: bool) -> None:
        """Show this in its place; `final` is remembered with it."""
        await self._call(
            self._edits,
            "chat_update",
            channel=self._id,
            ts=ts,
            text=message.text,
            blocks=message.blocks,
            metadata=_metadata(key, final),
            parse="none",
        )

    async def upload(self, thread: str, file: File) -> None:
        """Put a file into the thread, unless one of that name is there."""
        if any(file.name in one.files for one in [one async for one in self._replies(thread)]):
            return
        await self._posts.turn()
        try:
            await file.upload(self._web, self._id, thread)
        except Exception as error:
            raise _trouble(error) from error

    async def told(self, since: float) -> list[Message]:
        """Our messages in the channel itself, from then on; of each key the oldest one."""
        found: dict[str, Message] = {}
        async for one in self._history(since):
            if one.key and (one.key not in found or float(one.ts) < float(found[one.key].ts)):
                found[one.key] = one
        return list(found.values())

    async def _standing(self, key: str, since: float, thread: str) -> Message | None:
        messages = self._replies(thread) if thread else self._history(since)
        same = [one async for one in messages if one.key == key]
        return min(same, key=lambda one: float(one.ts), default=None)

    def _history(self, since: float) -> AsyncIterator[Message]:
        return self._read("conversations_history", oldest=f"{since - _CLOCKS:.6f}")

    def _replies(self, thread: str) -> AsyncIterator[Message]:
        return self._read("conversations_replies", ts=thread)

    async def _read(self, method: str, **which: Any) -> AsyncIterator[Message]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = await self._call(
                self._looks,
                method,
                channel=self._id,
                limit=_PAGE,
                include_all_metadata=True,
                **which,
                **({"cursor": cursor} if cursor else {}),
            )
            for message in page.get("messages", []):
                yield _read(message)
            cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return

    async def _call(self, pace: Pace, method: str, **arguments: Any) -> Any:
        await pace.turn()
        try:
            answer = await getattr(self._web, method)(**arguments)
        except Exception as error:
            trouble = _trouble(error)
            if trouble.wait:
                pace.hold(trouble.wait)
            raise trouble from error
        return answer.data


def _metadata(key: str, final: bool) -> dict[str, Any]:
    return {"event_type": _EVENT, "event_payload": {"key": key, "final": final}}


def _read(message: dict[str, Any]) -> Message:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload", {}) if metadata.get("event_type") == _EVENT else {}
    files = tuple(str(one.get("name", "")) for one in message.get("files", []))
    return Message(str(message["ts"]), str(payload.get("key", "")), bool(payload.get("final")), files)


def _trouble(error: Exception) -> SlackTrouble:
    """What kept Slack from it.

    Raises:
        Exception: the error itself, when it is none of Slack's or of the network.
    """
    if isinstance(error, SlackApiError):
        answer = error.response
        if getattr(answer, "status_code", 0) == 429:
            return SlackTrouble("Slack wants to be left alone for a while", _seconds(answer.headers))
        name = str(answer.get("error", "")) if hasattr(answer, "get") else ""
        if name in _SETTLED:
            log.error("Slack refuses: %s. See docs/chatops.md.", name)
        return SlackTrouble(name or "Slack did not take it", 60.0 if name in _SETTLED else 0.0)
    if isinstance(error, SlackClientError | aiohttp.ClientError | asyncio.TimeoutError | OSError):
        return SlackTrouble(f"Slack cannot be reached ({type(error).__name__})")
    raise error


def _seconds(headers: Any) -> float:
    told = next((value for name, value in dict(headers).items() if name.lower() == "retry-after"), "1")
    try:
        return max(float(told[0] if isinstance(told, list) else told), 1.0)
    except ValueError:
        return 1.0
