"""A site's worker is frozen in the middle of a step, another one does its work, and it wakes up much too late."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.lab import service
from infra.lab.info import LabInfo
from infra.lab.plan import boot_plan
from workers.settings import READY_FILE
from workflows.model.progress import RunState
from workflows.model.requests import FailbackRequest, ReprotectRequest

from .evidence import assert_recovered_once, attempts, epochs, primary, txt
from .rig import Rig, eventually

pytestmark = [pytest.mark.deep, pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]

REPROTECT = ReprotectRequest(runbook="shop", reason="site A is mended", requested_by="ben")
FAILBACK = FailbackRequest(runbook="shop", reason="site A follows", requested_by="ben")
FROZEN_SECONDS = 62.0


@contextmanager
def second_worker(info: LabInfo, site: str, folder: Path, **more: str) -> Iterator[Path]:
    """Another worker of a site, on a machine of its own; the file that says that it takes work."""
    folder.mkdir()
    (found,) = [one for one in boot_plan(info).sites[site].services if one.name == "worker"]
    env = {**service.environment(found), "SEAWALL_STATE": str(folder), **more}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(found.argv, env=env, stdout=log, stderr=log, cwd="/")
    try:
        yield folder / READY_FILE
    finally:
        process.terminate()
        process.wait(20)


async def ends_by_itself(rig: Rig, pid: int) -> None:
    """A worker that is told to end finishes what it holds first; then another one is started in its place."""
    os.kill(pid, signal.SIGTERM)
    await eventually(lambda: pid not in rig.processes("workers.cli.main", "worker", "recovery"), "it has ended")


@pytest.mark.parametrize("step", ["db.fence", "db.promote", "front.flip_dns"])
async def test_it_wakes_up_after_another_worker_did_its_step(rig: Rig, tmp_path: Path, step: str) -> None:
    """Frozen for a minute with the step in its hands. What it does then changes nothing."""
    await rig.declare()
    await rig.approve_paused()
    for before in ("db.fence", "db.sync_delta", "db.promote", "db.health_check", "app.health_check"):
        if step == before:
            break
        await rig.pass_over(before)
    pid = await rig.hold(step)
    with second_worker(rig.info, "recovery", tmp_path / "second") as ready:
        await eventually(ready.exists, "the second worker takes work", within=90.0)
        await rig.done(step)
        await rig.tell("resume")
        await rig.until(RunState.RECOVERED)
        await asyncio.sleep(FROZEN_SECONDS)
        os.kill(pid, signal.SIGCONT)
        await ends_by_itself(rig, pid)
        report, seen = await rig.finish()
    assert_recovered_once(report, seen)
    assert attempts(report)[step] >= 2


async def test_it_wakes_up_after_the_application_went_home(rig: Rig, tmp_path: Path) -> None:
    """Frozen with a promotion of epoch 1 in its hands, until two later runs have moved the application away again."""
    await rig.declare()
    await rig.approve_paused()
    await rig.pass_over("db.fence", "db.sync_delta")
    pid = await rig.hold("db.promote")
    with second_worker(rig.info, "recovery", tmp_path / "second") as ready:
        await eventually(ready.exists, "the second worker takes work", within=90.0)
        await rig.done("db.promote")
        await rig.tell("resume")
        await rig.until(RunState.RECOVERED)
        assert (await rig.carry_out(REPROTECT)).end_state is RunState.RECOVERED
        home = await rig.carry_out(FAILBACK)
        assert (home.end_state, home.protected) == (RunState.RECOVERED, True), home.summary
        stands = (txt(rig.info), epochs(rig.info, "primary"))
        os.kill(pid, signal.SIGCONT)
        await ends_by_itself(rig, pid)
        assert (txt(rig.info), epochs(rig.info, "primary")) == stands
        assert primary(rig.info, "primary")
        assert not primary(rig.info, "recovery"), "a promotion of a lower epoch is refused where it lands"
        _report, seen = await rig.finish()
    assert (seen.audit.lost, seen.audit.duplicated, seen.audit.site) == (0, 0, "primary")
    assert seen.watched.two_writer_samples == 0
