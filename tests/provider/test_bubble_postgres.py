"""PostgreSQL cloned into a bubble: promoted and written there, while the real pair goes on."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from activities.providers.marks import Ledger
from activities.providers.postgres import clone as module
from activities.providers.postgres import clone_source, server, sql
from activities.providers.postgres.clone_site import CloneSite
from activities.providers.postgres.ledger import Entry
from activities.providers.postgres.provider import PostgresProvider
from tests.provider.bubble_kit import Drill, drills
from tests.provider.support import NEW, OLD, PASSWORD, Pair, context, eventually, request
from workflows.model.failure import Code, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest
from workflows.model.observed import Reach, RecoveryPoint
from workflows.model.runbook import SqlCheck

pytestmark = pytest.mark.lab


class Clone:
    """The database of a drill."""

    def __init__(self, pair: Pair, drill: Drill) -> None:
        self.pair = pair
        self.drill = drill
        pair.ask(OLD, "insert into orders select 'anna', g from generate_series(1, 20) as g")
        eventually(pair.in_step)

    def provider(self, **more: Any) -> PostgresProvider:
        mine = more.pop("mine", lambda: None)
        given = context(NEW, self.drill.state, mine)
        settings = self.pair.settings(**more)
        return PostgresProvider(settings, type(given)(**(vars(given) | {"bubble": self.drill.bubble})))

    async def request(self, step: str = "db.clone", epoch: int = 5) -> StepRequest:
        before = await self.pair.provider(NEW).observe("db", NEW, NEW)
        point = RecoveryPoint(component="db", site=NEW, kind="stream", position=before.facts["lsn"])
        return self.drill.request(step, epoch, before=before, point=point)

    async def ask(self, query: str) -> Any:
        async with sql.session(self.provider().address(NEW)) as connection:
            found = await sql.rows(connection, query)
            return next(iter(found[0].values())) if found else None

    def untouched(self) -> None:
        """The real pair: still a primary and a streaming standby, without anything of the drill."""
        assert not self.pair.ask(OLD, "select pg_is_in_recovery()")
        assert self.pair.ask(NEW, "select pg_is_in_recovery()")
        assert self.pair.ask(OLD, "select count(*) from pg_stat_replication where state = 'streaming'") == 1
        assert self.pair.ask(OLD, "select max(epoch) from seawall.epoch") == 0
        assert self.pair.ask(OLD, "select count(*) from pg_replication_slots") == 0
        self.pair.ask(OLD, "insert into orders values ('ben', (select count(*) from orders))")
        eventually(self.pair.in_step)
        assert self.pair.ask(NEW, "select count(*) from orders where client = 'drill'") == 0


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    yield from drills(tmp_path / "state-drill")


@pytest.fixture
async def clone(pair: Pair, drill: Drill) -> Clone:
    await drill.open()
    return Clone(pair, drill)


def servers(drill: Drill) -> list[int]:
    """The postmasters inside."""

    def words(pid: int) -> list[str]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).cmdline()
        return []

    return [pid for pid in drill.inside() if any(word.endswith("/data") for word in words(pid))]


async def test_cloned_promoted_and_written_while_the_real_pair_goes_on(clone: Clone, drill: Drill) -> None:
    words: list[str] = []
    provider = clone.provider()
    asked = await clone.request()
    object.__setattr__(provider.context, "heartbeat", words.append)
    result = await provider.clone_data(asked)
    assert (result.changed, result.after["role"]) == (True, "standby")
    assert any("left" in word for word in words)
    again = await provider.clone_data(asked)
    assert (again.changed, again.after["lsn"]) == (False, result.after["lsn"])
    seen = await provider.observe("db", NEW, NEW)
    assert (seen.reach, seen.facts["receiving"]) == (Reach.STANDBY, False)
    assert (await provider.observe("db", OLD, NEW)).reach is Reach.UNKNOWN

    promoted = await provider.promote(drill.request("db.promote", before=seen))
    assert promoted.after["role"] == "primary"
    assert (await provider.observe("db", NEW, NEW)).reach is Reach.SERVING
    assert await clone.ask("insert into orders values ('drill', 1) returning seq") == 1
    assert await clone.ask("select count(*) from orders") == 21
    check = SqlCheck(kind="sql", query="select pg_is_in_recovery()::text", expect="false")
    assert "false" in await provider.check(check, NEW)
    clone.untouched()
    closed = await drill.close()
    assert closed.after["leftovers"] == 0
    assert closed.after["folders"] == 2
    assert drill.left() == []
    clone.untouched()


async def test_its_address_is_that_of_the_site_and_only_there_inside(clone: Clone, drill: Drill) -> None:
    await clone.provider().clone_data(await clone.request())
    port = clone.pair.ports[NEW]
    look = f"cat /proc/self/net/tcp | grep -c ':{port:04X} 00000000:0000 0A'"
    assert drill.run("sh", "-c", look).stdout.strip() == "1"
    clone.pair.kill(NEW)
    with contextlib.suppress(psycopg.OperationalError):
        clone.pair.ask(NEW, "select 1")
        pytest.fail("the clone answers outside")
    assert await clone.ask("select count(*) from orders") == 20


async def test_the_loss_is_that_of_the_moment_of_the_copy(clone: Clone, drill: Drill) -> None:
    provider = clone.provider()
    ledger = Ledger(drill.state / f"markers-db-{OLD}.json", Entry)
    number = clone.pair.ask(OLD, "insert into seawall.marker values (1, clock_timestamp(), 'x') returning number")
    moment = clone.pair.ask(OLD, "select at from seawall.marker")
    eventually(clone.pair.in_step)
    ledger.note(Entry(number=number, at=moment))
    await provider.clone_data(await clone.request())
    ledger.note(Entry(number=2, at=clone.pair.ask(OLD, "select clock_timestamp()")))
    seen = await provider.observe("db", NEW, NEW)
    await provider.promote(drill.request("db.promote", before=seen))
    loss = (await provider.measure_loss(drill.request("db.loss"))).loss
    assert loss is not None
    assert (loss.seconds, loss.last_kept_marker, loss.transactions) == (0.0, 1, 0)


@pytest.mark.parametrize("where", ["write_access", "_start", "_ready"])
async def test_killed_on_the_way_and_asked_again_it_is_there_once(
    clone: Clone, drill: Drill, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    class DiedError(Exception):
        pass

    def die(*_: Any) -> Any:
        raise DiedError

    owner = clone_source if where == "write_access" else module
    asked = await clone.request()
    with monkeypatch.context() as patch:
        patch.setattr(owner, where, die)
        with pytest.raises(DiedError):
            await clone.provider().clone_data(asked)
    await clone.provider().clone_data(asked)
    assert await clone.ask("select count(*) from orders") == 20
    assert len(servers(drill)) == 1
    assert (await drill.close()).after["leftovers"] == 0
    assert drill.left() == []


async def test_a_copy_in_progress_is_ended_by_the_close(clone: Clone, drill: Drill) -> None:
    asked = await clone.request()
    clone.pair.signal(NEW, signal.SIGSTOP)
    task = asyncio.create_task(clone.provider(connect_timeout="20s").clone_data(asked))
    await asyncio.wait({task}, timeout=0.5)
    closed = await drill.close()
    assert closed.after["leftovers"] == 0
    clone.pair.signal(NEW, signal.SIGCONT)
    with pytest.raises((SeawallError, OSError)):
        await task
    assert drill.left() == []


async def test_a_clone_that_was_killed_starts_again(clone: Clone) -> None:
    asked = await clone.request()
    provider = clone.provider()
    await provider.clone_data(asked)
    site = provider.site(NEW)
    assert isinstance(site, CloneSite)
    process = server.postmaster(site)
    assert process is not None
    for child in [*process.children(recursive=True), process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    eventually(lambda: server.postmaster(site) is None)
    assert (await provider.clone_data(asked)).changed
    assert await clone.ask("select count(*) from orders") == 20


async def test_refusals_change_nothing(clone: Clone, drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = await clone.request()
    provider = clone.provider()

    async def refused(wanted: Code, request: StepRequest, by: PostgresProvider = provider) -> None:
        with pytest.raises((PermanentError, TemporaryError)) as caught:
            await by.clone_data(request)
        assert caught.value.code is wanted
        assert PASSWORD not in str(caught.value)
        assert not list(drill.place.folder.glob("*/data"))

    with pytest.raises(TimeoutError):
        await clone.provider(mine=lambda: (_ for _ in ()).throw(TimeoutError())).clone_data(asked)
    far = asked.point.model_copy(update={"position": "F/0"}) if asked.point else None
    await refused(Code.TARGET_UNFIT, asked.model_copy(update={"point": far}), clone.provider(stall_timeout="100ms"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "SPARE_BYTES", 1 << 60)
        await refused(Code.TARGET_UNFIT, asked)
    other = asked.before.model_copy(update={"facts": {"system_identifier": "1"}}) if asked.before else None
    await refused(Code.PRECONDITION_CHANGED, asked.model_copy(update={"before": other}))
    clone.pair.ask(OLD, "insert into seawall.epoch values (9, 'later', clock_timestamp())")
    eventually(clone.pair.in_step)
    await refused(Code.STALE_EPOCH, asked)
    clone.pair.ask(NEW, "select pg_promote()")
    await refused(Code.ROLE_MISMATCH, await clone.request(epoch=10))
    await drill.close()
    await refused(Code.NOT_FOUND, asked)
    with pytest.raises(PermanentError) as caught:
        provider.site(OLD)
    assert caught.value.code is Code.CONFIGURATION


async def test_a_kept_recovery_point_is_cloned_as_it_was(clone: Clone, drill: Drill) -> None:
    taken = await clone.pair.provider(NEW).snapshot(request(NEW, "db.snapshot"))
    assert taken.point is not None
    clone.pair.ask(OLD, "insert into orders values ('after', 1)")
    asked = (await clone.request()).model_copy(update={"point": taken.point})
    provider = clone.provider()
    first = await provider.clone_data(asked)
    assert (first.changed, (await provider.clone_data(asked)).changed) == (True, False)
    seen = await provider.observe("db", NEW, NEW)
    await provider.promote(drill.request("db.promote", before=seen))
    assert await clone.ask("select count(*) from orders") == 20
    clone.untouched()
    assert (await drill.close()).after["leftovers"] == 0
    assert drill.left() == []
