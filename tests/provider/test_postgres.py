"""The PostgreSQL provider's effects, held to the rules of all providers."""

import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.provider.conformance import EPOCH, Conformance, Subject, over
from tests.provider.support import NEW, OLD, PASSWORD, Pair, eventually, request
from workflows.model.messages import StepResult
from workflows.model.observed import Observation

HURRY = {"stop_timeout": "300ms", "promote_timeout": "300ms"}


class _OnPair(Subject):
    secrets = (PASSWORD,)
    site = OLD
    verb = "fence"

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.before: Observation | None = None

    async def plan(self) -> "_OnPair":
        self.before = await self.pair.provider("control").observe("db", self.site, "control")
        assert self.before.facts
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        provider = self.pair.provider(where or self.site, _over if over else _fine, **(HURRY if hurry else {}))
        asked = request(where or self.site, f"db.{self.verb}", epoch, before=self.before)
        found: StepResult = await getattr(provider, self.verb)(asked)
        return found

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = request(self.site, "db.fence.undo", epoch, before=self.before, result=result)
        return await self.pair.provider(self.site).unfence(asked)

    async def state(self) -> Any:
        running = bool(self.pair.processes(self.site))
        role = self.pair.ask(self.site, "select pg_is_in_recovery()") if running else None
        epoch = self.pair.ask(self.site, "select max(epoch) from seawall.epoch") if running else None
        return running, role, epoch, (self.pair.data(self.site) / "standby.signal").exists()


_over = over


def _fine() -> None:
    """An attempt that still has time."""


class Fence(_OnPair):
    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        # The server cannot end before its shutdown checkpoint, and that is the checkpointer's work.
        backends = self.pair.worker(self.site, "checkpointer")
        assert backends
        for process in backends:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in backends:
                process.send_signal(signal.SIGCONT)

    async def disturb(self) -> None:
        self.pair.kill(self.site)
        (self.pair.data(self.site) / "standby.signal").touch()
        self.pair.start(self.site)

    async def count(self) -> int:
        return int(not self.pair.processes(self.site) and (self.pair.data(self.site) / "standby.signal").exists())


class Promote(_OnPair):
    site = NEW
    verb = "promote"
    undoable = False

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        startup = self.pair.worker(self.site, "startup")
        assert startup
        startup[0].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            startup[0].send_signal(signal.SIGCONT)
            eventually(lambda: not self.pair.ask(NEW, "select pg_is_in_recovery()"))

    async def disturb(self) -> None:
        self.pair.ask(NEW, "select pg_promote()")
        self.pair.ask(NEW, "insert into seawall.epoch values (%s, 'somebody else', clock_timestamp())", EPOCH)

    async def count(self) -> int:
        timeline = self.pair.ask(NEW, "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int")
        rows = self.pair.ask(NEW, "select count(*) from seawall.epoch where epoch = %s", EPOCH)
        assert timeline - 1 == rows
        return int(rows)


@pytest.mark.lab
class TestFence(Conformance):
    @pytest.fixture
    async def subject(self, pair: Pair) -> Subject:
        return await Fence(pair).plan()


@pytest.mark.lab
class TestPromote(Conformance):
    @pytest.fixture
    async def subject(self, pair: Pair) -> Subject:
        return await Promote(pair).plan()
