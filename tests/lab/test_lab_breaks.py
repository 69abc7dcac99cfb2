"""What is broken is really broken, and mended again."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from infra.lab import lab, postgres, proctree
from infra.lab.client import ask
from infra.lab.info import LabInfo
from infra.lab.postgres import LabError

from .conftest import eventually

pytestmark = pytest.mark.lab

Whole = Callable[[], None]


@pytest.fixture(autouse=True)
def whole(info: LabInfo) -> Iterator[None]:
    """Each test finds a whole lab: primary serves, recovery follows in step."""
    yield
    for what in ("kill", "pause", "kill-postgres", "cut", "no-promote", "disk-full"):
        for site in info.sites:
            lab.repair(info.folder, what, site)
    eventually(lambda: _in_sync(info))


def _in_sync(info: LabInfo) -> bool:
    try:
        with postgres.connect(info.sites["primary"].db_host, info.sites["primary"].db_port, info) as database:
            row = database.execute("select count(*) from pg_stat_replication where sync_state = 'sync'").fetchone()
    except psycopg.Error:
        return False
    return bool(row and row[0] == 1) and _status(info.sites["primary"].app_url, "/readyz") == 200


def _status(base: str, path: str, body: object = None, seconds: float = 2.0) -> int:
    """The HTTP status; 0 when there was no answer."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=seconds)
    try:
        connection.request("POST" if body is not None else "GET", path, json.dumps(body) if body is not None else None)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _connects(host: str, port: int, seconds: float) -> str:
    with socket.socket() as attempt:
        attempt.settimeout(seconds)
        try:
            attempt.connect((host, port))
        except TimeoutError:
            return "hangs"
        except ConnectionRefusedError:
            return "refused"
        return "connects"


def test_kill_ends_every_process_of_the_site_and_reboot_brings_the_primary_back(info: LabInfo) -> None:
    site = info.sites["primary"]
    began = time.monotonic()
    assert lab.break_(info.folder, "kill", "primary").changed
    seconds = time.monotonic() - began
    assert proctree.survivors(site.data_dir.parent, proctree.SITE_MARK) == []
    assert seconds < 0.5
    assert _connects(site.db_host, site.db_port, 1) == "refused"
    assert _connects(site.management_host, site.management_db_port, 1) == "refused"
    assert not lab.break_(info.folder, "kill", "primary").changed
    assert lab.status(info.folder).hosts["primary"].power == "off"
    assert lab.break_(info.folder, "reboot", "primary").changed
    eventually(lambda: lab.status(info.folder).hosts["primary"].postgres == "primary")


def test_a_fenced_site_stays_off_and_a_lower_epoch_is_refused(info: LabInfo) -> None:
    off = {"power": "off", "epoch": 7, "key": "run:db.fence:7"}
    assert ask(info, "PUT", "/hosts/recovery/power", off) == {
        "host": "recovery",
        "power": "off",
        "epoch": 7,
        "held": True,
    }
    assert ask(info, "PUT", "/hosts/recovery/power", off)["held"] is True
    assert lab.status(info.folder).hosts["recovery"].postgres == "stopped"
    with pytest.raises(LabError, match="fenced by epoch 7"):
        lab.repair(info.folder, "kill", "recovery")
    with pytest.raises(LabError, match="STALE_EPOCH"):
        ask(info, "PUT", "/hosts/recovery/power", {"power": "on", "epoch": 6, "key": "old"})
    assert ask(info, "GET", "/hosts/recovery")["power"] == "off"
    assert ask(info, "PUT", "/hosts/recovery/power", {"power": "on", "epoch": 7, "key": "back"})["held"] is False
    eventually(lambda: lab.status(info.folder).hosts["recovery"].postgres == "standby")


def test_the_power_controller_wants_its_token_and_sound_orders(info: LabInfo) -> None:
    netloc = urlsplit(info.power_url).netloc
    for header in ({}, {"Authorization": "Bearer wrong"}):
        connection = http.client.HTTPConnection(netloc, timeout=2)
        connection.request("PUT", "/hosts/primary/power", '{"power": "off", "epoch": 99}', header)
        assert connection.getresponse().status == 401
        connection.close()
    with pytest.raises(LabError, match="whole number"):
        ask(info, "PUT", "/hosts/primary/power", {"power": "off", "epoch": "99"})
    with pytest.raises(LabError, match="NOT_FOUND"):
        ask(info, "PUT", "/hosts/nowhere/power", {"power": "off", "epoch": 1})
    assert ask(info, "GET", "/hosts/primary")["power"] == "on"


