"""A component that is copied in intervals, on a real pair: its failover, its way home, and what is left behind."""

import pytest

from activities.providers.postgres import leftovers, promote, restore, wal_archive
from tests.provider.conformance import TimeOver, over
from tests.provider.points_kit import INTERVAL, asked, chosen, cold, copied, insert, rows
from tests.provider.support import DATA, NEW, OLD, Pair, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest
from workflows.model.observed import Observation
from workflows.model.plan import Mode
from workflows.model.runbook import Component

pytestmark = pytest.mark.lab


def home(step: str, epoch: int = 6, site: str = OLD) -> StepRequest:
    """A step of the reprotect after the failover: the old site is `source`, the new one serves."""
    return request(site, step, epoch, component=INTERVAL)


async def fail_over(pair: Pair, epoch: int = 5) -> None:
    """Rows 1 to 5 are copied, 6 to 9 brought, 10 to 12 are not; the old site dies, the cold one serves."""
    cold(pair)
    insert(pair, 1, 5)
    await copied(pair, epoch=epoch)
    insert(pair, 6, 9)
    await pair.provider(NEW).sync_delta(asked(epoch=epoch))
    insert(pair, 10, 12)
    pair.kill(OLD)
    point = await chosen(pair, "latest", epoch)
    await pair.provider(NEW).restore(asked("db.restore", epoch, point=point))
    await pair.provider(NEW).promote(asked("db.promote", epoch))


def beside(pair: Pair, site: str) -> list[str]:
    return sorted(path.name for path in pair.folder.glob(f"{site}.*") if path.suffix not in (".log",))


async def test_a_promotion_that_died_before_its_epoch_row_is_finished(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        """The worker dies here."""

    async def dying(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(promote, "_finish", dying)
        with pytest.raises(Killed):
            await fail_over(pair)
    assert not pair.ask(NEW, "select pg_is_in_recovery()")
    stranger = asked("db.promote", 7)
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).promote(stranger)
    assert caught.value.code is Code.PRECONDITION_CHANGED
    result = await pair.provider(NEW).promote(asked("db.promote"))
    assert result.after["role"] == "primary"
    assert pair.ask(NEW, "select max(epoch) from seawall.epoch") == 5
    assert not (await pair.provider(NEW).promote(asked("db.promote"))).changed
    assert rows(pair) == list(range(1, 10))


async def test_what_a_copy_caught_of_the_next_segment_hides_no_log(pair: Pair) -> None:
    """A copy that is taken under load ends with some bytes of the segment in which the log goes on."""
    cold(pair)
    insert(pair, 1, 3)
    point = await copied(pair)
    begun = pair.ask(OLD, "select pg_walfile_name(pg_current_wal_lsn())")
    insert(pair, 4, 9)
    assert pair.ask(OLD, "select pg_walfile_name(pg_current_wal_lsn())") == begun
    await pair.provider(NEW).sync_delta(asked())
    log = pair.folder / "backups" / "db" / "points" / point.name / "base" / "pg_wal"
    (log / begun).write_bytes((pair.data(OLD) / "pg_wal" / begun).read_bytes()[:512] + bytes((1 << 20) - 512))
    pair.kill(OLD)
    await pair.provider(NEW).restore(asked("db.restore", point=await chosen(pair, "latest")))
    assert rows(pair) == list(range(1, 10))


async def test_the_old_site_keeps_its_data_and_gets_copies(pair: Pair) -> None:
    await fail_over(pair)
    found = (await pair.provider(OLD).archive_diverged(home("db.archive"))).divergence
    assert found
    assert [(table.table, table.rows) for table in found.tables] == [("orders", 3)]
    pair.ask(NEW, "insert into orders values ('ann', 100)")
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).protect(home("db.protect", site=NEW))
    assert caught.value.code is Code.NOT_PROTECTED

    first = await pair.provider(OLD).rebuild_replica(home("db.rebuild_replica"))
    second = await pair.provider(OLD).rebuild_replica(home("db.rebuild_replica"))
    assert (first.changed, second.changed) == (True, False)
    assert first.after["aside"] == second.after["aside"] == str(pair.folder / "primary.aside-6")
    assert not pair.data(OLD).exists()
    assert (pair.folder / "primary.aside-6" / "PG_VERSION").exists()
    assert first.point
    assert (first.point.site, first.point.verified is not None) == (OLD, True)
    protected = await pair.provider(NEW).protect(home("db.protect", site=NEW))
    assert protected.after["slot"] == "seawall_db_primary"
    assert protected.after["behind_bytes"] >= 0
    verified = await pair.provider(NEW).verify_consistency(home("db.verify_after", site=NEW))
    assert verified.consistency
    assert verified.consistency.equal is None


