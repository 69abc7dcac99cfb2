"""The codec server: it decrypts for the Temporal Web UI, and for nobody else.

The Web UI runs in a browser and has no keys. It sends payloads here (`/decode`, and `/encode` for what is typed into
it), with a token that people give it: as the `Authorization` header where the Web UI has one to pass on, or as a cookie
that the page `/login` sets. Both endpoints and their JSON are Temporal's own (docs, "Codec Server").
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from html import escape
from typing import Annotated

from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from google.protobuf import json_format
from temporalio.api.common.v1 import Payloads

from workers.codec import Encryption
from workflows.model.failure import PermanentError

COOKIE = "seawall_codec"
MOST_BYTES = 8 * 1024 * 1024
"""Of one request. A page of the Web UI holds far less."""


def digest(token: str) -> str:
    """What is kept of a token: it is long and random, so that no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


class Guard:
    """Who may ask."""

    def __init__(self, digests: Collection[str]) -> None:
        self._digests = tuple(digests)

    def knows(self, token: str) -> bool:
        """Whether it is one of the tokens."""
        given = digest(token)
        return any(hmac.compare_digest(given, known) for known in self._digests)

    def insist(self, request: Request) -> None:
        """HTTPException 401 for a request without a token that is known."""
        header = request.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        given = token if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        if not given or not self.knows(given):
            raise HTTPException(401, "A token is wanted: as a bearer, or by the page /login.")


def make_app(keys: Mapping[str, bytes], digests: Collection[str], origins: Collection[str]) -> FastAPI:
    """The server.

    Args:
        keys: the ring; see `workers.codec.ring`.
        digests: of the tokens that are let in.
        origins: where the Web UI is served, such as `https://temporal.example.org`; no other page may read answers.
    """
    codec, guard = Encryption(keys), Guard(digests)
    app = FastAPI(title="Seawall codec server", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=["content-type", "authorization", "x-namespace"],
        allow_credentials=True,
    )

    @app.post("/encode")
    async def encode(request: Request) -> Response:
        guard.insist(request)
        return _answer(Payloads(payloads=await codec.encode((await _payloads(request)).payloads)))

    @app.post("/decode")
    async def decode(request: Request) -> Response:
        guard.insist(request)
        try:
            return _answer(Payloads(payloads=await codec.decode((await _payloads(request)).payloads)))
        except PermanentError as error:
            return JSONResponse({"message": error.sentence}, 422)

    @app.get("/login")
    async def login_page() -> HTMLResponse:
        return HTMLResponse(_page(""))

    @app.post("/login")
    async def login(token: Annotated[str, Form(max_length=200)]) -> Response:
        if not guard.knows(token):
            return HTMLResponse(_page("This token is not known."), 401)
        answer = RedirectResponse("/login/done", 303)
        answer.set_cookie(COOKIE, token, max_age=12 * 3600, secure=True, httponly=True, samesite="none")
        return answer

    @app.get("/login/done")
    async def done() -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>Seawall</title><p>The Web UI can decrypt now, for twelve hours.</p>")

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    return app


async def _payloads(request: Request) -> Payloads:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, "Too much at once.")
    try:
        return json_format.Parse(bytes(body), Payloads())
    except (json_format.ParseError, UnicodeDecodeError):
        raise HTTPException(400, "The body is no Payloads in JSON.") from None


def _answer(payloads: Payloads) -> Response:
    return Response(json_format.MessageToJson(payloads), media_type="application/json")


def _page(why: str) -> str:
    told = f"<p role=alert>{escape(why)}</p>" if why else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Seawall codec server</title>"
        "<meta name=viewport content='width=device-width'>"
        f"<h1>Seawall codec server</h1>{told}<form method=post><label>Token "
        "<input name=token type=password autocomplete=off autofocus></label> <button>Let the Web UI decrypt</button>"
        "</form>"
    )
