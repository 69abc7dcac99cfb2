"""The wiring of Slack: each request is acknowledged at once, done once, and answered with a sentence."""

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.errors import SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from workers import control
from workers.door import Caller

from . import lists
from .blocks import Block, Shown, section, shown
from .card import LABELS
from .desk import Desk, Member, why
from .files import report_file
from .modals import Kept, answer_form, loading, plan_blocks, start_form, told
from .settings import ChatSettings
from .text import safe
from .typed import DECISIONS, STARTS, Typed, read

_REMEMBERED = 600.0
"""Seconds for which a request is known again: twice as long as its signature counts."""
_LONG = 10.0
_APART = 0.5
_PATIENCE = (
    "Temporal does not answer here yet; it is still being asked, and you will be told. What runs goes on without this "
    "chat."
)
_UNFORESEEN = "Something went wrong in the chat gateway itself; its log says what. `/dr runs` shows what runs."
T = TypeVar("T")
log = logging.getLogger("seawall.chat")


class ChatApp:
    """What is done with what Slack sends."""

    def __init__(self, desk: Desk, settings: ChatSettings) -> None:
        self._desk = desk
        self._settings = settings
        self._seen: dict[str, float] = {}
        self._work: set[asyncio.Task[None]] = set()
        web = AsyncWebClient(
            settings.bot_token,
            base_url=settings.api,
            timeout=10,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=2)],
        )
        self.bolt = AsyncApp(
            name="seawall",
            client=web,
            signing_secret=settings.signing_secret,
            logger=logging.getLogger("seawall.chat.bolt"),
        )
        self._web = web
        self.bolt.middleware(self._once)
        self.bolt.command(re.compile(".+"))(self._command)
        self.bolt.action(re.compile("^dr:"))(self._click)
        self.bolt.view("dr")(self._submit)

    async def settle(self, seconds: float = 10.0) -> None:
        """Wait for what is being done."""
        if self._work:
            await asyncio.wait(self._work, timeout=seconds)

    # --- What Slack sends ---

    async def _once(self, body: dict[str, Any], next: Callable[[], Awaitable[None]]) -> BoltResponse | None:
        """Slack sends a request again when its answer was lost; whoever has recorded one may, too."""
        now = time.monotonic()
        self._seen = {key: at for key, at in self._seen.items() if now - at < _REMEMBERED}
        key = str(body.get("trigger_id", ""))
        if key and key in self._seen:
            return BoltResponse(status=200, body="")
        self._seen[key] = now
        await next()
        return None

    async def _command(self, ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:
        await ack()
        member = Member(body["user_id"], body.get("channel_id", ""), body.get("team_id", ""))

        async def say(message: Shown) -> None:
            await respond(text=message.text, blocks=message.blocks, response_type="ephemeral")

        self._spawn(self._typed(member, str(body.get("text", "")), str(body.get("trigger_id", "")), say))

    async def _click(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        act = str(action["action_id"]).removeprefix("dr:")
        if act not in LABELS:
            return
        member, values = _member(body), json.loads(str(action.get("value", "{}")))
        kept = Kept(
            act, values["run"], channel=member.channel, code=values.get("code", ""), step=values.get("step", "")
        )
        self._spawn(self._open_answer(member, str(body["trigger_id"]), kept))

    async def _submit(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        kept = Kept.loaded(view["private_metadata"])
        title = str(view["title"]["text"])
        await ack(response_action="update", view=loading(title))
        values = {name: next(iter(line.values())).get("value") or "" for name, line in view["state"]["values"].items()}
        self._spawn(self._submitted(_member(body), kept, values, str(view["id"]), title))

    # --- What is done with it ---

    async def _typed(self, member: Member, text: str, trigger: str, say: Callable[[Shown], Awaitable[None]]) -> None:
        async def wait() -> None:
            await say(_sentence(_PATIENCE))

        try:
            message = await _patiently(self._answered(member, read(text), trigger), wait)
        except Exception as error:
            message = _sentence(_told_of(error))
        if message:
            await say(message)

    async def _answered(self, member: Member, typed: Typed, trigger: str) -> Shown | None:
        """What to tell whoever typed it; None where a window says it."""
        if typed.verb == "help":
            return lists.help_text()
        caller, desk = await self._desk.caller(member), self._desk
        match typed.verb:
            case "status":
                found = await desk.door.states(caller)
                return lists.states([one for one in found if typed.about in ("", one.application)])
            case "runs":
                return lists.runs(await desk.door.runs(caller, typed.about or None, 20))
            case "plan":
                return await self._plan(caller, typed)
            case "report":
                return await self._report(caller, member, await desk.run_of(typed.about))
        if typed.verb in STARTS:
            await self._open_start(caller, member, typed, trigger)
            return None
        return await self._direct(caller, typed)

    async def _plan(self, caller: Caller, typed: Typed) -> Shown:
        await self._desk.insist(caller, "read", typed.about)
        plan = await self._desk.plan(typed.about, typed.rest[0] if typed.rest else "failover", typed.options)
        return shown(f"The plan of {plan.plan.operation}", plan_blocks(plan))

    async def _report(self, caller: Caller, member: Member, run: str) -> Shown:
        found = await self._desk.door.report(caller, run)
        # Not into the channel, where others read who may not; the thread gets it when the run has ended.
        direct = await self._web.conversations_open(users=member.user)
        await report_file(found, self._settings.form).upload(self._web, direct["channel"]["id"])
        return lists.report(found)

    async def _direct(self, caller: Caller, typed: Typed) -> Shown:
        run, rest = await self._desk.run_of(typed.about), list(typed.rest)
        act = {"ack": "acknowledge"}.get(typed.verb, typed.verb.replace("-", "_"))
        code = rest.pop(0) if rest and typed.verb in DECISIONS else ""
        step = ""
        if act in ("retry", "skip", "accept_degraded") and rest:
            view = await self._desk.look(caller, run)
            step = rest.pop(0) if rest[0] in [one.step for one in view.parked] else ""
        said = await self._desk.answer(caller, Kept(act, run, code=code, step=step), " ".join(rest))
        return _sentence(said)

    async def _open_start(self, caller: Caller, member: Member, typed: Typed, trigger: str) -> None:
        operation, application = typed.verb, typed.about
        await self._desk.insist(caller, operation, application)
        title = f"{operation} {application}".capitalize()
        opened = await self._web.views_open(trigger_id=trigger, view=loading(title))
        view_id = str(opened["view"]["id"])
        # The form names the run that it starts: sent twice, it starts one.
        run = f"{control.new_run_id(operation, application)}-{view_id[-6:].lower()}"
        kept = Kept("start", run, member.channel, operation=operation, application=application, fields=typed.options)
        try:
            # Before the plan is shown: what cannot be asked for is told now.
            self._desk.request(kept, typed.words or "none yet")
            form = start_form(await self._desk.plan(application, operation, typed.options), kept, typed.words)
        except Exception as error:
            form = told(title, _told_of(error), well=False)
        await self._web.views_update(view_id=view_id, view=form)

    async def _open_answer(self, member: Member, trigger: str, kept: Kept) -> None:
        title = LABELS[kept.act].rstrip("…")
        opened = await self._web.views_open(trigger_id=trigger, view=loading(title))
        form: Block
        try:
            view = await self._desk.look(await self._desk.caller(member), kept.run)
            if kept.code and (view.gate is None or view.gate.code != kept.code):
                form = told(title, f"This request is answered already. {view.headline}", well=False)
            else:
                form = answer_form(kept, view)
        except Exception as error:
            form = told(title, _told_of(error), well=False)
        await self._web.views_update(view_id=opened["view"]["id"], view=form)

    async def _submitted(self, member: Member, kept: Kept, values: dict[str, str], view_id: str, title: str) -> None:
        acknowledged = time.monotonic()

        async def wait() -> None:
            await self._web.views_update(view_id=view_id, view=told(title, _PATIENCE, well=False))

        try:
            said = await _patiently(self._sent(member, kept, values), wait)
            result = told(title, said)
        except Exception as error:
            said = _told_of(error)
            result = told(title, said, well=False)
        # Slack may see to this before it has seen to the acknowledgement, whose window would then stay.
        await asyncio.sleep(max(acknowledged + _APART - time.monotonic(), 0.0))
        try:
            await self._web.views_update(view_id=view_id, view=result)
        except SlackClientError:
            # The window was closed meanwhile.
            message = _sentence(said)
            channel = kept.channel or self._settings.channel
            await self._web.chat_postEphemeral(
                channel=channel, user=member.user, text=message.text, blocks=message.blocks, parse="none"
            )

    async def _sent(self, member: Member, kept: Kept, values: dict[str, str]) -> str:
        caller = await self._desk.caller(member)
        if kept.act == "start":
            return await self._desk.start(caller, kept, values.get("reason", ""))
        return await self._desk.answer(caller, kept, values.get("reason", ""), values.get("loss", ""))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_logged(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)


async def _patiently(work: Coroutine[Any, Any, T], wait: Callable[[], Awaitable[None]]) -> T:
    """What comes of it; `wait` is said when that takes long. It is not cut off: half of a start helps nobody."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=_LONG)
    if not done:
        with contextlib.suppress(SlackClientError):
            await wait()
    return await task


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as error:
        # It was done or refused by now; what failed is the telling.
        log.warning("An answer did not reach its asker: %s: %s", type(error).__name__, error)


def _told_of(error: Exception) -> str:
    try:
        return why(error)
    except Exception:
        log.exception("A request was not foreseen.")
        return _UNFORESEEN


def _sentence(text: str) -> Shown:
    return shown(safe(text, 2000), [section(safe(text, 2000))])


def _member(body: dict[str, Any]) -> Member:
    return Member(body["user"]["id"], (body.get("channel") or {}).get("id", ""), (body.get("team") or {}).get("id", ""))
