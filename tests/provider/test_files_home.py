"""Files on the way home: what only the old site has, the rebuild, recovery points, markers, a real daemon, a drill."""

import asyncio
import contextlib
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.provider.files_kit import FILES, Sites, change, fingerprint, proof, refused
from tests.provider.support import NEW, OLD, eventually
from workflows.model.failure import Code
from workflows.model.messages import StepResult
from workflows.model.observed import Reach, RecoveryPoint


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    return Sites(tmp_path)


async def archived(sites: Sites) -> StepResult:
    return await sites.provider(OLD).archive_diverged(sites.ask(OLD, "archive"))


async def rebuilt(sites: Sites, epoch: int = 5) -> StepResult:
    return await sites.provider(OLD).rebuild_replica(sites.ask(OLD, "rebuild", epoch))


# --- What only the old site has ---


async def test_what_was_never_received_is_kept_and_named_before_it_is_replaced(sites: Sites) -> None:
    await sites.synced()
    old = sites.tree(OLD)
    (old / "sub" / "late\nfile").write_text("only here")
    (old / "one.txt").write_text("changed here")
    (old / "sub" / "two.txt").unlink()
    await sites.take_over()
    (sites.tree(NEW) / "one.txt").write_text("changed there")
    await refused(rebuilt(sites), Code.PRECONDITION_CHANGED)
    found = (await archived(sites)).divergence
    assert found
    assert (found.diverged, found.complete) == (True, True)
    assert {(table.table, table.keys) for table in found.tables} == {(".", ("one.txt",)), ("sub", ("late\\x0afile",))}
    assert "sub/two.txt" in found.detail
    kept = Path(found.folder) / "tree"
    assert (kept / "sub" / "late\nfile").read_text() == "only here"
    assert (kept / "one.txt").read_text() == "changed here"
    assert not (await archived(sites)).changed
    await rebuilt(sites)
    assert fingerprint(old) == fingerprint(sites.tree(NEW))
    assert (kept / "one.txt").read_text() == "changed here"


async def test_a_tree_that_was_changed_after_its_archive_is_not_replaced(sites: Sites) -> None:
    await sites.synced()
    await sites.take_over()
    assert not (await archived(sites)).after["diverged"]
    (sites.tree(OLD) / "later still").write_text("x")
    await refused(rebuilt(sites), Code.PRECONDITION_CHANGED)
    assert (await archived(sites)).after["diverged"]
    assert (await rebuilt(sites)).changed


async def test_without_a_base_everything_that_differs_is_kept(sites: Sites) -> None:
    await sites.synced()
    (sites.tree(OLD) / "late").write_text("late")
    await sites.take_over()
    (sites.state(NEW) / "base-manifest").unlink()
    found = (await archived(sites)).divergence
    assert found
    assert (found.complete, [table.keys for table in found.tables]) == (False, [("late",)])


async def test_what_serves_or_is_in_use_or_newer_is_never_overwritten(sites: Sites) -> None:
    await sites.synced()
    await refused(rebuilt(sites), Code.ROLE_MISMATCH)
    await sites.take_over()
    await refused(sites.provider(NEW).rebuild_replica(sites.ask(NEW, "rebuild", 5, NEW)), Code.ROLE_MISMATCH)
    await archived(sites)
    with (sites.tree(OLD) / "one.txt").open("a"):
        error = await refused(rebuilt(sites), Code.ROLE_MISMATCH)
        assert str(os.getpid()) in error.sentence
    await refused(rebuilt(sites, 4), Code.STALE_EPOCH)
    await rebuilt(sites)


async def test_a_rebuild_asked_twice_happens_once_and_keeps_the_old_tree(sites: Sites) -> None:
    await sites.synced()
    await sites.take_over()
    (sites.tree(NEW) / "one.txt").write_text("new")
    await refused(sites.provider(NEW).protect(sites.ask(NEW, "protect")), Code.NOT_PROTECTED)
    await archived(sites)
    assert (await rebuilt(sites)).changed
    assert not (await rebuilt(sites)).changed
    (aside,) = sites.state(OLD).glob("aside-*")
    assert (aside / "one.txt").read_text() == "one"
    assert (await sites.provider(NEW).protect(sites.ask(NEW, "protect"))).after["lag_seconds"] == 0.0
    assert (await sites.provider(OLD).observe("docs", OLD, OLD)).reach is Reach.STANDBY
    await sites.synced(6, NEW)
    assert not aside.exists()


# --- Recovery points ---


async def snapshot(sites: Sites, step: str, **more: Any) -> RecoveryPoint:
    point = (await sites.provider(NEW).snapshot(sites.ask(NEW, step, **more))).point
    assert point
    return point


async def test_a_point_comes_back_as_it_was_and_can_be_put_away_again(sites: Sites) -> None:
    await sites.synced()
    first = await snapshot(sites, "snap1")
    wanted = fingerprint(sites.tree(OLD))
    assert not (await sites.provider(NEW).snapshot(sites.ask(NEW, "snap1"))).changed
    moment = datetime.now(UTC)
    change(sites.tree(OLD), random.Random(1))
    await sites.synced()
    (sites.tree(OLD) / "encrypted").write_text("!")
    second = await snapshot(sites, "snap2")
    standby = fingerprint(sites.tree(NEW))
    chosen = await sites.provider(NEW).choose_recovery_point(
        sites.ask(NEW, "choose", choice=f"before {moment.isoformat()}")
    )
    assert (chosen.point and chosen.point.name, first.verified is not None) == (first.name, True)
    latest = await sites.provider(NEW).choose_recovery_point(sites.ask(NEW, "choose"))
    assert latest.point
    assert latest.point.kind == "stream"
    assert [point.name for point in latest.points] == ["", second.name, first.name]
    ask = sites.ask(NEW, "restore", point=chosen.point)
    assert (await sites.provider(NEW).restore(ask)).changed
    assert not (await sites.provider(NEW).restore(ask)).changed
    assert fingerprint(sites.tree(NEW)) == wanted
    undo = sites.ask(NEW, "discard")
    assert (await sites.provider(NEW).discard_restore(undo)).changed
    assert not (await sites.provider(NEW).discard_restore(undo)).changed
    assert fingerprint(sites.tree(NEW)) == standby
    await sites.synced(5)


