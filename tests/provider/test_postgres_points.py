"""The store of recovery points: what is listed, brought, chosen, kept and refused."""

import asyncio
import contextlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.providers.postgres import lsn, points, wal_archive
from activities.providers.postgres.catalogue import Store, StoredPoint
from tests.provider.conformance import TimeOver, over
from tests.provider.points_kit import asked, chosen, clock, cold, copied, insert
from tests.provider.support import NEW, OLD, Pair, request
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.runbook import Snapshots

pytestmark = pytest.mark.lab


def store(pair: Pair) -> Store:
    return Store(pair.settings().sites[NEW], NEW, "db")


async def test_a_copy_comes_through_the_network_and_says_what_it_is(pair: Pair) -> None:
    insert(pair, 1, 3)
    pair.ask(OLD, "insert into seawall.marker values (7, '2026-11-22T14:00:00Z', 'test')")
    first = await pair.provider(NEW).snapshot(asked("db.snapshot"))
    second = await pair.provider(NEW).snapshot(asked("db.snapshot"))
    assert (first.changed, second.changed) == (True, False)
    assert first.point == second.point
    assert first.point
    assert (first.point.site, first.point.marker, first.point.proof) == (NEW, 7, "pg_verifybackup")
    kept = json.loads((Path(first.after["folder"]) / "point.json").read_text())
    assert (kept["source"], kept["epoch"], kept["marker"]) == (OLD, 5, 7)
    assert kept["size"] > 1_000_000
    assert kept["system"] == pair.ask(OLD, "select system_identifier::text from pg_control_system()")


async def test_what_is_written_between_pulls_is_brought_and_covered(pair: Pair) -> None:
    cold(pair)
    await copied(pair)
    provider = pair.provider(NEW)
    reached = []
    for turn in range(3):
        insert(pair, 10 * turn, 10 * turn + 9)
        pair.ask(OLD, "select pg_switch_wal()")
        insert(pair, 100 + turn, 100 + turn)
        moment = clock(pair)
        result = await provider.sync_delta(asked("db.sync_delta"))
        assert result.changed
        assert result.after["bytes"] > 0
        reached.append(lsn.parse(result.after["lsn"]))
        found = (await provider.list_points(asked())).points
        assert found[0].covers_until
        assert found[0].covers_until >= moment
        assert lsn.parse(found[0].position) == reached[-1]
    assert reached == sorted(set(reached))
    assert pair.ask(OLD, "select count(*) from pg_replication_slots where slot_name = 'seawall_db_recovery'") == 1
    assert [chapter.folder.name for chapter in wal_archive.chapters(store(pair))] == ["000001"]


async def test_log_that_is_gone_begins_a_new_chapter_and_covers_no_further(pair: Pair) -> None:
    cold(pair)
    old = await copied(pair)
    insert(pair, 1, 3)
    provider = pair.provider(NEW)
    await provider.sync_delta(asked())
    covered = (await provider.list_points(asked())).points[0].covers_until
    pair.ask(OLD, "select pg_drop_replication_slot('seawall_db_recovery')")
    pair.ask(OLD, "alter system set wal_keep_size = 0")
    pair.ask(OLD, "select pg_reload_conf()")
    for number in range(4):
        insert(pair, 10 + number, 10 + number)
        pair.ask(OLD, "select pg_switch_wal()")
        pair.ask(OLD, "checkpoint")
    await provider.sync_delta(asked())
    assert [chapter.folder.name for chapter in wal_archive.chapters(store(pair))] == ["000001", "000002"]
    found = (await provider.list_points(asked())).points
    assert [(point.name, point.covers_until) for point in found] == [(old.name, covered)]
    new = await copied(pair, "db.snapshot.2")
    await provider.sync_delta(asked())
    found = (await provider.list_points(asked())).points
    assert [point.name for point in found] == [new.name, old.name]
    assert found[1].covers_until == covered


