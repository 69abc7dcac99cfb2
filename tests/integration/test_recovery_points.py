"""Each tier is recovered for real, and a moment before an operator's error comes back with exactly its rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from infra.lab import lab
from infra.lab.audit import audit
from infra.lab.copies import replicated
from infra.lab.info import LabInfo
from infra.lab.postgres import connect
from workers import control
from workflows.model.progress import RunState, StepRecord, StepState
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest, ReprotectRequest
from workflows.model.runbook import Tier

from .evidence import epochs, primary
from .rig import Rig, eventually, silent

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(240)]


@asynccontextmanager
async def rig_of(folder: Path, tier: Tier) -> AsyncIterator[Rig]:
    """A lab of that tier, with users."""
    info = await asyncio.to_thread(lab.up, folder, tier=tier, say=silent)
    try:
        made = await Rig.make(info)
        try:
            yield made
        finally:
            await asyncio.to_thread(made.stop)
    finally:
        await asyncio.to_thread(lab.down, folder, silent, everything=True)


def ask(info: LabInfo, site: str, query: str) -> Any:
    """The first value that the site's database answers."""
    where = info.sites[site]
    with connect(where.db_host, where.db_port, info) as database:
        row = database.execute(query.encode()).fetchone()
    return row[0] if row else None


def change(info: LabInfo, site: str, statement: str) -> None:
    where = info.sites[site]
    with connect(where.db_host, where.db_port, info) as database:
        database.execute(statement.encode())


def orders(info: LabInfo, site: str) -> list[str]:
    """Every order there, whole."""
    found = ask(info, site, "select array_agg(o::text order by client, seq) from orders as o")
    return list(found or [])


def step(report: Report, name: str) -> StepRecord:
    return next(found for found in report.steps if found.id == name)


async def ended(rig: Rig) -> Report:
    """The report of the run, approved where it asks."""

    async def over() -> bool:
        return (await rig.progress()).state.ended

    await eventually(over, "the run has ended", within=90.0)
    return await control.wait(rig.client, rig.run)


async def test_a_cold_site_is_restored_and_what_is_lost_is_what_the_clients_miss(tmp_path: Path) -> None:
    async with rig_of(tmp_path / "lab", Tier.COLD) as rig:
        info = rig.info
        assert not info.sites["recovery"].data_dir.exists()
        served = len(rig.load.acks)
        assert (await replicated(info)).healthy
        brought = len(rig.load.acks)
        await eventually(lambda: len(rig.load.acks) > brought + 40, "orders that nobody brings")

        planned = FailoverRequest(runbook="shop", reason="a planned move", requested_by="ben", planned=True)
        rig.run = await control.start(rig.client, planned)
        refused = await ended(rig)
        assert (refused.end_state, refused.code) == (RunState.REFUSED, "UNSUPPORTED"), refused.summary
        assert primary(info, "primary")

        await rig.declare()
        await rig.approve()
        report, seen = await rig.finish()
        assert report.end_state is RunState.RECOVERED, report.summary
        assert (report.lost_transactions, seen.audit.duplicated) == (seen.audit.lost, 0)
        assert seen.audit.lost >= 40
        assert seen.audit.acknowledged - seen.audit.lost >= served
        assert seen.watched.two_writer_samples == 0
        assert step(report, "db.restore").phase == "prepare"
        print("cold:", told(report), f"lost {seen.audit.lost} of {seen.audit.acknowledged}")

        rig.run = await control.start(
            rig.client, ReprotectRequest(runbook="shop", reason="site A is back", requested_by="ben")
        )
        await rig.approve()
        back = await ended(rig)
        assert back.end_state is RunState.RECOVERED, back.summary
        state = await control.application_state(rig.client, "shop")
        assert state
        assert (state.active_site, state.protected) == ("recovery", True)
        assert not info.sites["primary"].data_dir.exists()
        assert list(info.sites["primary"].data_dir.parent.glob("pgdata.aside-*"))
        assert list((info.sites["primary"].data_dir.parent / "points" / "db" / "points").iterdir())
        assert (await replicated(info)).healthy
        print("reprotect:", told(back))


@pytest.mark.slow
async def test_a_warm_site_starts_its_application_and_loses_nothing(tmp_path: Path) -> None:
    async with rig_of(tmp_path / "lab", Tier.WARM) as rig:
        assert lab.status(rig.info.folder).hosts["recovery"].app == "stopped"
        await rig.declare()
        await rig.approve()
        report, seen = await rig.finish()
        assert report.end_state is RunState.RECOVERED, report.summary
        assert (seen.audit.lost, seen.audit.duplicated, report.lost_transactions) == (0, 0, 0)
        assert lab.status(rig.info.folder).hosts["recovery"].app == "running"
        assert step(report, "app.start_instances").state is StepState.DONE
        print("warm:", told(report))


def keep_copies(info: LabInfo) -> None:
    """The hot shop's runbook, with copies and their log."""
    path = info.runbooks / "shop.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ("      synchronous: ${synchronous}\n", "      synchronous: ${synchronous}\n      snapshots: {every: 1h}\n"),
        ("      connect_timeout: 1s\n", "      connect_timeout: 1s\n      archive_wal: true\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


async def test_before_an_operators_error_exactly_what_was_committed_comes_back(tmp_path: Path) -> None:
    async with rig_of(tmp_path / "lab", Tier.HOT) as rig:
        info = rig.info
        keep_copies(info)
        assert (await replicated(info)).healthy
        copied = len(rig.load.acks)
        await eventually(lambda: len(rig.load.acks) > copied + 100, "orders after the copy")
        await asyncio.to_thread(rig.stop)
        wanted = orders(info, "primary")
        moment: datetime = ask(info, "primary", "select clock_timestamp()")
        change(info, "primary", "insert into orders select 'late', n, 1, 'primary' from generate_series(1, 20) as n")
        change(info, "primary", "drop table orders")
        assert ask(info, "recovery", "select to_regclass('orders') is null")
        assert (await replicated(info)).healthy

        request = FailoverRequest(
            runbook="shop", reason="orders were dropped", requested_by="ben", point=f"before {moment.isoformat()}"
        )
        rig.run = await control.start(rig.client, request)
        await rig.approve()
        report = await ended(rig)
        assert report.end_state is RunState.RECOVERED, report.summary
        assert orders(info, "recovery") == wanted
        assert len(wanted) > 100
        assert audit(info, rig.load.acks).lost == 0
        assert [epoch for epoch, _ in epochs(info)] == [0, report.epoch]
        assert lab.status(info.folder).hosts["primary"].postgres != "primary"
        assert step(report, "db.restore").state is StepState.DONE
        assert list(info.sites["recovery"].data_dir.parent.glob("pgdata.aside-*"))
        print("before T:", told(report), f"{len(wanted)} rows")


def told(report: Report) -> str:
    """Figures for people."""
    spent = [
        f"{found.id} {(found.ended - found.started).total_seconds():.2f}"
        for found in report.steps
        if found.started and found.ended
    ]
    return f"RTA {report.rta_seconds} s; {', '.join(spent)}"
