"""Markers, and the loss that is measured by them and by the writers' numbers."""

import asyncio
import contextlib
import os
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from activities.providers.marks import KEEP, Ledger
from activities.providers.postgres import ledger
from tests.provider.support import NEW, OLD, PASSWORD, Pair, eventually, looked_at, request
from workflows.model.observed import Reach
from workflows.model.plan import Mode
from workflows.model.runbook import Marker

pytestmark = pytest.mark.lab

MARKER = Marker(interval=timedelta(milliseconds=50))


async def marked(pair: Pair, seconds: float) -> list[ledger.Entry]:
    """Markers at the old site, by the worker of the new one, for a while."""
    provider = pair.provider(NEW)
    task = asyncio.create_task(provider.keep_marking("db", MARKER, OLD))
    await asyncio.sleep(seconds)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return ledger.read(provider.ledger("db", OLD))


async def test_without_a_ledger_the_loss_is_not_measured(pair: Pair) -> None:
    pair.kill(OLD)
    eventually(lambda: not pair.ask(NEW, "select count(*) from pg_stat_wal_receiver"))
    result = await pair.provider(NEW).choose_recovery_point(request(NEW))
    assert result.point
    assert result.point.expected_loss.seconds is None
    assert "not measured" in result.detail


async def test_a_planned_failover_loses_nothing(pair: Pair) -> None:
    entries = await marked(pair, 0.6)
    assert len(entries) >= 5
    pair.ask(OLD, "insert into orders select 'ann', n from generate_series(1, 500) n")
    fenced = await pair.provider(OLD).fence((await looked_at(pair, OLD)).model_copy(update={"mode": Mode.PLANNED}))
    assert fenced.proof
    assert fenced.proof.proven
    assert fenced.proof.write_probe is Reach.REFUSED

    new = pair.provider(NEW)
    asked = await looked_at(pair, NEW)
    asked = asked.model_copy(update={"position": fenced.proof.position})
    await new.sync_delta(asked)
    promoted = await new.promote(asked)
    assert promoted.after["timeline"] == 2
    pair.ask(NEW, "insert into orders values ('ann', 501)")
    measured = (await new.measure_loss(asked)).loss
    assert measured
    assert (measured.transactions, measured.seconds, measured.bytes, measured.complete) == (0, 0.0, 0, True)
    assert measured.last_kept_marker == entries[-1].number


async def test_lost_writes_are_counted_once_and_exactly(pair: Pair) -> None:
    pair.ask(OLD, "insert into orders select 'ann', n from generate_series(1, 10) n")
    await marked(pair, 0.3)
    eventually(pair.in_step)
    kept = pair.ask(NEW, "select max(number) from seawall.marker")
    pair.kill(NEW)
    pair.ask(OLD, "insert into orders select 'ann', n from generate_series(11, 17) n")
    entries = await marked(pair, 0.3)
    pair.kill(OLD)
    pair.start(NEW)
    new = pair.provider(NEW)
    point = (await new.choose_recovery_point(await looked_at(pair, NEW))).point
    assert point
    assert point.marker == kept
    assert point.expected_loss.seconds
    asked = (await looked_at(pair, NEW)).model_copy(update={"point": point})
    await new.promote(asked)
    pair.ask(NEW, "insert into orders values ('ann', 18), ('ben', 1)")
    for _ in range(2):
        loss = (await new.measure_loss(asked)).loss
        assert loss
        assert (loss.transactions, loss.complete) == (7, True)
        assert (loss.last_kept_marker, loss.first_lost_marker) == (kept, kept + 1)
        assert loss.seconds == pytest.approx((entries[-1].at - entries[kept - 1].at).total_seconds())
        assert loss.bytes
    later = request(NEW, epoch=6)
    pair.ask(NEW, "insert into seawall.epoch values (6, 'later', clock_timestamp())")
    pair.ask(NEW, "insert into orders values ('ann', 19), ('ben', 3)")
    again = (await new.measure_loss(later)).loss
    assert again
    assert again.transactions == 1


async def test_a_writer_that_is_not_back_makes_the_measurement_incomplete(pair: Pair) -> None:
    pair.ask(OLD, "insert into orders select 'ann', n from generate_series(1, 10) n")
    eventually(pair.in_step)
    pair.kill(OLD)
    asked = await looked_at(pair, NEW)
    await pair.provider(NEW).promote(asked)
    loss = (await pair.provider(NEW).measure_loss(asked)).loss
    assert loss
    assert (loss.complete, loss.transactions, loss.seconds) == (False, 0, None)


async def test_a_commit_that_waits_for_a_dead_standby_is_not_acknowledged(pair: Pair) -> None:
    pair.ask(OLD, "alter system set synchronous_standby_names = 'recovery'")
    pair.ask(OLD, "select pg_reload_conf()")
    before = await marked(pair, 0.5)
    assert before
    pair.kill(NEW)
    after = await marked(pair, 3.0)
    assert [entry.number for entry in after] == [entry.number for entry in before]
    with psycopg.connect(
        host="127.0.0.1", port=pair.ports[OLD], dbname="postgres", user="seawall", password=PASSWORD
    ) as connection:
        waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
        row = connection.execute(waiting).fetchone()
    assert row
    assert row[0] <= 1


def test_the_ledger_is_whole_at_any_instant(tmp_path: Path) -> None:
    path = tmp_path / "markers.json"
    book = Ledger(path, ledger.Entry)
    at = ledger.Entry.model_validate({"number": 1, "at": "2026-01-01T00:00:00Z"}).at
    for number in range(1, 3 * KEEP):
        book.note(ledger.Entry(number=number, at=at))
    assert [entry.number for entry in ledger.read(path)][-1] == 3 * KEEP - 1
    assert len(ledger.read(path)) == KEEP
    with path.open("ab") as file:
        file.write(b'{"number": 99')
    assert len(ledger.read(path)) == KEEP
    assert ledger.read(tmp_path / "absent.json") == []
    assert os.listdir(tmp_path) == ["markers.json"]
