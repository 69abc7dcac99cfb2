"""Health checks, against real sockets."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from activities.checks import run_check, run_public_check
from tests.provider.name_servers import NAME, SECRET, SECRET_NAME, ZONE, name_server, put
from tests.provider.support import free_port
from workflows.model.failure import Code, PermanentError
from workflows.model.observed import CheckResult
from workflows.model.runbook import CheckTiming, DnsCheck, FunctionalCheck, HttpCheck, PublicCheck, SqlCheck, TcpCheck

FAST: dict[str, Any] = {
    "interval": timedelta(milliseconds=20),
    "timeout": timedelta(milliseconds=300),
    "deadline": timedelta(milliseconds=400),
}


class App(ThreadingHTTPServer):
    """A small application that does as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.delay, self.forget, self.body = 200, 0.0, False, "ready"
        self.hosts: list[str] = []
        self.asked = 0
        self.fail_first = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: App

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def answer(self, body: bytes) -> None:
        app = self.server
        app.asked += 1
        app.hosts.append(self.headers["Host"])
        time.sleep(app.delay)
        status = 503 if app.asked <= app.fail_first else app.status
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{app.url}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(self.server.body.encode())

    def do_POST(self) -> None:
        nonce = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["nonce"]
        self.answer(json.dumps({"nonce": "" if self.server.forget else nonce, "site": "recovery"}).encode())


@pytest.fixture
def app() -> Iterator[App]:
    server = App()
    yield server
    server.shutdown()
    server.server_close()


async def tried(check: Any, heartbeat: Any = lambda _words: None) -> CheckResult:
    return await run_check(check, provider=None, site="recovery", heartbeat=heartbeat)


def http(app: App, **more: Any) -> HttpCheck:
    return HttpCheck(kind="http", url=f"{app.url}/readyz?token=canary", **(FAST | more))


async def test_http_looks_at_status_body_and_latency(app: App) -> None:
    assert (await tried(http(app, contains="ready"))).passed
    assert "contain" in (await tried(http(app, contains="steady"))).detail
    assert "503" in (await tried(http(app, status=503))).detail
    app.delay = 0.05
    assert "above" in (await tried(http(app, max_latency=timedelta(milliseconds=10)))).detail
    app.delay = 0.5
    late = await tried(http(app))
    assert (late.passed, "No answer within" in late.detail) == (False, True)


async def test_a_check_tries_until_it_passes_often_enough(app: App) -> None:
    app.fail_first = 2
    told: list[str] = []
    result = await tried(http(app, passes=3, deadline=timedelta(seconds=5)), told.append)
    assert (result.passed, result.tries) == (True, 5)
    assert told
    assert not any("canary" in words for words in [*told, result.name])


async def test_redirects_are_not_followed(app: App) -> None:
    app.status = 302
    assert "302" in (await tried(http(app))).detail
    assert not (await tried(http(app))).passed
    assert app.hosts


async def test_the_functional_check_wants_its_own_value_back(app: App) -> None:
    check = FunctionalCheck(kind="functional", url=f"{app.url}/check", **FAST)
    passed = await tried(check)
    assert passed.passed
    assert "at recovery" in passed.detail
    app.forget = True
    assert not (await tried(check)).passed


async def test_tcp(app: App) -> None:
    assert (await tried(TcpCheck(kind="tcp", host="127.0.0.1", port=app.server_port, **FAST))).passed
    assert not (await tried(TcpCheck(kind="tcp", host="127.0.0.1", port=free_port(), **FAST))).passed
    assert not (await tried(TcpCheck(kind="tcp", host="no-such-host.invalid", port=80, **FAST))).passed


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://0.0.0.0:1/",
        "http://[fd00:ec2::254]/",
    ],
)
async def test_no_check_asks_a_metadata_service(url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        await tried(HttpCheck(kind="http", url=url, **FAST))
    assert caught.value.code is Code.CONFIGURATION


async def test_a_check_that_wants_a_component_says_so() -> None:
    with pytest.raises(PermanentError) as caught:
        await tried(SqlCheck(kind="sql", query="select 1", expect="1"))
    assert caught.value.code is Code.UNSUPPORTED


async def test_a_cancelled_check_ends_at_once(app: App) -> None:
    app.delay = 1.0
    task = asyncio.create_task(tried(http(app, timeout=timedelta(seconds=5), deadline=timedelta(seconds=9))))
    await asyncio.sleep(0.1)
    task.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 0.5


@pytest.mark.lab
async def test_the_public_check_resolves_as_users_do(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_NAME, SECRET)
    with name_server("lab", tmp_path) as port:
        put(port, "127.0.0.1")
        timing = CheckTiming(**FAST)
        url = f"http://{NAME}:{app.server_port}/check"
        public = PublicCheck(name=NAME, url=url, resolver=f"127.0.0.1:{port}", timing=timing)
        result = await run_public_check(public, lambda _words: None)
        assert result.passed, result.detail
        assert "127.0.0.1" in result.detail
        assert app.hosts == [f"{NAME}:{app.server_port}"]
        put(port, "127.0.0.99")
        assert not (await run_public_check(public, lambda _words: None)).passed
        named = DnsCheck(kind="dns", name=NAME, server="127.0.0.1", port=port, **FAST)
        assert "127.0.0.99" in (await tried(named)).detail
        absent = DnsCheck(kind="dns", name=f"absent.{ZONE}", server="127.0.0.1", port=port, **FAST)
        assert not (await tried(absent)).passed


async def test_a_check_gives_up_after_its_tries(app: App) -> None:
    app.status = 503
    result = await tried(http(app, tries=3, deadline=timedelta(seconds=30)))
    assert (result.passed, result.tries) == (False, 3)
