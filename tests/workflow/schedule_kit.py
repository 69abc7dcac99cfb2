"""What the tests of schedules share: a real Temporal server of their own, and what they do on it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import ScheduleOverlapPolicy as Overlap
from temporalio.api.workflowservice.v1 import CreateScheduleRequest
from temporalio.client import Client, ScheduleHandle

from tests.conftest import temporal_binary
from tests.support.bed import eventually
from workers.converter import DATA_CONVERTER
from workers.schedule_diff import Action
from workers.schedule_plan import Wanted
from workers.schedule_wire import to_schedule
from workers.schedules import apply, compare, overview
from workflows.engine.attributes import ALL
from workflows.model.runbook import Runbook

ROOT = Path(__file__).parents[2]


@dataclass
class Server:
    """A development server over a file, that can be killed and started again."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> Client:
        argv = [temporal_binary(), "server", "start-dev", "--headless", "--log-level", "never"]
        argv += ["--port", str(self.port), "--db-filename", str(self.folder / "temporal.db")]
        for key in ALL:
            argv += ["--search-attribute", f"{key.name}={'Int' if key.name == 'SeawallEpoch' else 'Keyword'}"]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220

        async def connected() -> Client | None:
            try:
                client = await Client.connect(self.address, data_converter=DATA_CONVERTER)
                [found async for found in await client.list_schedules()]
            except Exception:
                return None
            return client

        client: Client = await eventually(connected)
        return client

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[Server]:
    """A server, not started yet, that is gone afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Server(port, folder)
    try:
        yield made
    finally:
        if made.process:
            made.kill()


@asynccontextmanager
async def without_schedules(server: Server) -> AsyncIterator[Client]:
    """A client of that server, which has no schedule yet, and none afterwards."""
    made = await server.start() if server.process is None else await _connect(server)
    yield made
    for handle in await handles(made):
        await handle.delete()
    await eventually(lambda: _none_listed(made))


async def _connect(server: Server) -> Client:
    return await Client.connect(server.address, data_converter=DATA_CONVERTER)


async def handles(client: Client) -> list[ScheduleHandle]:
    return [client.get_schedule_handle(found.id) async for found in await client.list_schedules()]


async def _none_listed(client: Client) -> bool:
    return not await handles(client)


async def applied(client: Client, *runbooks: Runbook) -> list[tuple[str, Action]]:
    return [(entry.id, entry.action) async for entry in apply(client, await compare(client, runbooks))]


async def shown(client: Client, name: str) -> Any:
    return next((status for status in await overview(client) if status.id == name), None)


async def create(client: Client, wanted: Wanted, start: datetime | None = None) -> None:
    schedule = await to_schedule(wanted, client.data_converter)
    assert schedule.policies.overlap_policy == Overlap.SCHEDULE_OVERLAP_POLICY_SKIP
    if start:
        schedule.spec.start_time.FromDatetime(start)
    await client.workflow_service.create_schedule(
        CreateScheduleRequest(
            namespace=client.namespace, schedule_id=wanted.id, schedule=schedule, request_id=wanted.id
        )
    )


def seawall(server: Server | None, *words: str) -> subprocess.CompletedProcess[str]:
    address = server.address if server else "127.0.0.1:1"
    environment = {**os.environ, "SEAWALL_TEMPORAL_ADDRESS": address, "COLUMNS": "80", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "workers.cli.main", *words]
    return subprocess.run(
        argv, capture_output=True, text=True, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
    )
