"""A Slack that stands on this machine: its Web API, socket mode and signed requests, with the state behind them.

It keeps what it is told, refuses what Slack refuses, and is down, slow to answer or strict with its rates on demand.
What it does not know it answers with `unknown_method`.
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from .slack_rules import wrong_message, wrong_view
from .slack_texts import words

BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-of-the-fake", "xapp-of-the-fake", "signing-secret-of-the-fake"
CHANNEL, TEAM, BOT = "C0RECOVERY", "T0SEAWALL", "U0SEAWALL"
TRIGGER_SECONDS = 3.0


@dataclass
class Post:
    """A message."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[dict[str, Any]]
    thread: str = ""
    broadcast: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    """Names."""
    edits: list[float] = field(default_factory=list)
    """When it was edited."""
    versions: list[list[dict[str, Any]]] = field(default_factory=list)

    @property
    def words(self) -> str:
        return words(self.blocks) or self.text


@dataclass
class Window:
    """A modal that a person has open."""

    id: str
    user: str
    view: dict[str, Any]
    open: bool = True

    @property
    def words(self) -> str:
        return words([self.view["title"], *self.view["blocks"]])


@dataclass
class Slack:
    """One workspace."""

    port: int = 0
    mode: str = "up"
    """`up`, `down` (connections are cut), or `loses` (it does what it is asked and its answer is lost)."""
    loses: set[str] = field(default_factory=set)
    """Methods of which the next answer is lost."""
    strict: bool = False
    """One message a second in a channel, fifty edits a minute."""
    app_url: str = ""
    """Where the app listens, in HTTP mode."""
    posts: list[Post] = field(default_factory=list)
    deleted: list[Post] = field(default_factory=list)
    private: list[tuple[str, str]] = field(default_factory=list)
    """What only one member sees: who, and the words."""
    windows: dict[str, Window] = field(default_factory=dict)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    called: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    limited: Counter[str] = field(default_factory=Counter)
    triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    connections: int = 0
    acked: dict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    sent: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    """Requests to the app as they went over the wire: the bodies and the headers."""
    _last: float = 0.0
    _times: dict[str, deque[float]] = field(default_factory=dict)
    _directs: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        return f"{self.url}/api/"

    # --- What tests look at ---

    def roots(self, about: str = "") -> list[Post]:
        """Messages of the channel itself."""
        return [one for one in self.posts if not one.thread and one.channel == CHANNEL and about in one.words]

    def thread(self, root: Post) -> list[Post]:
        return [one for one in self.posts if one.thread == root.ts]

    def files(self, root: Post) -> list[dict[str, Any]]:
        names = [name for one in self.thread(root) for name in one.files]
        return [one for one in self.uploads.values() if one["filename"] in names]

    def trigger(self, user: str) -> str:
        made = f"{len(self.triggers)}.{uuid.uuid4().hex}"
        self.triggers[made] = (user, time.monotonic())
        return made

    async def cut(self) -> None:
        """Every socket is closed, as Slack does from time to time."""
        for socket in self.sockets:
            await socket.close()

    # --- The methods ---

    def chat_postMessage(self, told: dict[str, Any]) -> dict[str, Any]:
        if told["channel"] != CHANNEL and told["channel"] not in self._directs.values():
            return _error("channel_not_found")
        if self._limited(f"post {told['channel']}", 1, 1.0):
            return _error("ratelimited")
        if wrong := wrong_message(told.get("blocks", []), told.get("text", "")):
            return _error(wrong)
        thread = told.get("thread_ts") or ""
        if thread and not any(one.ts == thread for one in self.posts):
            return _error("thread_not_found")
        post = self._post(told, thread)
        post.broadcast = bool(told.get("reply_broadcast"))
        return {"ok": True, "channel": post.channel, "ts": post.ts}

    def _post(self, told: dict[str, Any], thread: str) -> Post:
        self._last = max(time.time(), self._last + 0.000002)
        post = Post(f"{self._last:.6f}", told["channel"], BOT, told.get("text", ""), told.get("blocks", []), thread)
        post.metadata = told.get("metadata") or {}
        self.posts.append(post)
        return post

    def chat_update(self, told: dict[str, Any]) -> dict[str, Any]:
        if self._limited("edit", 50, 60.0):
            return _error("ratelimited")
        post = next((one for one in self.posts if one.ts == told["ts"]), None)
        if post is None:
            return _error("message_not_found")
        if wrong := wrong_message(told.get("blocks", []), told.get("text", "")):
            return _error(wrong)
        post.versions.append(post.blocks)
        post.edits.append(time.monotonic())
        post.text, post.blocks = told.get("text", ""), told.get("blocks", [])
        post.metadata = told.get("metadata") or post.metadata
        return {"ok": True, "channel": post.channel, "ts": post.ts}

    def chat_delete(self, told: dict[str, Any]) -> dict[str, Any]:
        post = next((one for one in self.posts if one.ts == told["ts"]), None)
        if post is None:
            return _error("message_not_found")
        self.posts.remove(post)
        self.deleted.append(post)
        return {"ok": True}

    def chat_postEphemeral(self, told: dict[str, Any]) -> dict[str, Any]:
        if wrong := wrong_message(told.get("blocks", []), told.get("text", "")):
            return _error(wrong)
        self.private.append((told["user"], words(told.get("blocks", [])) or told["text"]))
        return {"ok": True}

    def conversations_history(self, told: dict[str, Any]) -> dict[str, Any]:
        oldest = float(told.get("oldest", 0))
        found = [one for one in self.posts if float(one.ts) > oldest and (not one.thread or one.broadcast)]
        return self._page([one for one in reversed(found) if one.channel == told["channel"]], told)

    def conversations_replies(self, told: dict[str, Any]) -> dict[str, Any]:
        found = [one for one in self.posts if told["ts"] in (one.ts, one.thread)]
        return self._page(found, told) if found else _error("thread_not_found")

    def _page(self, found: list[Post], told: dict[str, Any]) -> dict[str, Any]:
        at, limit = int(told.get("cursor") or 0), int(told.get("limit", 100))
        metadata = str(told.get("include_all_metadata", "")).lower() in ("1", "true")
        page = [_as_message(one, metadata) for one in found[at : at + limit]]
        more = str(at + limit) if at + limit < len(found) else ""
        return {"ok": True, "messages": page, "has_more": bool(more), "response_metadata": {"next_cursor": more}}

    def conversations_open(self, told: dict[str, Any]) -> dict[str, Any]:
        found = self._directs.setdefault(told["users"], f"D0{told['users'][2:]}")
        return {"ok": True, "channel": {"id": found}}

    def views_open(self, told: dict[str, Any]) -> dict[str, Any]:
        user, since = self.triggers.get(told["trigger_id"], ("", 0.0))
        if not user:
            return _error("invalid_trigger_id" if since == 0.0 else "exchanged_trigger_id")
        if time.monotonic() - since > TRIGGER_SECONDS:
            return _error("expired_trigger_id")
        view = _as_view(told["view"])
        if wrong := wrong_view(view):
            return _error(wrong)
        self.triggers[told["trigger_id"]] = ("", since)
        window = Window(f"V0{uuid.uuid4().hex[:10].upper()}", user, view)
        self.windows[window.id] = window
        return {"ok": True, "view": view | {"id": window.id}}

    def views_update(self, told: dict[str, Any]) -> dict[str, Any]:
        window = self.windows.get(told["view_id"])
        if window is None or not window.open:
            return _error("not_found")
        view = _as_view(told["view"])
        if wrong := wrong_view(view):
            return _error(wrong)
        window.view = view
        return {"ok": True, "view": view | {"id": window.id}}

    def files_getUploadURLExternal(self, told: dict[str, Any]) -> dict[str, Any]:
        name = f"F0{uuid.uuid4().hex[:8].upper()}"
        self.uploads[name] = {"filename": told["filename"], "length": int(told["length"]), "content": None}
        return {"ok": True, "upload_url": f"{self.url}/upload/{name}", "file_id": name}

    def files_completeUploadExternal(self, told: dict[str, Any]) -> dict[str, Any]:
        files = json.loads(told["files"]) if isinstance(told["files"], str) else told["files"]
        if any(self.uploads.get(one["id"], {}).get("content") is None for one in files):
            return _error("file_not_found")
        post = self._post({"channel": told["channel_id"]}, told.get("thread_ts") or "")
        post.files = [self.uploads[one["id"]]["filename"] for one in files]
        return {"ok": True, "files": files}

    def auth_test(self, _told: dict[str, Any]) -> dict[str, Any]:
        who = {"team": "Seawall", "team_id": TEAM, "user": "seawall", "user_id": BOT, "bot_id": "B0SEAWALL"}
        return {"ok": True, "url": "https://seawall.slack.test/", **who}

    def apps_connections_open(self, _told: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "url": f"ws://127.0.0.1:{self.port}/socket"}

    def _limited(self, what: str, most: int, seconds: float) -> bool:
        if not self.strict:
            return False
        now, times = time.monotonic(), self._times.setdefault(what, deque())
        while times and now - times[0] >= seconds:
            times.popleft()
        if len(times) >= most:
            self.limited[what] += 1
            return True
        times.append(now)
        return False

    # --- The server ---

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        self.called[method] += 1
        if self.mode == "down":
            return _cut(request)
        told = await _arguments(request)
        wanted = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if request.headers.get("Authorization") != f"Bearer {wanted}":
            return web.json_response(_error("invalid_auth"))
        known: Callable[[dict[str, Any]], dict[str, Any]] | None = getattr(self, method.replace(".", "_"), None)
        answer = known(told) if known else _error("unknown_method")
        if not answer["ok"]:
            self.refused.append((method, answer["error"]))
        if answer.get("error") == "ratelimited":
            return web.json_response(answer, status=429, headers={"Retry-After": "1"})
        if self.mode == "loses" or method in self.loses:
            self.loses.discard(method)
            return _cut(request)
        return web.json_response(answer)

    async def upload(self, request: web.Request) -> web.Response:
        if self.mode == "down":
            return _cut(request)
        content, file = await request.read(), self.uploads[request.match_info["file"]]
        if len(content) != file["length"]:
            return web.Response(status=400, text="length")
        file["content"] = content.decode()
        return web.Response(text=f"OK - {len(content)}")

    async def respond(self, request: web.Request) -> web.Response:
        """A `response_url`."""
        told = await request.json()
        if wrong := wrong_message(told.get("blocks", []), told.get("text", "")):
            self.refused.append(("response_url", wrong))
            return web.Response(status=400, text=wrong)
        self.private.append((request.match_info["user"], words(told.get("blocks", [])) or told["text"]))
        return web.Response(text="ok")

    async def socket(self, request: web.Request) -> web.StreamResponse:
        if self.mode == "down":
            return _cut(request)
        made = web.WebSocketResponse(autoping=True)
        await made.prepare(request)
        self.sockets.append(made)
        self.connections += 1
        await made.send_json({"type": "hello", "num_connections": len(self.sockets)})
        try:
            async for message in made:
                if message.type is WSMsgType.TEXT:
                    told = json.loads(message.data)
                    acked = self.acked.get(told.get("envelope_id", ""))
                    if acked and not acked.done():
                        acked.set_result(told.get("payload") or {})
        finally:
            self.sockets.remove(made)
        return made


def _error(name: str) -> dict[str, Any]:
    return {"ok": False, "error": name}


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _arguments(request: web.Request) -> dict[str, Any]:
    told: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        told |= await request.json()
    elif request.can_read_body:
        told |= dict(await request.post())
    for name in ("blocks", "metadata", "view"):
        if isinstance(told.get(name), str):
            told[name] = json.loads(told[name])
    return told


def _as_view(view: Any) -> dict[str, Any]:
    return dict(view) if isinstance(view, dict) else dict(json.loads(view))


def _as_message(post: Post, metadata: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "message", "ts": post.ts, "user": post.user, "text": post.text}
    if post.thread:
        told["thread_ts"] = post.thread
    if post.files:
        told["files"] = [{"name": name} for name in post.files]
    return told | ({"metadata": post.metadata} if metadata and post.metadata else {})


@contextlib.asynccontextmanager
async def slack_fake() -> AsyncIterator[Slack]:
    """One that listens."""
    made = Slack()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/api/{method}", made.handle)
    app.router.add_post("/upload/{file}", made.upload)
    app.router.add_post("/respond/{user}", made.respond)
    app.router.add_get("/socket", made.socket)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await made.cut()
        await runner.cleanup()