async def test_a_planned_move_wants_all_the_log(pair: Pair) -> None:
    cold(pair)
    await copied(pair)
    provider = pair.provider(NEW)
    result = await provider.sync_delta(asked(position="0/1"))
    end = lsn.text(lsn.parse(result.after["lsn"]) + 100)
    pair.kill(OLD)
    assert not (await provider.sync_delta(asked(position=result.after["lsn"]))).changed
    with pytest.raises(PermanentError) as caught:
        await provider.sync_delta(asked(position=end))
    assert caught.value.code is Code.TARGET_UNFIT
    assert "100 bytes" in caught.value.sentence
    with pytest.raises(TemporaryError) as later:
        await provider.sync_delta(asked())
    assert later.value.code is Code.UNREACHABLE


async def test_choices_are_honoured_or_refused_with_what_there_is(pair: Pair) -> None:
    first = await copied(pair)
    insert(pair, 1, 3)
    moment = clock(pair)
    provider = pair.provider(NEW)
    await provider.sync_delta(asked())
    pair.kill(OLD)
    named = await chosen(pair, first.name)
    assert named.name == first.name
    assert (await chosen(pair, "latest-verified")).name == first.name
    before = await chosen(pair, f"before {moment.isoformat()}")
    assert before.until == moment.astimezone(UTC)
    assert before.expected_loss.seconds
    for choice, code in (
        ("db-5-nothing", Code.NOT_FOUND),
        ("before 2020-01-01T00:00:00Z", Code.TARGET_UNFIT),
        ("before 2099-01-01T00:00:00Z", Code.TARGET_UNFIT),
        ("before noon", Code.INVALID_INPUT),
    ):
        with pytest.raises(PermanentError) as caught:
            await chosen(pair, choice)
        assert caught.value.code is code
        assert code is Code.INVALID_INPUT or first.name in caught.value.next_step


async def test_a_stream_is_listed_beside_the_copies(pair: Pair) -> None:
    continuous = request(NEW, "db.snapshot")
    await pair.provider(NEW).snapshot(continuous)
    result = await pair.provider(NEW).choose_recovery_point(request(NEW))
    assert [point.kind for point in result.points] == ["stream", "snapshot"]
    assert result.point
    assert result.point.kind == "stream"
    pair.kill(NEW)
    with pytest.raises(TemporaryError):
        await pair.provider(NEW).choose_recovery_point(request(NEW))
    shutil.rmtree(pair.data(NEW))
    result = await pair.provider(NEW).choose_recovery_point(request(NEW))
    assert result.point
    assert result.point.kind == "snapshot"


async def test_a_torn_copy_is_not_listed_and_is_made_anew(pair: Pair) -> None:
    point = await copied(pair)
    folder = pair.folder / "backups" / "db" / "points" / point.name
    for damage in ("point.json", "base/PG_VERSION"):
        kept = (folder / damage).read_bytes()
        (folder / damage).write_bytes(kept[:-9])
        (folder / damage).unlink()
        assert not (await pair.provider(NEW).list_points(asked())).after["copies"]
        (folder / damage).write_bytes(kept)
    (folder / "point.json").write_text('{"name": "db-5-')
    assert not (await pair.provider(NEW).list_points(asked())).after["copies"]
    again = await pair.provider(NEW).snapshot(asked("db.snapshot"))
    assert again.changed
    assert (await pair.provider(NEW).list_points(asked())).after["copies"] == 1


