"""The DNS provider, against real authoritative servers."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.providers.dns import PROVIDER
from activities.providers.dns.record import Standing, compose, parse
from activities.providers.dns.update import message
from tests.provider.conformance import EPOCH, Conformance, Subject, over
from tests.provider.name_servers import (
    KEY,
    KNOTD,
    NAME,
    SECRET,
    SECRET_NAME,
    ZONE,
    Relay,
    ask,
    name_server,
    put,
    resolver,
)
from tests.provider.support import NEW, OLD, context, free_port, request
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepResult, Target
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Component, DnsCheck

pytestmark = pytest.mark.lab

FRONT = Component.model_validate({"role": "traffic", "kind": "dns"})
ADDRESSES = {OLD: "127.0.10.1", NEW: "127.0.20.1"}


class Front(Subject):
    secrets = (SECRET, "canary")

    def __init__(self, folder: Path, port: int, relay: Relay) -> None:
        self.folder = folder
        self.port = port
        self.relay = relay
        self.before: Observation | None = None

    def settings(self, **more: Any) -> Any:
        base = {
            "server": "127.0.0.1",
            "port": self.relay.port,
            "zone": ZONE,
            "record": NAME,
            "ttl": "1s",
            "tsig": {"name": KEY, "secret": {"env": SECRET_NAME}},
            "addresses": ADDRESSES,
            "timeout": "800ms",
        }
        return PROVIDER.Settings.model_validate(base | more)

    def provider(self, *, over_: bool = False, **more: Any) -> Any:
        return PROVIDER(self.settings(**more), context("control", self.folder, over if over_ else lambda: None))

    def request(self, epoch: int = EPOCH, where: str = "", **more: Any) -> Any:
        asked = request(OLD, "front.flip_dns", epoch, FRONT, **more)
        target = Target(name="front", component=FRONT, site=where or NEW, source=OLD, target=where or NEW)
        return asked.model_copy(update={"target": target})

    async def plan(self) -> "Front":
        self.before = await self.provider().observe("front", OLD, "control")
        assert self.before.reach is Reach.SERVING
        return self

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        provider = self.provider(over_=over, **({"timeout": "300ms"} if hurry else {}))
        found: StepResult = await provider.flip_dns(self.request(epoch, where, before=self.before))
        return found

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        found: StepResult = await self.provider().restore_dns(self.request(epoch, before=self.before, result=result))
        return found

    async def state(self) -> Any:
        return await asyncio.to_thread(ask, self.port, NAME, "A")

    async def count(self) -> int:
        assert await self.state() == [ADDRESSES[NEW]]
        texts = await asyncio.to_thread(ask, self.port, f"_seawall.{NAME}", "TXT")
        return len(texts)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        self.relay.mute_updates = True
        try:
            yield
        finally:
            self.relay.mute_updates = False

    async def disturb(self) -> None:
        await asyncio.to_thread(put, self.port, "127.0.99.1")


@pytest.fixture(params=["lab", "knot"])
def port(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A running name server on which the name points at the old site."""
    if request.param == "knot" and KNOTD is None:
        pytest.skip("knot is not installed on this machine.")
    monkeypatch.setenv(SECRET_NAME, SECRET)
    with name_server(request.param, tmp_path) as found:
        put(found, ADDRESSES[OLD], "epoch=0")
        yield found


@pytest.fixture
async def subject(port: int, tmp_path: Path) -> AsyncIterator[Front]:
    async with Relay(port).running() as relay:
        yield await Front(tmp_path, port, relay).plan()


class TestDns(Conformance):
    @pytest.fixture
    async def subject(self, port: int, tmp_path: Path) -> AsyncIterator[Front]:
        async with Relay(port).running() as relay:
            yield await Front(tmp_path, port, relay).plan()


async def test_address_and_epoch_change_together(subject: Front) -> None:
    result = await subject.do()
    assert result.before["addresses"] == [ADDRESSES[OLD]]
    assert result.after["addresses"] == [ADDRESSES[NEW]]
    assert result.after["epoch"] == EPOCH
    seen = await subject.provider().observe("front", NEW, "control")
    assert (seen.reach, seen.facts["ttl"]) == (Reach.SERVING, 1)
    assert (await subject.provider().observe("front", OLD, "control")).reach is Reach.STANDBY


