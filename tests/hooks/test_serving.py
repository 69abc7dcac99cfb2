"""`seawall webhook serve` as the process that it is: started, killed, started again."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from activities import keys
from tests.hooks.kit import KEY, SECRETS, Desk, signed
from tests.support.bed import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def environment(d: Desk) -> dict[str, str]:
    return os.environ | {
        "SEAWALL_TEMPORAL_ADDRESS": d.bed.client.service_client.config.target_host,
        "SEAWALL_RUNBOOKS": str(d.bed.crew.folder),
        "SEAWALL_STATE": str(d.settings.store.parent),
        "SEAWALL_WEBHOOK_SECRETS": json.dumps(SECRETS),
        "SEAWALL_GATEWAY_KEY": keys.write(KEY.private_bytes_raw()),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


@asynccontextmanager
async def served(d: Desk, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.cli.main", "webhook", "serve", "--port", str(port),
        env=environment(d), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip

    async def answers() -> bool:
        assert process.returncode is None, (await process.communicate())[0].decode()
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
            except httpx.TransportError:
                return False

    try:
        await eventually(answers, seconds=60)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def sent(port: int, request: httpx.Request) -> httpx.Response:
    request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.send(request)


@pytest.mark.deep
async def test_what_was_accepted_before_a_kill_is_known_after_it(d: Desk) -> None:
    port, captured = free_port(), signed("POST", d.proposals, {"reason": "site A is gone"}, id="msg_before-the-kill")
    async with served(d, port) as process:
        first = await sent(port, captured)
        assert first.status_code == 202, first.text
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with served(d, port) as process:
        assert (await sent(port, captured)).status_code == 409, "the same bytes"
        retried = await sent(port, _later(d, captured))
        assert (retried.status_code, retried.json()) == (202, first.json())
        assert await eventually(lambda: d.all_runs()) == {first.json()["run"]}
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
        assert process.returncode == -signal.SIGTERM, out.decode()
        assert not [secret for secret in SECRETS.values() if secret in out.decode()]
    await d.run(first).cancel()


def _later(d: Desk, first: httpx.Request) -> httpx.Request:
    at = int(first.headers["webhook-timestamp"]) + 5
    return signed("POST", d.proposals, {"reason": "site A is gone"}, id=first.headers["webhook-id"], at=at)


async def test_without_anybody_who_could_ask_it_does_not_begin(d: Desk) -> None:
    given = {name: value for name, value in environment(d).items() if name != "SEAWALL_WEBHOOK_SECRETS"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.cli.main", "webhook", "serve",
        env=given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert "nobody could ask anything" in out.decode()
    assert "Traceback" not in out.decode()
