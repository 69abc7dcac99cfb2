"""Services cloned into a bubble: they run, they are checked, and they reach nothing outside."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.health_check import HealthCheck
from activities.providers.process import PROVIDER
from activities.providers.process.settings import ProcessSettings
from tests.provider.bubble_kit import Drill, Listener, code, drills
from tests.provider.support import NEW, free_port, gone, request
from workflows.model.failure import Code, PermanentError
from workflows.model.observed import Reach
from workflows.model.runbook import Component, PublicCheck

pytestmark = pytest.mark.lab

SERVER = """
import http.server, json, socket, sys
address, port, outside = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def way_out(host, number):
    try:
        socket.create_connection((host, number), 1).close()
        return 'reached'
    except OSError as error:
        return error.strerror
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self.answer(json.dumps(said).encode())
    def do_GET(self):
        self.answer(json.dumps([way_out('127.0.0.1', outside), way_out('192.0.2.1', 80)]).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer((address, port), Handler).serve_forever()
"""


class Service:
    def __init__(self, folder: Path, outside: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.20.1:{self.port}"
        site = {
            "argv": [sys.executable, "-c", SERVER, "127.0.20.1", str(self.port), str(outside)],
            "pid_file": str(folder / "run" / "app.pid"),
            "log_file": str(folder / "app.log"),
            "stop_timeout": "500ms",
        }
        self.component = Component.model_validate(
            {
                "role": "compute",
                "kind": "process",
                "settings": {"sites": {NEW: site}},
                "checks": {NEW: [self.check("functional", "/check")]},
            }
        )

    def check(self, kind: str, path: str, **more: Any) -> dict[str, Any]:
        return {"kind": kind, "url": f"{self.url}{path}", "interval": "20ms", "deadline": "5s"} | more

    def provider(self, drill: Drill, real: bool = False) -> Any:
        asked = (request(NEW, "app.start", component=self.component) if real else self.ask(drill)).target
        return drill.bench.unprepared(asked)

    def ask(self, drill: Drill, epoch: int = 5, **more: Any) -> Any:
        return drill.request("app.start", epoch, self.component, **more)


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    yield from drills(tmp_path / "state")


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


@pytest.fixture
def service(tmp_path: Path, listener: Listener) -> Service:
    return Service(tmp_path, listener.port)


async def checked(drill: Drill, service: Service, *checks: dict[str, Any]) -> Any:
    component = service.component
    if checks:
        component = Component.model_validate(
            component.model_dump(mode="json") | {"drill": {"checks": {NEW: list(checks)}}}
        )
    asked = drill.request("app.check", component=component)
    return await ActivityEnvironment().run(HealthCheck(drill.bench).health_check, asked)


async def test_a_clone_serves_inside_and_calls_nobody_outside(
    drill: Drill, service: Service, listener: Listener
) -> None:
    await drill.open()
    started = await service.provider(drill).start_instances(service.ask(drill))
    assert started.changed
    assert started.after["pid"] in drill.inside()
    assert (await checked(drill, service)).checks[0].passed
    told = service.check("http", "/", contains='["Connection refused", "Network is unreachable"]')
    assert (await checked(drill, service, told)).checks[0].passed
    assert listener.came == 0
    with pytest.raises(ApplicationError) as caught:
        await checked(drill, service, told, service.check("http", "/", status=404, deadline="200ms"))
    assert code(caught.value) == Code.CHECK_FAILED
    assert not (service.folder / "run").exists()
    assert not (service.folder / "app.log").exists()


async def test_its_address_is_not_there_outside(drill: Drill, service: Service) -> None:
    await drill.open()
    await service.provider(drill).start_instances(service.ask(drill))
    assert (await checked(drill, service)).checks[0].passed
    short = service.check("functional", "/check", deadline="200ms")
    parts = service.component.model_dump(mode="json") | {"checks": {NEW: [short]}}
    asked = request(NEW, "app.check", component=Component.model_validate(parts))
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(HealthCheck(drill.bench).health_check, asked)
    assert code(caught.value) == Code.CHECK_FAILED


async def test_the_public_name_means_the_clone(drill: Drill, service: Service) -> None:
    drill.bubble = drill.bubble.model_copy(update={"names": {"shop.test": "127.0.20.1"}})
    await drill.open()
    await service.provider(drill).start_instances(service.ask(drill))
    timing = {"interval": "20ms", "deadline": "5s"}
    url = f"http://shop.test:{service.port}/check"
    public = PublicCheck.model_validate({"name": "shop.test", "url": url, "resolver": "127.0.0.1:9", "timing": timing})
    asked = drill.request("verify", component=service.component, public=public)
    result = await ActivityEnvironment().run(HealthCheck(drill.bench).verify, asked)
    assert "shop.test is 127.0.20.1" in result.checks[0].detail


async def test_a_drill_leaves_the_service_itself_alone(drill: Drill, service: Service) -> None:
    real = service.provider(drill, real=True)
    asked = request(NEW, "app.start", component=service.component)
    running = await real.start_instances(asked)
    process = psutil.Process(running.after["pid"])
    try:
        await drill.open()
        clone = service.provider(drill)
        assert (await clone.observe("app", NEW, NEW)).reach is Reach.STANDBY
        assert not (await clone.stop_instances(service.ask(drill))).changed
        started = await clone.start_instances(service.ask(drill))
        again = await clone.start_instances(service.ask(drill))
        assert (started.changed, again.changed) == (True, False)
        assert started.after["pid"] != process.pid
        with pytest.raises(PermanentError) as caught:
            await clone.start_instances(service.ask(drill, epoch=4))
        assert caught.value.code is Code.STALE_EPOCH
        assert (await clone.stop_instances(service.ask(drill))).changed
        assert (await clone.observe("app", NEW, NEW)).reach is Reach.STANDBY
        await clone.start_instances(service.ask(drill))
        assert (await drill.close()).after["leftovers"] == 0
        assert not gone(process)
        assert (await real.observe("app", NEW, NEW)).facts["pid"] == process.pid
    finally:
        await real.stop_instances(asked)
    assert drill.left() == []


async def test_without_an_open_bubble_nothing_starts(drill: Drill, service: Service) -> None:
    clone = service.provider(drill)
    with pytest.raises(PermanentError) as caught:
        await clone.start_instances(service.ask(drill))
    assert caught.value.code is Code.NOT_FOUND
    assert not drill.place.folder.exists()
    assert (await clone.observe("app", NEW, NEW)).reach is Reach.STANDBY


async def test_a_program_that_is_not_there_is_a_definite_refusal(drill: Drill, service: Service) -> None:
    await drill.open()
    parts = service.component.model_dump(mode="json")
    parts["settings"]["sites"][NEW]["argv"] = ["/nowhere/at-all"]
    settings = ProcessSettings.model_validate(parts["settings"])
    clone = PROVIDER(settings, service.provider(drill).context)
    with pytest.raises(PermanentError) as caught:
        await clone.start_instances(service.ask(drill))
    assert caught.value.code is Code.CONFIGURATION
    assert len(drill.inside()) == 1
