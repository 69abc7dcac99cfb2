"""The old primary becomes a replica of the new one, on a real pair."""

import asyncio
import contextlib
import signal
from typing import Any

import psutil
import pytest

from activities.providers.postgres import copying, guard
from tests.provider.conformance import TimeOver, over
from tests.provider.support import DATA, NEW, OLD, PASSWORD, Pair, eventually, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult, Target
from workflows.model.runbook import Component

pytestmark = pytest.mark.lab
SYNC = Component.model_validate(DATA.model_dump() | {"replication": {"mode": "continuous", "synchronous": True}})


async def fail_over(pair: Pair, lost: int = 0, epoch: int = 5) -> None:
    """The primary loses its link, takes `lost` rows more, and dies; the standby is promoted and goes on."""
    pair.ask(OLD, "insert into orders select 'kept', n from generate_series(1, 5) n")
    eventually(pair.in_step)
    if lost:
        cut_off(pair)
        pair.ask(OLD, f"insert into orders select 'lost', n from generate_series(1, {lost}) n")
    pair.kill(OLD)
    await pair.provider(NEW).promote(request(NEW, epoch=epoch))
    pair.ask(NEW, "insert into orders select 'new', n from generate_series(1, 5) n")


def cut_off(pair: Pair) -> None:
    """Nothing of the primary reaches the standby from now on."""
    for process in pair.worker(OLD, "walsender"):
        process.send_signal(signal.SIGSTOP)


def content(pair: Pair, site: str) -> Any:
    return pair.ask(site, "select md5(string_agg(o::text, ',' order by client, seq)) from orders o")


def follows(pair: Pair) -> bool:
    """Whether the old server replays what the new one writes."""
    pair.ask(NEW, "insert into orders select 'probe', coalesce(max(seq), 0) + 1 from orders where client = 'probe'")
    eventually(lambda: content(pair, OLD) == content(pair, NEW))
    return bool(pair.ask(OLD, "select pg_is_in_recovery()"))


async def rebuild(pair: Pair, step: str = "db.rebuild", epoch: int = 5, **more: Any) -> StepResult:
    return await pair.provider(OLD, **more).rebuild_replica(request(OLD, step, epoch))


async def archive(pair: Pair, epoch: int = 5, **more: Any) -> StepResult:
    return await pair.provider(OLD, **more).archive_diverged(request(OLD, "db.archive", epoch))


async def test_a_diverged_primary_is_archived_then_rewound(pair: Pair) -> None:
    await fail_over(pair, lost=20)
    with pytest.raises(PermanentError) as caught:
        await rebuild(pair)
    assert caught.value.code is Code.PRECONDITION_CHANGED
    found = (await archive(pair)).divergence
    assert found
    assert (found.diverged, [(table.table, table.rows) for table in found.tables]) == (True, [("orders", 20)])
    first = await rebuild(pair)
    second = await rebuild(pair)
    assert (first.changed, first.after["way"], second.changed) == (True, "rewind", False)
    assert follows(pair)
    assert pair.ask(OLD, "select count(*) from orders where client = 'lost'") == 0
    assert (pair.data(OLD) / "postgresql.auto.conf").stat().st_mode & 0o77 == 0
    assert pair.ask(NEW, "select active from pg_replication_slots where slot_name = 'primary'")
    again = await archive(pair)
    assert (again.changed, again.divergence) == (False, found)


async def test_a_planned_move_needs_no_rewind_and_no_archive(pair: Pair) -> None:
    await pair.provider(OLD).fence(request(OLD, "db.fence"))
    await pair.provider(NEW).promote(request(NEW))
    found = (await archive(pair)).divergence
    assert found
    assert not found.diverged
    result = await rebuild(pair)
    assert (result.changed, result.after["way"]) == (True, "follow")
    assert follows(pair)
    assert not (pair.data(OLD) / "seawall.fence").exists()
    assert (pair.data(OLD) / "standby.signal").exists()


