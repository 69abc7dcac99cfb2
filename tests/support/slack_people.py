"""People in the workspace of the fake: they type, click and submit, and see what Slack would show them."""

import asyncio
import hashlib
import hmac
import json
import time
import urllib.parse
import uuid
from dataclasses import dataclass
from typing import Any

import aiohttp

from .bed import eventually
from .slack_fake import CHANNEL, SECRET, TEAM, Post, Slack, Window
from .slack_rules import wrong_view
from .slack_texts import buttons

ACK_SECONDS = 3.0


class NotAcknowledged(Exception):
    """Slack shows `operation_timeout` then."""


@dataclass
class Person:
    """A member."""

    slack: Slack
    user: str

    @property
    def told(self) -> list[str]:
        """What only they were shown."""
        return [text for user, text in self.slack.private if user == self.user]

    @property
    def window(self) -> Window:
        """The one that they have open, the newest."""
        return [one for one in self.slack.windows.values() if one.user == self.user and one.open][-1]

    async def command(self, text: str) -> dict[str, Any]:
        """Type `/dr ...`; what it was acknowledged with."""
        name, _, rest = text.partition(" ")
        payload = {
            "command": name,
            "text": rest,
            "user_id": self.user,
            "team_id": TEAM,
            "channel_id": CHANNEL,
            "trigger_id": self.slack.trigger(self.user),
            "response_url": f"{self.slack.url}/respond/{self.user}",
        }
        return await deliver(self.slack, "slash_commands", payload)

    async def asks(self, text: str) -> str:
        """Type `/dr ...`, and read the answer."""
        before = len(self.told)
        await self.command(text)
        await eventually(lambda: len(self.told) > before)
        return self.told[-1]

    async def opens(self, text: str) -> Window:
        """Type `/dr ...`, and wait for the window that it opens."""
        before = len(self.slack.windows)
        await self.command(text)
        return await self._window(before)

    async def _window(self, before: int) -> Window:
        await eventually(lambda: len(self.slack.windows) > before)
        window = list(self.slack.windows.values())[-1]
        await eventually(lambda: "One moment" not in window.words)
        return window

    async def clicks(self, post: Post, label: str) -> Window:
        """Click a button of a message, and wait for the window that it opens."""
        before = len(self.slack.windows)
        await self.click(post, label)
        return await self._window(before)

    async def click(self, post: Post, label: str) -> dict[str, Any]:
        """Click a button of a message."""

        def there() -> list[dict[str, Any]]:
            return [one for one in buttons(post.blocks) if one["text"]["text"].rstrip("…") == label]

        button = (await eventually(there))[0]
        payload = {
            "type": "block_actions",
            "user": {"id": self.user},
            "team": {"id": TEAM},
            "channel": {"id": post.channel},
            "message": {"ts": post.ts},
            "trigger_id": self.slack.trigger(self.user),
            "response_url": f"{self.slack.url}/respond/{self.user}",
            "actions": [{"type": "button", **{key: button[key] for key in ("action_id", "value")}}],
        }
        return await deliver(self.slack, "interactive", payload)

    async def submits(self, window: Window, **values: str) -> str:
        """Fill a form in and send it; what the window says in the end."""
        await self.submit(window, **values)
        await eventually(lambda: "One moment" not in window.words or not window.open)
        return window.words

    async def submit(self, window: Window, **values: str) -> dict[str, Any]:
        """Fill a form in and send it. Slack's own client checks what the form demands."""
        state: dict[str, dict[str, Any]] = {}
        for block in window.view["blocks"]:
            if block["type"] == "input":
                name, element = block["block_id"], block["element"]
                value = values.get(name, element.get("initial_value"))
                assert block.get("optional") or len(value or "") >= element.get("min_length", 1), name
                assert len(value or "") <= element.get("max_length", 3000), name
                state[name] = {element["action_id"]: {"type": "plain_text_input", "value": value}}
        view = window.view | {"id": window.id, "state": {"values": state}}
        payload = {
            "type": "view_submission",
            "user": {"id": self.user},
            "team": {"id": TEAM},
            "trigger_id": self.slack.trigger(self.user),
            "view": view,
        }
        answer = await deliver(self.slack, "interactive", payload)
        if answer.get("response_action") == "update":
            assert not wrong_view(answer["view"])
            window.view = answer["view"]
        elif not answer:
            window.open = False
        return answer


async def deliver(slack: Slack, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Bring it to the app, signed or by its socket; what it was acknowledged with.

    Raises:
        NotAcknowledged: after three seconds.
    """
    if not slack.app_url:
        return await _by_socket(slack, kind, payload)
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    body = urllib.parse.urlencode(form).encode()
    status, text = await post(slack, body, signed(body))
    assert status == 200, (status, text)
    return json.loads(text) if text.startswith("{") else {}


def signed(body: bytes, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers that Slack sends with it (v0)."""
    moment = str(int(time.time() if at is None else at))
    mac = hmac.new(secret.encode(), b"v0:" + moment.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": moment,
        "X-Slack-Signature": f"v0={mac}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


async def post(slack: Slack, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """Over the wire, as it stands."""
    slack.sent.append((body, headers))
    timeout = aiohttp.ClientTimeout(total=ACK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with session.post(slack.app_url, data=body, headers=headers) as answer:
                return answer.status, await answer.text()
        except TimeoutError:
            raise NotAcknowledged from None


async def _by_socket(slack: Slack, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    await eventually(lambda: slack.sockets)
    envelope = str(uuid.uuid4())
    acked = slack.acked[envelope] = asyncio.get_running_loop().create_future()
    told = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
    await slack.sockets[-1].send_json(told)
    try:
        return await asyncio.wait_for(acked, ACK_SECONDS)
    except TimeoutError:
        raise NotAcknowledged from None