def test_a_cut_management_link_hangs_while_users_still_write(info: LabInfo) -> None:
    site = info.sites["primary"]
    inside = socket.create_connection((site.management_host, urlsplit(site.management_app_url).port or 0), 2)
    assert lab.break_(info.folder, "isolate-orchestrator", "primary").changed
    assert _connects(site.management_host, site.management_db_port, 0.7) == "hangs"
    assert _connects(site.management_host, urlsplit(site.management_app_url).port or 0, 0.7) == "hangs"
    order = {"client": "cut", "seq": 1, "amount": 5}
    assert _status(site.app_url, "/orders", order) == 200
    with inside:
        inside.settimeout(0.5)
        inside.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with pytest.raises(TimeoutError):
            inside.recv(100)
        assert lab.repair(info.folder, "isolate-orchestrator", "primary").changed
        inside.settimeout(3)
        assert inside.recv(100).startswith(b"HTTP/1.1 200")
    eventually(lambda: _status(site.management_app_url, "/readyz") == 200)
    assert not lab.repair(info.folder, "isolate-orchestrator", "primary").changed


def test_without_its_standby_a_synchronous_site_acknowledges_nothing(info: LabInfo) -> None:
    site = info.sites["primary"]
    lab.break_(info.folder, "cut-replication", "primary")
    order = {"client": "sync", "seq": 1, "amount": 5}
    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(_status(site.app_url, "/orders", order, 20)))
    first.start()
    time.sleep(0.5)
    with postgres.connect(site.db_host, site.db_port, info) as database:
        database.execute("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
    first.join()
    assert answers == [503]
    # The row is here now, and still nowhere else: asking again must not be a way to an acknowledgement.
    assert _status(site.app_url, "/orders", order, 1) == 0
    lab.repair(info.folder, "cut-replication", "primary")
    eventually(lambda: _status(site.app_url, "/orders", order, 2) == 200)


def test_a_paused_site_is_silent_and_goes_on_where_it_was(info: LabInfo) -> None:
    site = info.sites["primary"]
    assert lab.break_(info.folder, "pause", "primary").changed
    assert _status(site.app_url, "/healthz", seconds=0.5) == 0
    assert lab.status(info.folder).hosts["primary"].paused
    assert lab.repair(info.folder, "pause", "primary").changed
    eventually(lambda: _status(site.app_url, "/readyz") == 200)


def test_no_promote_makes_a_promotion_fail(info: LabInfo) -> None:
    site = info.sites["recovery"]
    assert lab.break_(info.folder, "no-promote", "recovery").changed
    with postgres.connect(site.db_host, site.db_port, info) as database:
        with pytest.raises(psycopg.Error) as refused:
            database.execute("select pg_promote(false)")
        assert refused.value.sqlstate is not None
        assert database.execute("select pg_is_in_recovery()").fetchone() == (True,)
    with pytest.raises(LabError, match="not a standby"):
        lab.break_(info.folder, "no-promote", "primary")


def test_frozen_replication_receives_and_does_not_apply(info: LabInfo) -> None:
    assert lab.break_(info.folder, "freeze-replication", "recovery").changed
    assert not lab.break_(info.folder, "freeze-replication", "recovery").changed
    assert _status(info.sites["primary"].app_url, "/check", {"nonce": "frozen"}, 0.7) == 0
    assert lab.repair(info.folder, "freeze-replication", "recovery").changed
    eventually(lambda: _status(info.sites["primary"].app_url, "/readyz") == 200)


def test_on_a_full_disk_nothing_is_acknowledged(info: LabInfo) -> None:
    lab.break_(info.folder, "disk-full", "primary")
    assert _status(info.sites["primary"].app_url, "/check", {"nonce": "full"}, 3) in (0, 503)
    assert lab.repair(info.folder, "disk-full", "primary").changed
    eventually(lambda: _status(info.sites["primary"].app_url, "/check", {"nonce": "free"}) == 200)


def test_what_is_unknown_is_refused_with_what_is_known(info: LabInfo) -> None:
    with pytest.raises(LabError, match="Known: kill, kill-postgres"):
        lab.break_(info.folder, "kil", "primary")
    with pytest.raises(LabError, match="Known: primary, recovery"):
        lab.break_(info.folder, "kill", "prime")
