"""What stands before every endpoint: size, who asks, how often, once only. An ASGI middleware, since it must see the
bytes that were signed and keep the bytes that were answered; and nobody unknown gets further, not even to a 404."""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.door import Caller, Door
from workers.hooks.bucket import Buckets
from workers.hooks.callers import Asked, Callers, Known, asked
from workers.hooks.problems import RETRY_SECONDS, Refusal, refusal_of
from workers.hooks.store import Answer, Full, KeyReused, Store, Underway
from workflows.model.failure import Code, SeawallError

MOST_BYTES = 64 * 1024
OPEN = frozenset({"/healthz", "/openapi.json"})
_BODY_SECONDS = 10
DEADLINE_SECONDS = 45
"""Below what the store takes for the death of a server."""

log = logging.getLogger("seawall.webhook")


@dataclass(frozen=True)
class Post:
    """What the gate needs."""

    door: Door
    callers: Callers
    store: Store
    buckets: Buckets
    clock: Callable[[], float] = time.time


class Gate:
    """Lets known callers through, each request once."""

    def __init__(self, app: ASGIApp, post: Post) -> None:
        self._app, self._post = app, post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return  # there is none; the server refuses what nobody accepts
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answered(scope, await _body(receive))
        except Refusal as refusal:
            answer = _Held.of(refusal)
        except SeawallError as error:
            answer = _Held.of(refusal_of(error))
        except sqlite3.Error:
            log.exception("The store cannot be used")
            answer = _Held.of(Refusal(503, "FORGETFUL", "This server cannot remember requests, so that it takes none."))
        for message in answer.messages:
            await send(message)

    async def _answered(self, scope: Scope, body: bytes) -> "_Held":
        request, now = asked(scope, body), self._post.clock()
        known = await self._post.callers.of(request, now)
        caller = self._post.door.who(known.how, known.identity, request.where)
        if caller is None:
            raise Refusal(403, Code.FORBIDDEN, "The policy knows nobody by that name.", "Add them: docs/webhook.md.")
        if wait := self._post.buckets.take(f"{caller.how}:{caller.subject}", now):
            raise Refusal(429, "THROTTLED", "Too many requests.", headers={"retry-after": str(wait)})
        if known.stamp is not None:
            await self._once(known, now)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and request.method == "POST" and kind != "application/json":
            raise Refusal(415, "NOT_JSON", "The body is JSON: say so by `content-type: application/json`.")
        scope.setdefault("state", {}).update(caller=caller, key=known.key)
        if request.method == "POST" and known.key:
            return await self._kept(scope, request, known, caller, now)
        return await self._asked_of_app(scope, request, caller)

    async def _once(self, known: Known, now: float) -> None:
        """A retry is signed anew, with its own time; the very same bytes again are somebody else's."""
        assert known.stamp is not None
        try:
            new = await asyncio.to_thread(
                self._post.store.accept, f"hmac:{known.identity}", known.stamp.id, known.stamp.at, now
            )
        except Full:
            raise Refusal(503, "FULL", "Too many requests are remembered.", headers={"retry-after": "60"}) from None
        if not new:
            raise Refusal(
                409,
                "REPLAYED",
                "This very request was received before, and is not accepted again.",
                "To try again keep its webhook-id, and sign it anew with the time of sending.",
            )

    async def _kept(self, scope: Scope, request: Asked, known: Known, caller: Caller, now: float) -> "_Held":
        """The first answer to the key, or a new one that is kept."""
        store, owner = self._post.store, f"{caller.how}:{known.identity}"
        try:
            first = await asyncio.to_thread(store.begin, owner, known.key, request.fingerprint, now)
        except Underway:
            raise Refusal(
                409,
                "UNDERWAY",
                "The first request with this key is not answered yet.",
                "Try again.",
                {"retry-after": str(RETRY_SECONDS)},
            ) from None
        except KeyReused:
            raise Refusal(
                422, "KEY_REUSED", "This key belongs to another request.", "Take a new one for each new request."
            ) from None
        if first is not None:
            return _Held.again(first)
        try:
            held = await self._asked_of_app(scope, request, caller)
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                store.let_go(owner, known.key)
            raise
        try:
            if held.status < 300:
                await asyncio.to_thread(store.keep, owner, known.key, Answer(held.status, held.body))
            else:
                await asyncio.to_thread(store.let_go, owner, known.key)  # a refusal changed nothing
        except sqlite3.Error:
            log.exception("The store cannot keep an answer")  # which is as true without it
        return held

    async def _asked_of_app(self, scope: Scope, request: Asked, caller: Caller) -> "_Held":
        held = _Held([])
        told = False

        async def receive() -> Message:
            nonlocal told
            if told:
                await asyncio.Event().wait()
            told = True
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: Message) -> None:
            held.messages.append(message)

        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._app(scope, receive, send)
        except TimeoutError:
            raise Refusal(
                503,
                Code.OUTCOME_UNKNOWN,
                "This took too long; what was asked for may have been done.",
                "Try again with the same key: nothing is started twice.",
                {"retry-after": str(RETRY_SECONDS)},
            ) from None
        if request.method != "GET":
            log.info("%s %s by %s (%s %s): %d", request.method, ascii(request.target)[1:-1][:300],
                     caller.subject, caller.how, caller.where, held.status)  # fmt: skip
        return held


@dataclass
class _Held:
    """An answer that is not sent yet."""

    messages: list[Message]

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @classmethod
    def of(cls, refusal: Refusal) -> "_Held":
        response = refusal.response()
        return cls._made(response.status_code, response.raw_headers, bytes(response.body))

    @classmethod
    def again(cls, first: Answer) -> "_Held":
        headers = [(b"content-type", b"application/json"), (b"idempotency-replayed", b"true")]
        return cls._made(first.status, [*headers, (b"content-length", str(len(first.body)).encode())], first.body)

    @classmethod
    def _made(cls, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> "_Held":
        start = {"type": "http.response.start", "status": status, "headers": headers}
        return cls([start, {"type": "http.response.body", "body": body}])


async def _body(receive: Receive) -> bytes:
    """Raises Refusal: 413, or 408 for one that does not arrive."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "MALFORMED", "The request broke off.")
                body += message.get("body", b"")
                if len(body) > MOST_BYTES:
                    raise Refusal(413, "TOO_LARGE", f"A request has {MOST_BYTES} bytes at most.", headers=_CLOSE)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Refusal(408, "TOO_SLOW", "The body did not arrive.", headers=_CLOSE) from None


_CLOSE = {"connection": "close"}