@pytest.mark.slow
async def test_the_way_home_is_a_restore_at_the_old_site(pair: Pair) -> None:
    await fail_over(pair)
    await pair.provider(OLD).rebuild_replica(home("db.rebuild_replica"))
    pair.ask(NEW, "insert into orders values ('ann', 100)")
    back = request(OLD, "db.sync_delta", 7, component=INTERVAL)
    back = back.model_copy(update={"target": back.target.model_copy(update={"source": NEW, "target": OLD})})
    await pair.provider(OLD).sync_delta(back)
    pair.kill(NEW)
    point = (await pair.provider(OLD).choose_recovery_point(back)).point
    await pair.provider(OLD).restore(back.model_copy(update={"point": point}))
    await pair.provider(OLD).promote(back)
    assert rows(pair, OLD) == [*range(1, 10), 100]
    assert beside(pair, OLD) == ["primary.aside-6", "primary.restore.json"]


async def test_what_serves_or_is_later_is_not_set_aside(pair: Pair) -> None:
    cold(pair)
    await copied(pair)
    with pytest.raises(PermanentError) as caught:
        await pair.provider(OLD).rebuild_replica(home("db.rebuild_replica"))
    assert caught.value.code is Code.ROLE_MISMATCH
    assert pair.ask(OLD, "select 1") == 1


async def test_an_attempt_whose_time_is_over_and_a_lower_epoch_set_nothing_aside(pair: Pair) -> None:
    await fail_over(pair)
    with pytest.raises(TimeOver):
        await pair.provider(OLD, over).rebuild_replica(home("db.rebuild_replica"))
    with pytest.raises(PermanentError) as caught:
        await pair.provider(OLD).rebuild_replica(home("db.rebuild_replica", 4))
    assert caught.value.code is Code.STALE_EPOCH
    assert beside(pair, OLD) == []
    assert pair.data(OLD).exists()


async def test_a_planned_move_is_refused_before_anything_is_touched(pair: Pair) -> None:
    looked = await pair.provider(NEW).observe("db", NEW, NEW)
    assert isinstance(looked, Observation)
    planned = asked("db.choose", mode=Mode.PLANNED, before=looked)
    for verb in ("choose_recovery_point", "compare_sites", "measure_lag"):
        with pytest.raises(PermanentError) as caught:
            await getattr(pair.provider(NEW), verb)(planned)
        assert caught.value.code is Code.UNSUPPORTED
        assert "seawall replicate" in caught.value.next_step
    with pytest.raises(PermanentError) as caught:
        await pair.provider(OLD).fence(request(OLD, "db.fence", component=INTERVAL, mode=Mode.PLANNED))
    assert caught.value.code is Code.UNSUPPORTED
    assert pair.ask(OLD, "select not pg_is_in_recovery()")
    await copied(pair)
    assert (await pair.provider(NEW).choose_recovery_point(asked(mode=Mode.PLANNED))).points


def kept(*, keep_for: str) -> Component:
    snapshots = {"every": "1d", "keep": 1, "keep_for": keep_for}
    return Component.model_validate(DATA.model_dump() | {"replication": {"mode": "continuous", "snapshots": snapshots}})


async def test_the_log_of_a_stream_is_kept_only_where_it_is_wanted(pair: Pair) -> None:
    pull = request(NEW, "db.pull_log", component=kept(keep_for="1d"), choice="archive")
    assert not (await pair.provider(NEW).sync_delta(pull)).changed
    assert not (pair.folder / "backups").exists()
    assert (await pair.provider(NEW, archive_wal=True).sync_delta(pull)).changed
    assert wal_archive.chapters(restore.Store(pair.settings().sites[NEW], NEW, "db"))


async def test_what_was_set_aside_goes_after_a_later_run_and_the_retention(pair: Pair) -> None:
    site = pair.settings().sites[NEW]
    for name in ("aside-5", "aside-6", "new-5", "aside-x"):
        (pair.folder / f"{NEW}.{name}").mkdir()
        (pair.folder / f"{NEW}.{name}" / "PG_VERSION").write_text("15")
    (pair.folder / f"{OLD}.aside-1").mkdir()

    def left() -> list[str]:
        return sorted(path.name for path in pair.folder.glob("*.*-*") if path.is_dir())

    everything = left()
    with pytest.raises(TimeOver):
        leftovers.sweep(site, request(NEW, epoch=6, component=kept(keep_for="1ms")), over)
    assert left() == everything
    young = request(NEW, epoch=6, component=kept(keep_for="1d"))
    assert leftovers.sweep(site, young, lambda: None) == 2
    assert left() == [name for name in everything if name != "recovery.new-5"]
    old = request(NEW, "db.prune", 6, component=kept(keep_for="1ms"))
    result = await pair.provider(NEW).prune(old)
    assert result.after["bytes_freed"] == 2
    assert left() == ["primary.aside-1", "recovery.aside-6", "recovery.aside-x"]
    assert pair.data(NEW).exists()
