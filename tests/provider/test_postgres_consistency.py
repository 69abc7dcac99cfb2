"""Equal means equal, and what differs is named; on a real pair, under writers."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.provider.support import NEW, OLD, PASSWORD, Pair, eventually, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepResult

pytestmark = pytest.mark.lab
FILL = """
create table public.notes (id int primary key, words text);
insert into public.notes select n, 'words-' || lpad(n::text, 6, '0') from generate_series(1, 3000) n;
create table public.keyless (words text);
insert into keyless select 'twin' from generate_series(1, 5);
insert into orders select 'c', n from generate_series(1, 100) n;
analyze
"""


def fill(pair: Pair) -> None:
    for statement in FILL.split(";"):
        pair.ask(OLD, statement)
    # Else the replica would replay the damage away when it starts.
    pair.ask(OLD, "checkpoint")
    eventually(pair.in_step)


async def verify(pair: Pair) -> StepResult:
    return await pair.provider(NEW).verify_consistency(request(NEW))


class Writer:
    """Writes until told to stop; how long its slowest write took."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.slowest = 0.0
        self.written = 0

    def _run(self) -> None:
        with psycopg.connect(
            host="127.0.0.1",
            port=self._pair.ports[OLD],
            dbname="postgres",
            user="seawall",
            password=PASSWORD,
            autocommit=True,
        ) as connection:
            while not self._stop.is_set():
                began = time.monotonic()
                connection.execute("insert into orders values ('writer', %s)", [self.written])
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.written += 1
                time.sleep(0.005)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


async def test_a_replica_in_step_is_equal_while_people_write(pair: Pair) -> None:
    fill(pair)
    pair.ask(OLD, "alter system set synchronous_standby_names = 'recovery'")
    pair.ask(OLD, "alter system set synchronous_commit = 'remote_apply'")
    pair.ask(OLD, "select pg_reload_conf()")
    with Writer(pair) as writer:
        for _ in range(5):
            found = (await verify(pair)).consistency
            assert found
            assert (found.equal, found.delta_bytes is not None) == (True, True)
            assert {table.table for table in found.tables} == {"orders", "notes", "keyless"}
            assert all(table.rows_source == table.rows_target for table in found.tables)
    assert writer.written > 20
    assert writer.slowest < 2
    assert pair.ask(OLD, "select count(*) from pg_locks where mode = 'ShareLock' and locktype = 'relation'") == 0


def damage(pair: Pair, table: str, old: bytes, new: bytes) -> None:
    """Change bytes of a table's file at the replica, unseen by its checksums."""
    path = Path(pair.data(NEW)) / pair.ask(OLD, f"select pg_relation_filepath('{table}')")
    pair.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(pair.data(NEW)))
    pair.run("pg_checksums", "--disable", "--no-sync", "-D", str(pair.data(NEW)))
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    pair.start(NEW)
    eventually(pair.in_step)


async def test_a_row_that_differs_is_named_by_its_key(pair: Pair) -> None:
    fill(pair)
    damage(pair, "notes", b"words-001234", b"wordz-001234")
    with pytest.raises(PermanentError) as caught:
        await verify(pair)
    assert caught.value.code is Code.INCONSISTENT
    assert "notes (3000 and 3000 rows: id=1234)" in caught.value.sentence
    assert "wordz" not in str(caught.value)


async def test_a_table_without_a_key_is_told_without_its_content(pair: Pair) -> None:
    fill(pair)
    damage(pair, "keyless", b"twin", b"twig")
    with pytest.raises(PermanentError) as caught:
        await verify(pair)
    assert "keyless (5 and 5 rows: chunk 0 of 1)" in caught.value.sentence


@contextlib.contextmanager
def long_transaction(pair: Pair) -> Iterator[None]:
    with psycopg.connect(
        host="127.0.0.1", port=pair.ports[OLD], dbname="postgres", user="seawall", password=PASSWORD
    ) as connection:
        connection.execute("insert into notes values (0, 'open')")
        yield


@pytest.mark.slow
async def test_without_a_common_moment_it_is_not_measured_and_writers_go_on(pair: Pair) -> None:
    fill(pair)
    with long_transaction(pair):
        found = (await verify(pair)).consistency
    assert found
    assert (found.equal, found.tables) == (None, ())
    pair.ask(NEW, "select pg_wal_replay_pause()")
    eventually(lambda: pair.ask(NEW, "select pg_get_wal_replay_pause_state() = 'paused'"))
    with Writer(pair) as writer:
        found = (await verify(pair)).consistency
        await asyncio.sleep(0.1)
    assert found
    assert found.equal is None
    assert writer.slowest < 3
    assert pair.ask(OLD, "select count(*) from pg_locks where mode = 'ShareLock' and locktype = 'relation'") == 0