async def test_a_fenced_and_crashed_primary_is_rewound(pair: Pair) -> None:
    """Its own recovery would be refused because of `standby.signal`."""
    pair.ask(OLD, "insert into orders values ('kept', 1)")
    cut_off(pair)
    pair.ask(OLD, "insert into orders values ('lost', 1)")
    pair.kill(OLD)
    await pair.provider(OLD).fence(request(OLD, "db.fence"))
    await pair.provider(NEW).promote(request(NEW))
    assert (await archive(pair)).after["rows"] == 1
    assert (await rebuild(pair)).after["way"] == "rewind"
    assert follows(pair)


def snapshot_of(pair: Pair, site: str) -> Any:
    """What must not have changed."""
    running = [process.pid for process in pair.processes(site)[:1]]
    files = {path.name for path in pair.data(site).iterdir()} | {path.name for path in pair.folder.iterdir()}
    return running, files - {"pg_ctl.out"}, (pair.data(site) / "postgresql.auto.conf").read_bytes()


def swapped(pair: Pair, verb: str, epoch: int = 5) -> StepRequest:
    return StepRequest(
        ref=request(NEW, f"db.{verb}", epoch).ref,
        target=Target(name="db", component=DATA, site=NEW, source=NEW, target=OLD),
    )


@pytest.mark.parametrize("verb", ["archive_diverged", "rebuild_replica"])
async def test_what_serves_is_never_overwritten(pair: Pair, verb: str) -> None:
    """GitLab, 2017: the re-seed ran on the server that served."""
    await fail_over(pair)
    before = snapshot_of(pair, NEW), content(pair, NEW)
    cases = [(pair.provider(NEW), swapped(pair, verb))]
    pair.start(OLD)  # The old one comes back by itself as a second primary.
    cases.append((pair.provider(NEW), swapped(pair, verb)))
    cases.append((pair.provider(OLD), request(OLD, f"db.{verb}")))
    for provider, asked in cases:
        with pytest.raises(PermanentError) as caught:
            await getattr(provider, verb)(asked)
        assert caught.value.code is Code.ROLE_MISMATCH
    settings = pair.settings()
    one_server = settings.model_copy(update={"sites": {OLD: settings.sites[NEW], NEW: settings.sites[NEW]}})
    other_port = settings.sites[NEW].model_copy(update={"port": pair.ports[OLD]})
    one_folder = settings.model_copy(update={"sites": {OLD: other_port, NEW: settings.sites[NEW]}})
    for wrong in (one_server, one_folder):
        provider = pair.provider(OLD)
        provider.settings = wrong
        with pytest.raises(PermanentError) as caught:
            await getattr(provider, verb)(request(OLD, f"db.{verb}"))
        assert caught.value.code is Code.ROLE_MISMATCH
    assert (snapshot_of(pair, NEW), content(pair, NEW)) == before


async def test_the_newer_one_is_not_overwritten_while_it_is_down(pair: Pair) -> None:
    """The new primary is down for a moment, and the old one has come back: it has the lower epoch."""
    await fail_over(pair)
    pair.kill(NEW)
    pair.start(OLD)
    before = snapshot_of(pair, NEW)
    for verb in ("archive_diverged", "rebuild_replica"):
        with pytest.raises(PermanentError) as caught:
            await getattr(pair.provider(NEW), verb)(swapped(pair, verb))
        assert caught.value.code is Code.ROLE_MISMATCH
    assert snapshot_of(pair, NEW) == before


async def test_a_lower_epoch_is_refused_and_one_whose_time_is_over_does_not_act(pair: Pair) -> None:
    await fail_over(pair, lost=1, epoch=5)
    before = snapshot_of(pair, OLD)
    for call in (archive, rebuild):
        with pytest.raises(PermanentError) as caught:
            await call(pair, epoch=4)
        assert caught.value.code is Code.STALE_EPOCH
    with pytest.raises(TimeOver):
        await pair.provider(OLD, over).archive_diverged(request(OLD, "db.archive"))
    assert snapshot_of(pair, OLD) == before
    await archive(pair, epoch=7)
    with pytest.raises(TimeOver):
        await pair.provider(OLD, over).rebuild_replica(request(OLD, "db.rebuild", 7))
    await rebuild(pair, epoch=7)
    with pytest.raises(PermanentError) as caught:
        await rebuild(pair, epoch=6)
    assert caught.value.code is Code.STALE_EPOCH
    assert follows(pair)