async def test_of_two_runs_at_once_the_higher_epoch_stands(subject: Front) -> None:
    subject.before = None
    results = await asyncio.gather(*(subject.do(epoch) for epoch in (6, 7, 8, 9)), return_exceptions=True)
    codes = {error.code for error in results if isinstance(error, PermanentError)}
    assert codes <= {Code.STALE_EPOCH, Code.PRECONDITION_CHANGED}
    done = [epoch for epoch, result in zip((6, 7, 8, 9), results, strict=True) if isinstance(result, StepResult)]
    texts = await asyncio.to_thread(ask, subject.port, f"_seawall.{NAME}", "TXT")
    assert done
    assert f"epoch={max(done)} " in texts[0]


async def test_an_undo_knows_what_stood_there_without_the_flips_answer(subject: Front) -> None:
    subject.before = None
    await subject.do()
    assert (await subject.undo(result=None)).changed
    assert await subject.state() == [ADDRESSES[OLD]]


async def test_the_epoch_stays_after_an_undo(subject: Front) -> None:
    result = await subject.do()
    await subject.undo(result=result)
    with pytest.raises(PermanentError) as caught:
        await subject.do(EPOCH - 1)
    assert caught.value.code is Code.STALE_EPOCH


async def test_an_undo_never_leaves_the_name_without_an_address(subject: Front) -> None:
    await asyncio.to_thread(put, subject.port, None)
    subject.before = None
    result = await subject.do()
    undone = await subject.undo(result=result)
    assert not undone.changed
    assert await subject.state() == [ADDRESSES[NEW]]


async def test_a_wrong_key_is_a_matter_of_configuration(subject: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await subject.state()
    for secret in (base64.b64encode(b"canary-wrong-secret-of-32-bytes!").decode(), "canary no base64"):
        monkeypatch.setenv(SECRET_NAME, secret)
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.CONFIGURATION
        assert secret not in str(caught.value)
    assert await subject.state() == before


async def test_a_server_that_is_gone_is_silent(subject: Front) -> None:
    provider = subject.provider(port=free_port(), timeout="200ms")
    assert (await provider.observe("front", OLD, "control")).reach is Reach.SILENT
    with pytest.raises(TemporaryError) as caught:
        await provider.flip_dns(subject.request())
    assert caught.value.code is Code.UNREACHABLE


async def test_a_flip_waits_for_the_resolver(subject: Front) -> None:
    with resolver(subject.port) as port:
        provider = subject.provider(resolver=f"127.0.0.1:{port}")
        result = await provider.flip_dns(subject.request(before=subject.before))
        assert result.after["resolver_seconds"] <= 3
        assert await asyncio.to_thread(ask, port, NAME, "A") == [ADDRESSES[NEW]]


async def test_the_check_asks_the_authoritative_server(subject: Front) -> None:
    assert ADDRESSES[OLD] in await subject.provider().check(DnsCheck(kind="dns", name=NAME), OLD)
    with pytest.raises(TemporaryError) as caught:
        await subject.provider().check(DnsCheck(kind="dns", name=f"absent.{ZONE}"), OLD)
    assert caught.value.code is Code.CHECK_FAILED


def test_an_update_without_an_address_is_never_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_NAME, SECRET)
    settings = Front(tmp_path, 1, Relay(1)).settings()
    with pytest.raises(PermanentError) as caught:
        message(settings, Standing(("127.0.10.1",)), (), 1, "epoch=5")
    assert caught.value.code is Code.INVALID_INPUT


@pytest.mark.parametrize("key", ["failover/shop/1:front.flip_dns:5", 'with space=and "quote"', "é", "x" * 400])
def test_the_text_holds_epoch_and_key(key: str) -> None:
    text = compose(5, key, ("127.0.10.1",))
    epoch, read, was = parse(text)
    assert epoch == 5
    assert len(text.encode()) <= 255
    assert key.startswith(read[:100])
    assert was == (("127.0.10.1",) if len(key) < 100 else ())


def test_settings_refuse_what_is_blank_or_outside_the_zone(tmp_path: Path) -> None:
    good = Front(tmp_path, 1, Relay(1)).settings().model_dump(mode="json")
    wrong: dict[str, Any]
    for wrong in ({"addresses": {}}, {"addresses": {OLD: "224.0.0.1"}}, {"record": "shop.other"}, {"ttl": "0s"}):
        with pytest.raises(ValueError, match=r"addresses|zone|ttl"):
            PROVIDER.Settings.model_validate(good | wrong)
    for missing in ("addresses", "ttl", "tsig", "zone", "record"):
        with pytest.raises(ValueError, match=missing):
            PROVIDER.Settings.model_validate({key: value for key, value in good.items() if key != missing})
