"""The orchestrator's region is lost in mid-run, its server and its worker; the run goes on from the server's file."""

import asyncio
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from temporalio.client import Client

from infra.lab import service
from infra.lab.info import LabInfo
from infra.lab.layout import LOOPBACK
from infra.lab.plan import boot_plan
from workers.connect import connect
from workers.settings import READY_FILE, Settings, read_settings
from workflows.model.failure import PermanentError
from workflows.model.progress import RunState

from .evidence import assert_recovered_once
from .rig import Rig, eventually

pytestmark = [pytest.mark.deep, pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(240)]


def lose_the_region(rig: Rig) -> list[int]:
    """The server and the control worker stop in mid-flight, and are not started again: they are frozen for good."""
    lost = [rig.temporal(), rig.worker("control")]
    for pid in lost:
        os.kill(pid, signal.SIGSTOP)
    return lost


@contextmanager
def elsewhere(info: LabInfo, folder: Path) -> Iterator[str]:
    """A server on a copy of the lost one's file, with a control worker and a site's worker; its address."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        address = f"{LOOPBACK}:{free.getsockname()[1]}"
    found = boot_plan(info)
    (server,) = [one for one in found.services if one.name == "temporal"]
    database = Path(server.argv[server.argv.index("--db-filename") + 1])
    shutil.copytree(database.parent, folder / "temporal")
    argv = [*server.argv, "--headless"]
    argv[argv.index("--db-filename") + 1] = str(folder / "temporal" / database.name)
    argv[argv.index("--port") + 1] = address.rpartition(":")[2]
    (control,) = [one for one in found.services if one.name == "control-worker"]
    (site,) = [one for one in found.sites["recovery"].services if one.name == "worker"]
    running = [start(argv, {**os.environ}, folder / "server.log")]
    for one, name in ((control, "control"), (site, "recovery")):
        state = folder / name
        state.mkdir()
        env = {**service.environment(one), "SEAWALL_TEMPORAL_ADDRESS": address, "SEAWALL_STATE": str(state)}
        running.append(start(one.argv, env, folder / f"{name}.log"))
    try:
        yield address
    finally:
        for process in reversed(running):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def start(argv: list[str], env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """A process of the other region."""
    with log.open("wb") as file:
        return subprocess.Popen(argv, env=env, stdout=file, stderr=file, cwd="/")


async def client_of(settings: Settings) -> Client:
    """A client, once the server answers."""

    async def connected() -> Client | None:
        with suppress(PermanentError):
            return await connect(settings)
        return None

    found: Client = await eventually(connected, "the server elsewhere answers")
    return found


@pytest.mark.parametrize("mid_step", [False, True], ids=["at-the-gate", "in-mid-step"])
async def test_the_run_goes_on_elsewhere(rig: Rig, tmp_path: Path, mid_step: bool) -> None:
    """The old server's file (a replicated disk, a copy) is all that is left of the region. Nothing happens twice."""
    await rig.declare()
    await rig.until(RunState.AWAITING_APPROVAL)
    held = 0
    if mid_step:
        held = await rig.freeze()
        await rig.approve()
        await rig.taken("db.fence")
    lost = lose_the_region(rig)
    if held:
        # The site's worker does the step and has nobody to tell: its effect stands, and is asked for again elsewhere.
        os.kill(held, signal.SIGCONT)
    folder = tmp_path / "elsewhere"
    with elsewhere(rig.info, folder) as address:
        rig.client = await client_of(settings_at(address))
        await eventually((folder / "control" / READY_FILE).exists, "the control worker elsewhere takes work")
        await rig.progress_again()
        if not mid_step:
            await rig.approve()
        report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    for pid in lost:
        await asyncio.to_thread(os.kill, pid, signal.SIGKILL)


def settings_at(address: str) -> Settings:
    """Settings of a client of that server."""
    return dataclasses.replace(read_settings(), temporal_address=address)
