"""The way home on real sites: what only the old site had is kept, and no death on the way changes the end."""

import asyncio
from pathlib import Path

import pytest

from infra.lab import lab
from infra.lab.audit import checksums
from infra.lab.load import Load
from infra.lab.postgres import connect
from workflows.model.progress import RunState
from workflows.model.requests import FailbackRequest, ReprotectRequest

from .evidence import primary
from .rig import Rig, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

LATE = 20
REPROTECT = ReprotectRequest(runbook="shop", reason="site A is mended", requested_by="ben")
FAILBACK = FailbackRequest(runbook="shop", reason="site A follows", requested_by="ben")


def write_late(rig: Rig) -> None:
    """Rows that the old primary accepts and that never leave it: its replication is cut."""
    site = rig.info.sites["primary"]
    with connect(site.db_host, site.db_port, rig.info) as database:
        database.execute("set synchronous_commit = local")
        for number in range(LATE):
            database.execute("insert into orders values ('late', %s, 7, 'primary')", [number])


def archived(folder: str) -> list[str]:
    """Every row that was archived, as a line of JSON."""
    return [line for file in Path(folder).rglob("*.jsonl") for line in file.read_text(encoding="utf-8").splitlines()]


async def fail_over(rig: Rig) -> None:
    await rig.declare()
    await rig.approve()

    async def ended() -> bool:
        return (await rig.progress()).state.ended

    await eventually(ended, "the failover has ended")


@pytest.mark.deep
async def test_rows_that_only_the_old_primary_had_are_archived_and_named(rig: Rig) -> None:
    """Twenty rows written to a primary that is fenced too late: none is attached, none is silently discarded."""
    await asyncio.to_thread(lab.break_, rig.info.folder, "cut-replication", "primary")
    write_late(rig)
    await fail_over(rig)
    await asyncio.to_thread(lab.repair, rig.info.folder, "cut-replication", "primary")

    report = await rig.carry_out(REPROTECT)

    assert (report.end_state, report.protected) == (RunState.RECOVERED, True), report.summary
    (found,) = report.divergences
    assert found.diverged
    assert found.complete
    (table,) = [one for one in found.tables if one.table.endswith("orders")]
    assert table.rows >= LATE
    assert {f"client=late, seq={number}" for number in range(LATE)} <= set(table.keys)
    assert sum('"late"' in line for line in archived(found.folder)) == LATE
    rig.stop()
    await eventually(lambda: len(set(checksums(rig.info).values())) == 1, "both sites hold the same")
    assert not primary(rig.info, "primary")


@pytest.mark.slow
async def test_workers_that_die_on_the_way_home_change_nothing(rig: Rig) -> None:
    """kill -9 of the worker at each of the steps that overwrite, follow and move; then a whole way home."""
    await fail_over(rig)
    back = await rig.carry_out(
        REPROTECT, deadly={"db.archive_diverged": "primary", "db.rebuild_replica": "primary", "db.protect": "recovery"}
    )
    assert (back.end_state, back.protected) == (RunState.RECOVERED, True), back.summary
    home = await rig.carry_out(
        FAILBACK,
        deadly={
            "db.verify_before": "primary",
            "db.fence": "recovery",
            "db.promote": "primary",
            "db.rebuild_replica": "recovery",
        },
    )
    assert (home.end_state, home.protected) == (RunState.RECOVERED, True), home.summary
    assert home.lost_transactions == 0
    assert home.comparisons[-1].equal is True
    _report, seen = await rig.finish()
    assert (seen.audit.lost, seen.audit.duplicated, seen.audit.site) == (0, 0, "primary")
    assert seen.watched.two_writer_samples == 0
    assert seen.application.protected is True


@pytest.mark.slow
async def test_a_failback_that_fails_before_its_pivot_leaves_the_application_where_it_is(rig: Rig) -> None:
    """Home cannot promote: the run undoes itself, the recovery site goes on serving, and it is still protected."""
    await fail_over(rig)
    assert (await rig.carry_out(REPROTECT)).protected is True
    await asyncio.to_thread(lab.break_, rig.info.folder, "no-promote", "primary")
    report = await rig.carry_out(FAILBACK)
    assert report.end_state is RunState.COMPENSATED, report.summary
    load = Load(rig.info)
    load.start()
    await eventually(lambda: len(load.acks) >= 20, "users are served where they were")
    load.stop()
    _report, seen = await rig.finish()
    assert (seen.audit.lost, seen.audit.site, seen.application.protected) == (0, "recovery", True)
    assert seen.watched.two_writer_samples == 0
