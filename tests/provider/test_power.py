"""The HTTP power controller, against a small one that keeps epochs."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from activities.providers.power.http import PROVIDER
from tests.provider.conformance import EPOCH, Conformance, Subject, over
from tests.provider.support import OLD, context, free_port, request
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepResult
from workflows.model.observed import Reach

TOKEN = "canary-token"


class Chassis(ThreadingHTTPServer):
    """One host, its power, and the epoch under which it was switched."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", free_port()), _Handler)
        self.host: dict[str, Any] = {"host": OLD, "power": "on", "epoch": 0, "held": False}
        self.changes = 0
        self.delay = 0.0
        self.mute = False
        self.fail_with = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Chassis

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def answer(self, status: int, body: dict[str, Any]) -> None:
        if self.server.mute:
            time.sleep(self.server.delay)
            self.close_connection = True
            return
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def refused(self) -> bool:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401, {"error": "UNAUTHORIZED"})
        elif self.path.split("/")[2] != OLD:
            self.answer(404, {"error": "NOT_FOUND"})
        else:
            return False
        return True

    def do_GET(self) -> None:
        if not self.refused():
            self.answer(200, self.server.host)

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        host = self.server.host
        if self.refused():
            return
        if body["epoch"] < host["epoch"]:
            self.answer(409, {"error": "STALE_EPOCH", "epoch": host["epoch"]})
            return
        self.server.changes += host["power"] != body["power"]
        host |= {"power": body["power"], "epoch": body["epoch"], "held": body.get("held", body["power"] == "off")}
        if self.server.fail_with:
            self.answer(self.server.fail_with, {"error": "TRY_LATER"})
            self.server.fail_with = 0
        else:
            self.answer(200, host)


class Host(Subject):
    secrets = (TOKEN,)

    def __init__(self, folder: Path, chassis: Chassis) -> None:
        self.folder = folder
        self.chassis = chassis

    def provider(self, *, over_: bool = False, **more: Any) -> Any:
        settings = {
            "url": f"http://127.0.0.1:{self.chassis.server_port}",
            "host": OLD,
            "token": {"env": "SEAWALL_TEST_POWER_TOKEN"},
        }
        kind = PROVIDER
        return kind(
            kind.Settings.model_validate(settings | more),
            context("control", self.folder, over if over_ else lambda: None),
        )

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        more: dict[str, Any] = {"timeout": "200ms", "settle": "300ms"} if hurry else {}
        if where:
            more["host"] = where
        provider = self.provider(over_=over, **more)
        found: StepResult = await provider.fence(request(OLD, "db.fence", epoch))
        return found

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        found: StepResult = await self.provider().unfence(request(OLD, "db.fence.undo", epoch, result=result))
        return found

    async def state(self) -> Any:
        return self.chassis.host["power"]

    async def count(self) -> int:
        return self.chassis.changes

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        state = dict(self.chassis.host)
        patched = _mute_after_first_get(self.chassis)
        with patched:
            yield
        assert self.chassis.host != state

    async def disturb(self) -> None:
        pytest.skip("A host is on or off: there is no third state to be surprised by.")


@contextlib.contextmanager
def _mute_after_first_get(chassis: Chassis) -> Iterator[None]:
    """The first look is answered, then the controller does what it is told and never says so."""
    original = _Handler.do_GET

    def once(self: _Handler) -> None:
        original(self)
        self.server.mute, self.server.delay = True, 5.0

    _Handler.do_GET = once  # type: ignore[method-assign]
    try:
        yield
    finally:
        _Handler.do_GET = original  # type: ignore[method-assign]
        chassis.mute = False


class TestPower(Conformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
        monkeypatch.setenv("SEAWALL_TEST_POWER_TOKEN", TOKEN)
        chassis = Chassis()
        yield Host(tmp_path, chassis)
        chassis.shutdown()
        chassis.server_close()

    async def test_the_proof_is_independent_and_waits_for_the_probe(self, subject: Host) -> None:
        proof = (await subject.do()).proof
        assert proof
        assert (proof.independent, proof.proven, proof.write_probe) == (True, False, Reach.UNKNOWN)
        assert proof.epoch == EPOCH

    async def test_a_host_that_was_off_is_left_off(self, subject: Host) -> None:
        subject.chassis.host["power"] = "off"
        result = await subject.do()
        assert result.before == {"power": "off", "held": False}
        assert (await subject.undo(result=result)).changed
        assert (await subject.state(), subject.chassis.host["held"]) == ("off", False)
        assert not (await subject.undo(result=result)).changed

    async def test_a_host_that_another_run_held_off_stays_held(self, subject: Host) -> None:
        subject.chassis.host |= {"power": "off", "held": True, "epoch": EPOCH - 2}
        result = await subject.do()
        assert not (await subject.undo(result=result)).changed
        assert (await subject.state(), subject.chassis.host["held"]) == ("off", True)

    async def test_a_retry_remembers_that_the_host_was_on(self, subject: Host) -> None:
        await subject.do()
        retried = await subject.do()
        assert (retried.changed, retried.before) == (False, {"power": "on", "held": False})
        assert (await subject.undo(result=retried)).changed
        assert await subject.state() == "on"

    async def test_an_error_after_the_effect_is_read_back(self, subject: Host) -> None:
        subject.chassis.fail_with = 500
        assert (await subject.do()).changed
        assert await subject.count() == 1

    async def test_a_wrong_token_is_a_matter_of_configuration(
        self, subject: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEAWALL_TEST_POWER_TOKEN", "canary-wrong")
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.CONFIGURATION
        assert "canary" not in str(caught.value)

    async def test_a_controller_that_is_gone_is_temporary(self, subject: Host) -> None:
        with pytest.raises(TemporaryError) as caught:
            await subject.provider(url=f"http://127.0.0.1:{free_port()}").fence(request(OLD))
        assert caught.value.code is Code.UNREACHABLE

    async def test_two_at_once_switch_it_once(self, subject: Host) -> None:
        await asyncio.gather(subject.do(), subject.do())
        assert await subject.count() == 1


class Opened(Host):
    """A host that is held off, and is switched on with nothing of the application started."""

    def __init__(self, folder: Path, chassis: Chassis) -> None:
        super().__init__(folder, chassis)
        chassis.host |= {"power": "off", "held": True, "epoch": EPOCH - 2}

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        more: dict[str, Any] = {"timeout": "200ms", "settle": "300ms"} if hurry else {}
        if where:
            more["host"] = where
        asked = request(OLD, "site.reopen_site", epoch)
        found: StepResult = await self.provider(over_=over, **more).reopen_site(asked)
        return found

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = request(OLD, "site.reopen_site", epoch, result=result, undo=True)
        found: StepResult = await self.provider().close_site(asked)
        return found


class TestReopening(Conformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
        monkeypatch.setenv("SEAWALL_TEST_POWER_TOKEN", TOKEN)
        chassis = Chassis()
        yield Opened(tmp_path, chassis)
        chassis.shutdown()
        chassis.server_close()

    async def test_a_site_that_was_on_is_left_on(self, subject: Opened) -> None:
        subject.chassis.host |= {"power": "on", "held": False}
        assert not (await subject.do()).changed
        assert not (await subject.undo()).changed
        assert await subject.state() == "on"
