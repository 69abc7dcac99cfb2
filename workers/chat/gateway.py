"""The process: what people ask is answered, and what runs do is told, until it is stopped."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

from activities.providers.registry import Registry
from activities.runbook_file import find_runbook
from workers.door import Door
from workers.planned import compiled
from workflows.model.progress import CompiledPlan

from .app import ChatApp
from .channel import Channel
from .desk import Desk
from .follower import Follower
from .settings import ChatSettings

_MOST_BYTES = 1024 * 1024
log = logging.getLogger("seawall.chat")


def planner(folder: Path, registry: Registry) -> "partial[CompiledPlan]":
    """Plans of the runbooks in that folder."""
    return partial(_plan, folder, registry)


def _plan(
    folder: Path, registry: Registry, application: str, operation: str, *, planned: bool, choice: str, live: bool
) -> CompiledPlan:
    file = find_runbook(folder, application)
    return compiled(file, registry, operation, planned=planned, choice=choice, live=live)


class Gateway:
    """Between one Slack channel and one Temporal namespace."""

    def __init__(self, door: Door, runbooks: Path, settings: ChatSettings, registry: Registry | None = None) -> None:
        self._settings = settings
        self.app = ChatApp(Desk(door, planner(runbooks, registry or Registry())), settings)
        self._follower = Follower(door.client, Channel(settings), settings)

    @contextlib.asynccontextmanager
    async def open(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve; the port at which Slack is listened to, or 0 where Slack is called instead."""
        following = asyncio.create_task(self._follower.run())
        try:
            async with self._socket() if self._settings.app_token else self._http(host, port) as at:
                yield at
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self.app.settle()

    @contextlib.asynccontextmanager
    async def _socket(self) -> AsyncIterator[int]:
        handler = AsyncSocketModeHandler(
            self.app.bolt,
            self._settings.app_token,
            logger=logging.getLogger("seawall.chat.socket"),
            ping_interval=self._settings.socket_ping_seconds,
        )
        # It tries until Slack is there: threads and Temporal do not wait for that.
        connecting = asyncio.create_task(handler.connect_async())  # type: ignore[no-untyped-call]
        try:
            yield 0
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await handler.close_async()  # type: ignore[no-untyped-call]

    @contextlib.asynccontextmanager
    async def _http(self, host: str, port: int) -> AsyncIterator[int]:
        served = web.Application(client_max_size=_MOST_BYTES)
        served.router.add_post("/slack/events", self._request)
        served.router.add_get("/healthz", _health)
        runner = web.AppRunner(served, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def _request(self, request: web.Request) -> web.Response:
        return await to_aiohttp_response(await self.app.bolt.async_dispatch(await to_bolt_request(request)))


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"ok": True})