async def test_killed_midway_a_copy_is_made_by_the_next_attempt(pair: Pair) -> None:
    final = store(pair).folder(asked("db.snapshot").ref, "db")
    part = final.with_name(f"{final.name}.part")
    (part / "base" / "global").mkdir(parents=True)
    (part / "base" / "PG_VERSION").write_text("15\n")
    assert not (await pair.provider(NEW).list_points(asked())).after["copies"]
    task = asyncio.create_task(pair.provider(NEW).snapshot(asked("db.snapshot")))
    await asyncio.sleep(0.2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await copied(pair)
    assert [path.name for path in final.parent.iterdir()] == [final.name]


async def test_no_object_of_a_lower_epoch_lands_behind_a_higher_one(pair: Pair) -> None:
    await copied(pair, epoch=5)
    task = asyncio.create_task(pair.provider(NEW).snapshot(asked("db.late", 5)))
    await asyncio.sleep(0.1)
    # Between the start of a copy at epoch 5 and its end, a run of epoch 6 writes here.
    store(pair).claim(asked(epoch=6).ref)
    with pytest.raises(PermanentError) as caught:
        await task
    assert caught.value.code is Code.STALE_EPOCH
    for verb in ("snapshot", "sync_delta", "prune"):
        with pytest.raises(PermanentError) as caught:
            await getattr(pair.provider(NEW), verb)(asked("db.other", 5))
        assert caught.value.code is Code.STALE_EPOCH
    found = store(pair).all()
    assert [point.epoch for point in found] == [5]
    await copied(pair, epoch=6)
    assert [point.epoch for point in store(pair).all()] == [6, 5]


async def test_a_standby_is_not_copied(pair: Pair) -> None:
    swapped = asked("db.snapshot")
    swapped = swapped.model_copy(update={"target": swapped.target.model_copy(update={"source": NEW, "target": OLD})})
    for verb in ("snapshot", "sync_delta"):
        with pytest.raises(PermanentError) as caught:
            await getattr(pair.provider(NEW), verb)(swapped)
        assert caught.value.code is Code.ROLE_MISMATCH
    assert not (await pair.provider(NEW).list_points(asked())).after["copies"]


async def test_an_attempt_whose_time_is_over_writes_nothing(pair: Pair) -> None:
    for verb in ("snapshot", "sync_delta", "prune"):
        with pytest.raises(TimeOver):
            await getattr(pair.provider(NEW, over), verb)(asked())
    assert not (pair.folder / "backups").exists()


async def test_prune_keeps_what_the_retention_wants_and_its_log(pair: Pair) -> None:
    names = []
    for turn in range(4):
        names.append((await copied(pair, f"db.snapshot.{turn}")).name)
        insert(pair, 10 * turn, 10 * turn + 1)
        pair.ask(OLD, "select pg_switch_wal()")
    provider = pair.provider(NEW)
    (pair.folder / "backups" / "db" / "points" / "db-4-dead.part").mkdir()
    before = wal_archive.chapters(store(pair))[0].segments(1 << 20)
    result = await provider.prune(asked("db.prune"))
    assert sorted(result.after["removed"]) == sorted(names[:2])
    assert result.after["bytes_freed"] > 1_000_000
    assert result.after["segments_removed"] > 0
    assert [point.name for point in store(pair).all()] == [names[3], names[2]]
    after = wal_archive.chapters(store(pair))[0].segments(1 << 20)
    assert 0 < len(after) < len(before)
    assert not (await provider.prune(asked("db.prune"))).changed
    listed = [point for point in (await provider.list_points(asked())).points if point.kind == "snapshot"]
    assert [point.name for point in listed] == [names[3], names[2]]
    assert all(lsn.parse(point.position) > 0 and point.covers_until for point in listed)
    pair.kill(OLD)
    found = await chosen(pair, names[2])
    await provider.restore(asked("db.restore", point=found))
    assert pair.ask(NEW, "select count(*) from orders") >= 6


def test_the_newest_verified_copy_always_stays() -> None:
    t0 = datetime(2026, 11, 22, tzinfo=UTC)

    def stored(days: int, verified: bool) -> StoredPoint:
        taken = t0 - timedelta(days=days)
        return StoredPoint(
            **{"name": f"db-5-{days}", "component": "db", "site": NEW, "source": OLD, "epoch": 5, "key": "k"},
            **{"begun": taken, "taken": taken, "start": "0/1", "end": "0/2", "timeline": 1, "segment_size": 1 << 20},
            **{"system": "1", "size": 1, "verified": taken if verified else None},
        )

    everything = [stored(0, False), stored(1, False), stored(8, True), stored(9, True), stored(10, False)]
    going = points.unwanted(everything, Snapshots(keep=1, keep_for=timedelta(days=7)), t0)
    assert [point.name for point in going] == ["db-5-9", "db-5-10"]
    assert points.unwanted(everything, Snapshots(keep=5, keep_for=timedelta(0)), t0) == []