async def test_a_restored_point_is_promoted_and_not_synchronised_over(sites: Sites) -> None:
    await sites.synced()
    point = await snapshot(sites, "snap")
    (sites.tree(OLD) / "one.txt").write_text("ruined")
    await sites.synced()
    await sites.provider(NEW).restore(sites.ask(NEW, "restore", point=point))
    synced = await sites.provider(NEW).sync_delta(sites.ask(NEW, "sync", proofs=(proof(OLD),)))
    assert not synced.changed
    await sites.take_over()
    with (sites.tree(NEW) / "one.txt").open("a") as file:
        file.write(" more")
    assert (sites.state(NEW) / "points" / point.name / "tree" / "one.txt").read_text() == "one"
    assert not (await sites.provider(NEW).discard_restore(sites.ask(NEW, "discard"))).changed
    assert (sites.tree(NEW) / "one.txt").read_text() == "one more"


async def test_a_spoilt_point_is_refused_and_named(sites: Sites) -> None:
    await sites.synced()
    point = await snapshot(sites, "snap")
    spoilt = sites.state(NEW) / "points" / point.name / "tree" / "one.txt"
    before = spoilt.stat()
    spoilt.write_text("onE")
    os.utime(spoilt, ns=(before.st_atime_ns, before.st_mtime_ns))
    error = await refused(sites.provider(NEW).restore(sites.ask(NEW, "restore", point=point)), Code.INCONSISTENT)
    assert "one.txt" in error.sentence
    assert fingerprint(sites.tree(NEW)) == fingerprint(sites.tree(OLD))


async def test_unchanged_files_of_two_points_are_one_and_old_points_go(sites: Sites) -> None:
    await sites.synced()
    made = [await snapshot(sites, f"snap{number}") for number in range(4)]
    files = [sites.state(NEW) / "points" / point.name / "tree" / "one.txt" for point in made]
    assert len({file.stat().st_ino for file in files}) == 1
    assert sites.tree(NEW).joinpath("one.txt").stat().st_ino != files[0].stat().st_ino
    assert not (await sites.provider(NEW).prune(sites.ask(NEW, "prune"))).changed
    assert FILES.replication
    assert FILES.replication.snapshots
    rule = FILES.replication.snapshots.model_copy(update={"keep_for": timedelta(0)})
    short = FILES.model_copy(update={"replication": FILES.replication.model_copy(update={"snapshots": rule})})
    ask = sites.ask(NEW, "prune")
    ask = ask.model_copy(update={"target": ask.target.model_copy(update={"component": short})})
    found = await sites.provider(NEW).prune(ask)
    assert sorted(found.after["removed"]) == sorted(point.name for point in made[:2])
    assert files[3].read_text() == "one"
    await refused(snapshot(sites, "snap9", epoch=4), Code.STALE_EPOCH)


# --- Freshness and loss ---


async def test_loss_is_read_from_the_markers_that_survived(sites: Sites) -> None:
    assert FILES.marker
    task = asyncio.create_task(sites.provider(NEW).keep_marking("docs", FILES.marker, OLD))
    marked = sites.tree(OLD) / ".seawall-marker"
    await asyncio.to_thread(eventually, marked.exists)
    await sites.synced()
    await asyncio.sleep(0.5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await sites.take_over()
    loss = (await sites.provider(NEW).measure_loss(sites.ask(NEW, "loss"))).loss
    assert loss
    assert loss.seconds is not None
    assert 0.2 < loss.seconds < 10
    assert (loss.first_lost_marker or 0) == (loss.last_kept_marker or 0) + 1


async def test_without_markers_loss_is_not_measured(sites: Sites) -> None:
    await sites.synced()
    await sites.take_over()
    assert (loss := (await sites.provider(NEW).measure_loss(sites.ask(NEW, "loss"))).loss)
    assert loss.seconds is None


async def test_the_room_at_the_copy_is_told(sites: Sites) -> None:
    after = (await sites.provider(NEW).measure_capacity(sites.ask(NEW, "capacity"))).after
    assert 0 < after["free_bytes"] < after["volume_bytes"]
    await refused(sites.provider(OLD).measure_capacity(sites.ask(NEW, "capacity")), Code.CONFIGURATION)


async def test_a_copy_that_is_not_kept_in_step_is_frozen(sites: Sites) -> None:
    await sites.synced()
    assert (await sites.provider(NEW).measure_lag(sites.ask(NEW, "lag"))).after["lag_seconds"] == 0.0
    (sites.tree(OLD) / "new").write_text("12345")
    behind = await sites.provider(NEW).measure_lag(sites.ask(NEW, "lag"))
    assert behind.after["lag_bytes"] == 5
    tree = sites.provider(NEW).tree(NEW)
    assert tree.synced
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    tree.write("sync.json", tree.synced.model_copy(update={"began": long_ago}))
    await refused(sites.provider(NEW).measure_lag(sites.ask(NEW, "lag")), Code.REPLICA_FROZEN)
    assert not (await sites.provider(NEW).observe("docs", NEW, NEW)).facts["receiving"]
