"""Laying recovery points down: exactly what was committed before a moment, once, and with a way back."""

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest

from activities.providers.postgres import restore
from tests.provider.conformance import TimeOver, over
from tests.provider.points_kit import asked, chosen, clock, cold, copied, insert, rows
from tests.provider.support import NEW, OLD, Pair, eventually
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest
from workflows.model.observed import RecoveryPoint

pytestmark = pytest.mark.lab


def to(point: RecoveryPoint, epoch: int = 5) -> StepRequest:
    return asked("db.restore", epoch, point=point)


def names(pair: Pair) -> list[str]:
    return sorted(path.name for path in pair.folder.iterdir())


async def lost_table(pair: Pair) -> RecoveryPoint:
    """Ten rows, a copy, ten rows; then an operator drops the table. The point before that."""
    insert(pair, 1, 10)
    await copied(pair)
    insert(pair, 11, 20)
    before = clock(pair)
    insert(pair, 21, 25)
    pair.ask(OLD, "drop table orders")
    await pair.provider(NEW).sync_delta(asked("db.sync_delta"))
    return await chosen(pair, f"before {before.isoformat()}")


async def test_exactly_the_rows_committed_before_the_moment_come_back(pair: Pair) -> None:
    point = await lost_table(pair)
    provider = pair.provider(NEW)
    first = await provider.restore(to(point))
    assert first.changed
    assert (first.after["role"], first.after["at_the_moment"]) == ("standby", True)
    assert rows(pair) == list(range(1, 21))
    second = await provider.restore(to(point))
    assert not second.changed
    assert not (await provider.sync_delta(to(point))).changed

    pair.kill(OLD)
    promoted = await provider.promote(to(point))
    assert promoted.after["role"] == "primary"
    pair.ask(NEW, "insert into orders values ('ann', 100)")
    assert rows(pair) == [*range(1, 21), 100]
    settings = (pair.data(NEW) / "postgresql.auto.conf").read_text()
    assert "recovery_target" not in settings
    assert "restore_command" not in settings
    assert (await provider.restore(to(point))).after["role"] == "primary"
    with pytest.raises(PermanentError) as caught:
        await provider.discard_restore(to(point))
    assert caught.value.code is Code.ROLE_MISMATCH
    assert rows(pair)[-1] == 100


async def test_a_cold_site_gets_all_that_was_brought_there(pair: Pair) -> None:
    cold(pair)
    insert(pair, 1, 5)
    await copied(pair)
    insert(pair, 6, 9)
    await pair.provider(NEW).sync_delta(asked())
    insert(pair, 10, 12)
    pair.kill(OLD)
    point = await chosen(pair, "latest")
    assert point.kind == "snapshot"
    result = await pair.provider(NEW).restore(to(point))
    assert result.before == {"running": False, "had_data": False}
    assert rows(pair) == list(range(1, 10))
    await pair.provider(NEW).sync_delta(to(point))
    await pair.provider(NEW).promote(to(point))
    pair.ask(NEW, "insert into orders values ('ann', 50)")
    assert pair.ask(NEW, "select max(epoch) from seawall.epoch") == 5


async def test_a_moment_after_the_last_commit_can_be_promoted(pair: Pair) -> None:
    cold(pair)
    await copied(pair)
    insert(pair, 1, 5)
    provider = pair.provider(NEW)
    await provider.sync_delta(asked())
    moment = clock(pair)
    # Nothing is committed meanwhile; the server's own housekeeping may move the log.
    await provider.sync_delta(asked())
    point = await chosen(pair, f"before {moment.isoformat()}")
    pair.kill(OLD)
    await provider.restore(to(point))
    assert rows(pair) == [1, 2, 3, 4, 5]
    assert not (await provider.restore(to(point))).changed
    await provider.promote(to(point))
    assert not pair.ask(NEW, "select pg_is_in_recovery()")


async def test_discarded_the_standby_follows_as_before(pair: Pair) -> None:
    point = await lost_table(pair)
    provider = pair.provider(NEW)
    assert not (await provider.discard_restore(to(point))).changed
    await provider.restore(to(point))
    assert "recovery.aside-5" in names(pair)
    assert (await provider.discard_restore(to(point))).changed
    assert not (await provider.discard_restore(to(point))).changed
    pair.ask(OLD, "create table later as select 7 as n")
    eventually(lambda: pair.ask(NEW, "select to_regclass('later') is not null"))
    assert [name for name in names(pair) if name.startswith("recovery.")] == ["recovery.log"]


