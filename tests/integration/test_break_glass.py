"""Temporal is gone for good in mid-run, and its database with it: a person finishes by the page and regains control.

The page is taken from the report store, where the run has put it; the test types exactly what stands there.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Set
from pathlib import Path

import pytest

from infra.lab.layout import ROOT
from tests.support.paper import PaperStep, form_of, shown, steps_of, type_in
from workers import control
from workflows.model.progress import RunState
from workflows.model.report import Report

from .evidence import epochs, primary
from .rig import Rig, eventually
from .test_way_home import FAILBACK, REPROTECT

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (shutil.which("nsupdate") and shutil.which("dig") and shutil.which("psql")),
        reason="The page's commands want psql, dig and nsupdate: apt-get install postgresql-client bind9-dnsutils",
    ),
]


def page_file(rig: Rig, suffix: str = "md") -> Path:
    return rig.info.reports / "shop" / f"{rig.run.replace('/', '_')}.by-hand.{suffix}"


async def lose_temporal(rig: Rig) -> None:
    """kill -9, and its database is gone: what starts it again finds no place for one."""
    folder = rig.info.folder / "temporal"
    os.rename(folder, folder.with_name("temporal.lost"))
    os.kill(rig.temporal(), signal.SIGKILL)
    shutil.rmtree(folder.with_name("temporal.lost"))

    async def gone() -> bool:
        return "does not answer" in (await seawall(rig, "status")).stderr

    await eventually(gone, "Temporal is gone")


async def new_temporal(rig: Rig) -> None:
    """An empty one, at the same address; the workers find it by themselves."""
    (rig.info.folder / "temporal").mkdir()

    async def up() -> bool:
        return (await seawall(rig, "runs")).returncode == 0

    await eventually(up, "the new server answers")


async def seawall(rig: Rig, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command, where a worker's environment is set."""
    env = os.environ | rig.info.secrets()
    env |= {
        "PYTHONPATH": str(ROOT),
        "SEAWALL_TEMPORAL_ADDRESS": rig.info.temporal_address,
        "SEAWALL_RUNBOOKS": str(rig.info.runbooks),
        "SEAWALL_REPORTS": str(rig.info.reports),
        "SEAWALL_STATE": str(rig.info.state / "by-hand"),
    }
    argv = [sys.executable, "-m", "workers.cli.main", *words]
    return await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, env=env, check=False)


def do(rig: Rig, step: PaperStep) -> bool:
    """Look, act where it is not done already, look. Whether something was done."""
    secrets = rig.info.secrets()
    open_ = all(shown(command, type_in(command.line, secrets)) for command in step.commands["look"])
    if open_:
        for command in step.commands["act"]:
            type_in(command.line, secrets)
    for command in step.commands["after"]:
        end, output = time.monotonic() + 30, ""
        while not shown(command, output := type_in(command.line, secrets)):
            assert time.monotonic() < end, f"{step.id}: {command.line} must show {command.shows}, and shows {output}"
    return open_ and bool(step.commands["act"])


def filled(form: str) -> str:
    """The form as ben fills it in."""
    form = re.sub(
        r"outcome: fill-in\n    by: fill-in\n    at: \"fill-in\"",
        'outcome: by-hand\n    by: ben\n    at: "14:05"',
        form,
    )
    return form.replace("agreed_by: [fill-in]", "agreed_by: [anna]").replace(
        "active_site: fill-in", "active_site: recovery"
    )


async def by_the_page(rig: Rig, left: set[str], early: Set[str] = frozenset()) -> Report:
    """Do what is left by hand, and regain control over a new and empty Temporal; the report of what was told. What is
    `early` the run itself may have done before it wrote the page."""
    exported = await seawall(rig, "export", "shop")
    page = page_file(rig).read_text(encoding="utf-8")
    assert exported.stdout == page, exported.stderr
    assert "does not answer" in exported.stderr
    steps = steps_of(page)
    assert {step.id for step in steps} - early == left
    acked = len(rig.load.acks)
    acted = [step.id for step in steps if await asyncio.to_thread(do, rig, step)]
    assert set(acted) == left & {"db.fence", "db.promote", "front.flip_dns"}
    await eventually(lambda: len(rig.load.acks) >= acked + 20, "users are served")

    await new_temporal(rig)
    form = rig.info.folder / "form.yaml"
    form.write_text(filled(form_of(page)), encoding="utf-8")
    told = ("import-outcome", str(form), "--by", "ben", "--reason", "Temporal is lost")
    dry = await seawall(rig, *told)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert await control.application_state(rig.client, "shop") is None, "a dry run tells nobody"
    done = await seawall(rig, *told, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    stored = page_file(rig).with_name(f"{rig.run.replace('/', '_')}.json")
    return Report.model_validate_json(stored.read_bytes())


async def home_again(rig: Rig) -> None:
    """Afterwards everything is as after a failover: reprotect and failback, and nobody has lost anything."""
    state = await control.application_state(rig.client, "shop")
    assert state is not None
    assert (state.active_site, state.epoch, state.protected, state.lease) == ("recovery", 1, False, None)
    back = await rig.carry_out(REPROTECT)
    assert (back.end_state, back.protected) == (RunState.RECOVERED, True), back.summary
    home = await rig.carry_out(FAILBACK)
    assert (home.end_state, home.lost_transactions) == (RunState.RECOVERED, 0), home.summary
    _report, seen = await rig.finish()
    assert (seen.audit.lost, seen.audit.duplicated, seen.audit.site) == (0, 0, "primary")
    assert seen.watched.two_writer_samples == 0
    written = [epoch for epoch, _run in epochs(rig.info, "primary")]
    assert written == sorted(set(written)), "each epoch once, and rising"


async def test_a_run_that_is_lost_behind_its_pivot_is_finished_by_the_page(rig: Rig) -> None:
    await rig.declare()
    await rig.approve_paused()
    await rig.pass_over("db.fence", "db.sync_delta", "db.promote")
    await eventually(lambda: "POINT OF NO RETURN IS BEHIND" in page_file(rig).read_text(), "the second page is written")
    await lose_temporal(rig)
    report = await by_the_page(
        rig, {"db.health_check", "app.health_check", "front.flip_dns", "public.verify", "db.measure_loss"}
    )
    assert report.end_state is RunState.RECOVERED
    assert {step.id for step in report.steps if "by hand by ben" in step.detail} == {
        "db.health_check",
        "app.health_check",
        "front.flip_dns",
        "public.verify",
        "db.measure_loss",
    }
    await home_again(rig)


async def test_a_run_that_is_lost_at_its_gate_is_done_by_the_page_from_the_fence_on(rig: Rig) -> None:
    await rig.declare()
    await rig.until(RunState.AWAITING_APPROVAL)
    await eventually(page_file(rig).exists, "the first page is written")
    await lose_temporal(rig)
    assert not primary(rig.info, "recovery")
    report = await by_the_page(
        rig,
        {
            *("approve", "db.fence", "db.sync_delta", "db.promote", "db.health_check"),
            *("app.health_check", "front.flip_dns", "public.verify", "db.measure_loss"),
        },
        early={"db.choose_recovery_point", "app.start_instances"},
    )
    assert [answer.approver for answer in report.approvals] == ["anna"]
    await home_again(rig)