async def test_after_a_rewind_that_was_killed_it_is_copied_anew(pair: Pair) -> None:
    await fail_over(pair, lost=3)
    await archive(pair)
    with (pair.data(OLD) / "postgresql.conf").open("a") as file:
        file.write("# the old site's own\n")
    guard.write_note(pair.settings().sites[OLD], request(OLD, "db.rebuild").ref, "rewind")
    (pair.data(OLD) / "backup_label").write_text("torn")
    result = await rebuild(pair)
    assert result.after["way"] == "backup"
    assert follows(pair)
    assert "the old site's own" in (pair.data(OLD) / "postgresql.conf").read_text()
    assert [path.name for path in pair.folder.glob("primary.*") if path.is_dir()] == ["primary.old-5"]
    assert not (await rebuild(pair)).changed


async def test_what_was_written_after_an_abandoned_rewind_is_not_thrown_away(pair: Pair) -> None:
    await fail_over(pair, lost=3)
    await archive(pair)
    guard.write_note(pair.settings().sites[OLD], request(OLD, "db.rebuild").ref, "rewind")
    (pair.data(OLD) / "standby.signal").unlink(missing_ok=True)
    pair.start(OLD)
    pair.ask(OLD, "insert into orders values ('by hand', 1)")
    pair.kill(OLD)
    with pytest.raises(PermanentError) as caught:
        await rebuild(pair, epoch=7)
    assert caught.value.code is Code.PRECONDITION_CHANGED
    found = (await archive(pair, epoch=7)).divergence
    assert found
    assert "client=by hand, seq=1" in found.tables[0].keys
    await rebuild(pair, epoch=7)
    assert follows(pair)


@pytest.mark.parametrize("anew", [False, True])
async def test_killed_at_each_point_a_rebuild_comes_through_in_the_end(pair: Pair, anew: bool) -> None:
    await fail_over(pair, lost=3)
    await archive(pair)
    if anew:
        guard.write_note(pair.settings().sites[OLD], request(OLD, "db.rebuild").ref, "rewind")
    for fatal in range(1, 5):
        calls = 0

        def die(fatal: int = fatal) -> None:
            nonlocal calls
            calls += 1
            if calls == fatal:
                over()

        with contextlib.suppress(TimeOver):
            await pair.provider(OLD, die).rebuild_replica(request(OLD, "db.rebuild"))
    await rebuild(pair)
    assert follows(pair)
    assert pair.ask(NEW, "select count(*) from pg_replication_slots") == 1


async def test_cancelled_midway_it_leaves_no_program_and_comes_through_later(pair: Pair) -> None:
    await fail_over(pair, lost=3)
    await archive(pair)
    for delay in (0.15, 0.3, 0.6):
        task = asyncio.create_task(rebuild(pair))
        await asyncio.wait({task}, timeout=delay)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        names = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        assert not [name for name in names if str(pair.folder) in name and ("pg_rewind" in name or "backup -D" in name)]
    await rebuild(pair)
    assert follows(pair)


async def test_a_death_between_the_two_renames_is_mended(pair: Pair) -> None:
    await fail_over(pair)
    site = pair.settings().sites[OLD]
    provider = pair.provider(OLD)
    with contextlib.suppress(PermanentError):
        await copying.base_backup(provider, request(OLD, "db.rebuild"), site)
    pair.data(OLD).rename(pair.folder / "primary.new")
    assert guard.read_note(site) == guard.Rebuilding(epoch=5, key=request(OLD, "db.rebuild").ref.key, stage="swap")
    assert (await rebuild(pair)).after["way"] == "swap"
    assert follows(pair)


