"""A release is rolled out by worker processes while a failover waits for its approval."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

import workflows
from infra.lab import service
from infra.lab.info import LabInfo
from infra.lab.layout import ROOT
from infra.lab.plan import boot_plan
from workers import control
from workers.builds import list_builds, make_current, own_build
from workers.settings import READY_FILE
from workflows.model.progress import RunState
from workflows.model.requests import ReprotectRequest

from .evidence import assert_recovered_once
from .rig import Rig, eventually

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(240)]

DEPLOYMENT = "seawall"
BEGINS = "        runbook = await self.load(request.runbook)\n"


def changed_source(folder: Path) -> Path:
    """A copy of the workflows with a timer before a failover's first step; where it is imported from."""
    copy = folder / "workflows"
    shutil.copytree(Path(workflows.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "failover.py"
    source = file.read_text(encoding="utf-8")
    assert source.count(BEGINS) == 1
    file.write_text(source.replace(BEGINS, f"        await workflow.sleep(0.01)\n{BEGINS}"), encoding="utf-8")
    return folder


@contextmanager
def pinned_worker(info: LabInfo, source: Path, folder: Path) -> Iterator[Path]:
    """A control worker that runs the workflows found in `source`; the file that says that it takes work."""
    folder.mkdir()
    (found,) = [one for one in boot_plan(info).services if one.name == "control-worker"]
    env = {
        **service.environment(found),
        "PYTHONPATH": f"{source}:{ROOT}",
        "SEAWALL_STATE": str(folder),
        "SEAWALL_DEPLOYMENT": DEPLOYMENT,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(found.argv, env=env, stdout=log, stderr=log, cwd="/")
    try:
        yield folder / READY_FILE
    finally:
        process.terminate()
        process.wait(20)


def seawall(info: LabInfo, *words: str) -> str:
    """What the command says to an operator, on one line."""
    env = {
        **os.environ,
        "SEAWALL_TEMPORAL_ADDRESS": info.temporal_address,
        "SEAWALL_RUNBOOKS": str(info.runbooks),
        "SEAWALL_DEPLOYMENT": DEPLOYMENT,
        "COLUMNS": "300",
    }
    argv = [sys.executable, "-m", "workers.cli.main", *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


async def builds_of(rig: Rig, run: str) -> set[str]:
    """The builds that did a run's workflow tasks."""
    history: Any = await rig.client.get_workflow_handle(run).fetch_history()
    return {
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    }


async def test_a_failover_ends_on_the_build_on_which_it_began(rig: Rig, tmp_path: Path) -> None:
    old, source = own_build(), changed_source(tmp_path / "source")
    new = own_build(source / "workflows")
    with pinned_worker(rig.info, ROOT, tmp_path / "old") as ready:
        await eventually(ready.exists, "the old build takes work")
        await make_current(rig.client, DEPLOYMENT, old)
        await rig.declare()
        await rig.until(RunState.AWAITING_APPROVAL)
        with pinned_worker(rig.info, source, tmp_path / "new") as ready:
            await eventually(ready.exists, "the new build takes work")
            said = await asyncio.to_thread(seawall, rig.info, "builds", "use", new)
            assert f"New runs begin on {new}." in said
            assert f"Keep the workers of {old} (1 open)" in said
            assert f"{new} is current; {old} still holds 1 open" in await asyncio.to_thread(seawall, rig.info, "doctor")
            await rig.approve()
            report, seen = await rig.finish()
            assert_recovered_once(report, seen)
            assert await builds_of(rig, rig.run) == {old}

            async def drained() -> bool:
                return all(build.runs == 0 for build in await list_builds(rig.client, DEPLOYMENT))

            await eventually(drained, "the old build holds no run")
            request = ReprotectRequest(runbook="shop", reason="site A is mended", requested_by="ben")
            assert (await rig.carry_out(request)).protected is True
            assert await builds_of(rig, rig.run) == {new}
            application = await control.application_state(rig.client, "shop")
            assert application is not None
            assert application.last_run == rig.run