async def test_a_cold_site_is_cold_again_after_a_discard(pair: Pair) -> None:
    cold(pair)
    await copied(pair)
    point = await chosen(pair, "latest")
    await pair.provider(NEW).restore(to(point))
    assert (await pair.provider(NEW).discard_restore(to(point))).changed
    assert not pair.processes(NEW)
    assert not pair.data(NEW).exists()


async def test_killed_at_any_step_it_goes_on(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    point = await lost_table(pair)

    class Killed(Exception):
        """The worker dies here."""

    real = Path.rename
    fatal = 1

    def dying(self: Path, target: Path) -> Path:
        nonlocal fatal
        if self.parent == pair.folder and fatal == 0:
            raise Killed
        fatal -= self.parent == pair.folder
        return real(self, target)

    for at in range(2):
        fatal = at
        monkeypatch.setattr(Path, "rename", dying)
        with pytest.raises(Killed):
            await pair.provider(NEW).restore(to(point))
        monkeypatch.setattr(Path, "rename", real)
    assert not pair.data(NEW).exists()
    await pair.provider(NEW).restore(to(point))
    assert rows(pair) == list(range(1, 21))
    pair.kill(NEW)
    assert (await pair.provider(NEW).restore(to(point))).changed
    assert rows(pair) == list(range(1, 21))


async def test_killed_between_the_renames_it_can_be_discarded(pair: Pair) -> None:
    point = await lost_table(pair)
    await pair.provider(NEW).restore(to(point))
    pair.kill(NEW)
    pair.data(NEW).rename(pair.folder / "recovery.new-5")
    assert (await pair.provider(NEW).discard_restore(to(point))).changed
    eventually(lambda: pair.ask(NEW, "select to_regclass('orders') is null"))


async def test_cancelled_while_it_copies_it_leaves_the_standby_alone(pair: Pair) -> None:
    point = await lost_table(pair)
    standby = pair.processes(NEW)[0].pid
    task = asyncio.create_task(pair.provider(NEW).restore(to(point)))
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert pair.processes(NEW)[0].pid == standby
    await pair.provider(NEW).restore(to(point))
    assert rows(pair) == list(range(1, 21))


async def test_an_attempt_whose_time_is_over_moves_nothing(pair: Pair) -> None:
    point = await lost_table(pair)
    before = names(pair)
    with pytest.raises(TimeOver):
        await pair.provider(NEW, over).restore(to(point))
    assert names(pair) == before


async def test_a_lower_epoch_is_refused(pair: Pair) -> None:
    point = await lost_table(pair)
    await pair.provider(NEW).restore(to(point, 6))
    for verb in ("restore", "discard_restore"):
        with pytest.raises(PermanentError) as caught:
            await getattr(pair.provider(NEW), verb)(to(point))
        assert caught.value.code is Code.STALE_EPOCH
    assert rows(pair) == list(range(1, 21))


async def test_a_primary_is_never_set_aside(pair: Pair) -> None:
    await copied(pair)
    point = await chosen(pair, "latest-verified")
    pair.ask(NEW, "select pg_promote()")
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).restore(to(point))
    assert caught.value.code is Code.ROLE_MISMATCH
    assert pair.ask(NEW, "select 1") == 1
    assert "recovery.restore.json" not in names(pair)


async def test_a_point_that_is_gone_is_refused(pair: Pair) -> None:
    point = await copied(pair)
    shutil.rmtree(pair.folder / "backups" / "db" / "points" / point.name)
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).restore(to(point))
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).restore(to(point.model_copy(update={"name": "../../primary"})))
    assert caught.value.code is Code.NOT_FOUND


async def test_a_path_that_a_shell_could_read_is_refused(pair: Pair) -> None:
    point = await copied(pair)
    evil = pair.folder / "x;touch y"
    shutil.copytree(pair.folder / "backups", evil)
    settings = pair.settings()
    site = settings.sites[NEW].model_copy(update={"snapshot_dir": str(evil)})
    provider = pair.provider(NEW)
    provider.settings = settings.model_copy(update={"sites": {**settings.sites, NEW: site}})
    with pytest.raises(PermanentError) as caught:
        await restore.lay_down(provider, to(point), point, pair.folder / "clone")
    assert caught.value.code is Code.CONFIGURATION
    assert not (pair.folder / "clone").exists()


async def test_a_stream_needs_no_restore(pair: Pair) -> None:
    stream = RecoveryPoint(component="db", site=NEW, kind="stream", position="0/1")
    assert not (await pair.provider(NEW).restore(to(stream))).changed
    assert pair.ask(NEW, "select count(*) from pg_stat_wal_receiver") == 1