async def test_a_lost_data_directory_is_copied_anew(pair: Pair) -> None:
    await fail_over(pair)
    pair.data(OLD).rename(pair.folder / "elsewhere")
    beats: list[str] = []
    provider = pair.provider(OLD)
    object.__setattr__(provider.context, "heartbeat", beats.append)
    assert (await provider.rebuild_replica(request(OLD, "db.rebuild"))).after["way"] == "backup"
    assert follows(pair)
    assert any("kB" in words and "left" in words for words in beats)
    assert not any(PASSWORD in words for words in beats)


async def test_protect_waits_until_it_follows_then_commits_wait_for_it(pair: Pair) -> None:
    await fail_over(pair)
    asked = request(NEW, "db.protect", component=SYNC)
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW, stall_timeout="500ms").protect(asked)
    assert caught.value.code is Code.NOT_PROTECTED
    await rebuild(pair)
    with pytest.raises(TimeOver):
        await pair.provider(NEW, over).protect(asked)
    first = await pair.provider(NEW).protect(asked)
    second = await pair.provider(NEW).protect(asked)
    assert (first.changed, second.changed, first.after["sync_state"]) == (True, False, "sync")
    assert pair.ask(NEW, "show synchronous_standby_names") == "FIRST 1 (primary)"
    pair.ask(NEW, "insert into orders values ('waits', 1)")
    assert pair.ask(OLD, "select count(*) from orders where client = 'waits'") == 1
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).protect(request(NEW, "db.protect", 4))
    assert caught.value.code is Code.STALE_EPOCH


async def test_a_replica_that_is_paused_protects_nobody(pair: Pair) -> None:
    await fail_over(pair)
    await rebuild(pair)
    pair.ask(OLD, "select pg_wal_replay_pause()")
    pair.ask(NEW, "insert into orders values ('more', 1)")
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW, stall_timeout="500ms").protect(request(NEW, "db.protect", component=SYNC))
    assert (caught.value.code, "paused" in caught.value.sentence) == (Code.NOT_PROTECTED, True)
    assert pair.ask(NEW, "show synchronous_standby_names") == ""


async def test_commits_are_never_left_hanging(pair: Pair) -> None:
    await fail_over(pair)
    await rebuild(pair)
    provider = pair.provider(NEW, synchronous_timeout="0ms")
    with pytest.raises(PermanentError) as caught:
        await provider.protect(request(NEW, "db.protect", component=SYNC))
    assert (caught.value.code, "commits do not wait" in caught.value.sentence) == (Code.NOT_PROTECTED, True)
    assert pair.ask(NEW, "show synchronous_standby_names") == ""
    pair.ask(NEW, "insert into orders values ('free', 1)")


def back_again(asked: StepRequest) -> StepRequest:
    target = asked.target.model_copy(update={"source": asked.target.target, "target": asked.target.source})
    return asked.model_copy(update={"target": target})


@pytest.mark.slow
async def test_ten_cycles_there_and_back_are_equal_each_time(pair: Pair) -> None:
    here, there = OLD, NEW
    for epoch in range(1, 21):
        pair.ask(here, f"insert into orders select 'cycle', {epoch} * 1000 + n from generate_series(1, 50) n")
        asked = request(here, "db.fence", epoch)
        asked = asked if here == OLD else back_again(asked)
        await pair.provider(here).fence(asked)
        await pair.provider(there).promote(
            asked.model_copy(update={"target": asked.target.model_copy(update={"site": there})})
        )
        archived = await pair.provider(here).archive_diverged(asked)
        assert archived.divergence
        assert not archived.divergence.diverged
        await pair.provider(here).rebuild_replica(asked)
        serving = asked.model_copy(update={"target": asked.target.model_copy(update={"site": there})})
        await pair.provider(there).protect(serving)
        found = (await pair.provider(there).verify_consistency(serving)).consistency
        assert found
        assert found.equal
        here, there = there, here
    assert pair.ask(here, "select count(*) from orders") == 20 * 50
    assert pair.ask(here, "select count(distinct (client, seq)) from orders") == 20 * 50
