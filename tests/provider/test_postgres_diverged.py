"""What only the old primary has is archived and named; nothing is silently discarded. On a real pair."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from activities.providers.postgres import isolated, timelines
from tests.provider.support import NEW, OLD, Pair, eventually, request
from tests.provider.test_postgres_reprotect import archive, cut_off, fail_over, follows, rebuild
from workflows.model.failure import Code, PermanentError
from workflows.model.observed import Divergence

pytestmark = pytest.mark.lab


async def diverge(pair: Pair, *statements: str) -> None:
    """Run the statements on a primary that nobody receives from any more; then it dies and the other one serves."""
    pair.ask(OLD, "create table public.keyless (words text)")
    pair.ask(OLD, "insert into public.keyless values ('twin')")
    pair.ask(OLD, "create table public.stock (id int primary key, amount int)")
    pair.ask(OLD, "insert into public.stock select n, 10 from generate_series(1, 10) n")
    eventually(pair.in_step)
    cut_off(pair)
    for statement in statements:
        pair.ask(OLD, statement)
    pair.kill(OLD)
    await pair.provider(NEW).promote(request(NEW))


def told(found: Divergence | None) -> dict[str, tuple[int, tuple[str, ...]]]:
    assert found
    return {table.table: (table.rows, table.keys) for table in found.tables}


def lines(found: Divergence, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(found.folder) / f"{table}.jsonl").read_text().splitlines()]


def isolated_servers(pair: Pair) -> list[psutil.Process]:
    return pair.processes(OLD)


async def test_every_kind_of_lost_row_is_named(pair: Pair) -> None:
    await diverge(
        pair,
        "insert into orders values ('lost', 1), ('both', 1)",
        "update stock set amount = 7 where id = 3",
        "insert into keyless values ('twin'), ('single')",
        "create table public.born_late (id uuid primary key default gen_random_uuid(), at timestamptz)",
        "insert into born_late (at) values (now())",
        "delete from stock where id = 9",
        "insert into seawall.marker values (99, now(), 'x')",
        "begin; insert into orders values ('rolled back', 1); rollback",
    )
    pair.ask(NEW, "insert into orders values ('both', 1), ('new', 1)")
    pair.ask(NEW, "update stock set amount = 5 where id = 4")
    result = await archive(pair)
    found = result.divergence
    assert found
    rows = told(found)
    assert rows["orders"] == (1, ("client=lost, seq=1",))
    assert rows["stock"] == (1, ("id=3",))
    assert rows["keyless"] == (2, ())
    assert rows["born_late"][0] == 1
    assert set(rows) == {"orders", "stock", "keyless", "born_late"}
    assert lines(found, "stock") == [{"row": {"id": 3, "amount": 7}, "serving": {"id": 3, "amount": 10}}]
    assert sorted(line["row"]["words"] for line in lines(found, "keyless")) == ["single", "twin"]
    assert (found.complete, "Deletions by 1" in found.detail) == (False, True)
    assert list((Path(found.folder) / "wal").glob("00000001*"))
    assert found.bytes
    assert os.stat(found.folder).st_mode & 0o77 == 0
    assert not isolated_servers(pair)
    assert (await rebuild(pair)).after["way"] == "rewind"
    assert follows(pair)


async def test_more_than_fifty_keys_are_counted_and_all_rows_kept(pair: Pair) -> None:
    await fail_over(pair, lost=1200)
    found = (await archive(pair)).divergence
    assert found
    assert (found.tables[0].rows, len(found.tables[0].keys)) == (1200, 50)
    assert {line["row"]["seq"] for line in lines(found, "orders")} == set(range(1, 1201))
    assert found.complete


async def test_killed_at_each_point_it_is_archived_once(pair: Pair) -> None:
    await fail_over(pair, lost=3)

    class Killed(Exception):
        pass

    for fatal in range(1, 4):
        left = fatal

        def die() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        provider = pair.provider(OLD, die)
        with pytest.raises(Killed):
            await provider.archive_diverged(request(OLD, "db.archive"))
        assert not list(pair.folder.glob("diverged-db/*/manifest.json"))
        assert not isolated_servers(pair)
    found = (await archive(pair)).divergence
    again = await archive(pair)
    assert told(found)["orders"][0] == 3
    assert (again.changed, again.divergence) == (False, found)
    assert len(list(pair.folder.glob("diverged-db/*/manifest.json"))) == 1
    assert not list(pair.folder.glob("diverged-db/*.part"))


async def test_a_server_left_in_isolation_is_found_and_cannot_be_reached(pair: Pair) -> None:
    """The worker died while it ran: the next attempt ends it and begins again."""
    await fail_over(pair, lost=3)
    provider = pair.provider(OLD)
    site = provider.local(OLD)
    folder = isolated._folder(site)
    try:
        (pair.data(OLD) / "standby.signal").touch()
        await isolated._launch(provider, site, folder, pair.folder / "isolated.log")
        connection = await isolated._open(provider, site, folder, 1)
        standing = await (await connection.execute("show listen_addresses")).fetchone()
        assert standing == {"listen_addresses": ""}
        assert await (await connection.execute("select pg_is_in_recovery() as held")).fetchone() == {"held": True}
        await connection.close()
        postmaster = isolated_servers(pair)[0]
        assert not [
            seen for seen in postmaster.net_connections() if seen.status == psutil.CONN_LISTEN and seen.family != 1
        ]
        assert folder.stat().st_mode & 0o77 == 0
        assert told((await archive(pair)).divergence)["orders"][0] == 3
        assert not isolated_servers(pair)
    finally:
        pair.kill(OLD)
        shutil.rmtree(folder, ignore_errors=True)


async def test_what_cannot_be_told_as_rows_is_kept_as_a_log(pair: Pair) -> None:
    await fail_over(pair, lost=3)
    site = pair.settings().sites[OLD]
    broken = site.model_copy(update={"start_options": (*site.start_options, "shared_buffers=1")})
    provider = pair.provider(OLD, start_timeout="5s")
    provider.settings = provider.settings.model_copy(update={"sites": {**provider.settings.sites, OLD: broken}})
    found = (await provider.archive_diverged(request(OLD, "db.archive"))).divergence
    assert found
    assert (found.diverged, found.complete, found.tables) == (True, False, ())
    assert list((Path(found.folder) / "wal").glob("00000001*"))
    assert "log only" in found.detail


async def test_when_a_rewind_cannot_be_done_it_is_copied_anew(pair: Pair) -> None:
    """The log since the last common checkpoint was recycled: the archive stands, a base backup follows."""
    for number in range(3):
        pair.ask(OLD, "insert into orders values ('before', %s)", number)
        pair.ask(OLD, "select pg_switch_wal()")
    await fail_over(pair, lost=3)
    found = (await archive(pair)).divergence
    assert found
    kept = {path.name for path in (Path(found.folder) / "wal").iterdir()}
    for path in (pair.data(OLD) / "pg_wal").glob("0000000100000000*"):
        if path.name not in kept:
            path.unlink()
    assert (await rebuild(pair)).after["way"] == "backup"
    assert follows(pair)


async def test_without_the_log_after_the_fork_it_is_copied_anew_and_said_so(pair: Pair) -> None:
    await fail_over(pair, lost=3)
    for path in (pair.data(OLD) / "pg_wal").glob("0000000100000000*"):
        path.unlink()
    found = (await archive(pair)).divergence
    assert found
    assert (found.diverged, found.complete, found.tables) == (True, False, ())
    assert (await rebuild(pair)).after["way"] == "backup"
    assert follows(pair)


async def test_another_cluster_is_refused(pair: Pair, tmp_path: Path) -> None:
    await fail_over(pair)
    shutil.rmtree(pair.data(OLD))
    password_file = tmp_path / "pw2"
    password_file.write_text("x")
    pair.run("initdb", "-D", str(pair.data(OLD)), "-U", "seawall", "--pwfile", str(password_file), "--no-sync")
    for call in (archive, rebuild):
        with pytest.raises(PermanentError) as caught:
            await call(pair)
        assert caught.value.code is Code.ROLE_MISMATCH


def test_where_two_histories_part() -> None:
    first = timelines.parse("", 1)
    second = timelines.parse("1\t0/3000000\tno recovery target specified\n", 2)
    third = timelines.parse("1\t0/3000000\tx\n\n2\t0/5000000\tx\n", 3)
    apart = timelines.parse("1\t0/2000000\tx\n", 2)
    assert timelines.fork(first, second) == (1, 0x3000000)
    assert timelines.fork(second, third) == (2, 0x5000000)
    assert timelines.fork(second, apart) == (1, 0x2000000)
    assert timelines.fork(third, third) == (3, None)
