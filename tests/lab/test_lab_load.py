"""The load and the watcher measure from outside, and their measures are right."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from infra.lab import lab, postgres
from infra.lab.audit import audit
from infra.lab.client import ask
from infra.lab.info import LabInfo
from infra.lab.load import Ack, Load, read_acks
from infra.lab.watcher import Watcher

from .conftest import eventually, silent

pytestmark = [pytest.mark.deep, pytest.mark.lab]


def test_on_a_quiet_system_nothing_is_lost_and_one_site_writes(info: LabInfo, tmp_path: Path) -> None:
    out = tmp_path / "acks.jsonl"
    load, watcher = Load(info, clients=4, rate=80, out=out), Watcher(info)
    watcher.start()
    load.start()
    time.sleep(3)
    summary, watched = load.stop(), watcher.stop()
    assert summary.acknowledged > 100
    assert summary.errors == 0
    assert summary.outage_seconds < 1
    found = audit(info, out)
    assert (found.site, found.acknowledged) == ("primary", summary.acknowledged)
    assert (found.lost, found.duplicated, found.unacknowledged) == (0, 0, 0)
    assert watched.samples > 10
    assert (watched.two_writer_samples, watched.writable["recovery"]) == (0, 0)
    assert watched.writable["primary"] > 10


def test_an_order_that_is_not_there_counts_as_lost(info: LabInfo) -> None:
    ack = Ack(client="ghost", seq=1, mono=0.0, utc=datetime.now(UTC))
    found = audit(info, [ack, ack])
    assert (found.lost, found.duplicated, found.lost_orders) == (1, 1, (("ghost", 1),))


def test_the_outage_that_a_dead_database_makes_is_measured(info: LabInfo) -> None:
    load = Load(info, clients=2, rate=50)
    load.start()
    time.sleep(1)
    lab.break_(info.folder, "kill-postgres", "primary")
    time.sleep(1)
    before = len(load.acks)
    lab.repair(info.folder, "kill-postgres", "primary")
    eventually(lambda: len(load.acks) > before + 10)
    summary = load.stop()
    assert summary.outage_started is not None
    assert summary.outage_ended is not None
    seconds = (summary.outage_ended - summary.outage_started).total_seconds()
    assert 1.0 <= summary.outage_seconds < 10
    assert abs(seconds - summary.outage_seconds) < 0.1
    assert summary.worst_client_outage_seconds >= summary.outage_seconds
    assert summary.errors > 0
    found = audit(info, load.acks)
    assert (found.lost, found.duplicated) == (0, 0)


def test_the_load_as_a_process_ends_on_a_signal_with_its_summary(info: LabInfo, tmp_path: Path) -> None:
    out = tmp_path / "acks.jsonl"
    argv = [sys.executable, "-m", "infra.lab.load", str(info.folder), "--rate", "40", "--out", str(out)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(lab.__file__).parents[2]) as process:
        try:
            eventually(lambda: out.exists() and len(list(read_acks(out))) > 5)
        finally:
            os.kill(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=10)
    assert json.loads(said)["acknowledged"] == len(list(read_acks(out)))
    assert process.returncode == 0


def test_a_failover_by_hand_loses_nothing_and_users_come_back(tmp_path: Path) -> None:
    info = lab.up(tmp_path / "lab", workers=False, say=silent)
    try:
        load, watcher = Load(info, clients=4, rate=100), Watcher(info)
        watcher.start()
        load.start()
        time.sleep(1.5)
        lab.break_(info.folder, "kill", "primary")
        ask(info, "PUT", "/hosts/primary/power", {"power": "off", "epoch": 1, "key": "by-hand:fence:1"})
        site = info.sites["recovery"]
        with postgres.connect(site.db_host, site.db_port, info) as database:
            assert database.execute("select pg_promote(true)").fetchone() == (True,)
        key = dns.tsig.Key("seawall", info.secrets()["SEAWALL_LAB_TSIG_SECRET"], dns.tsig.HMAC_SHA256)
        flip = dns.update.UpdateMessage(info.dns_zone, keyring={key.name: key}, keyname=key.name)
        flip.present("shop", "A", info.sites["primary"].address)
        flip.replace("shop", 1, "A", site.address)
        assert dns.query.udp(flip, info.dns_host, timeout=3, port=info.dns_port).rcode() == dns.rcode.NOERROR
        before = len(load.acks)
        eventually(lambda: len(load.acks) > before + 50)
        summary, watched = load.stop(), watcher.stop()
        found = audit(info, load.acks)
    finally:
        lab.down(tmp_path / "lab", silent, everything=True)
    assert (found.site, found.lost, found.duplicated) == ("recovery", 0, 0)
    assert 0.05 < summary.outage_seconds < 10
    assert watched.two_writer_samples == 0
    assert watched.writable["recovery"] > 0


def test_the_watcher_sees_two_writers_when_there_are_two(info: LabInfo) -> None:
    """Last in its module: it splits the two sites for good."""
    site = info.sites["recovery"]
    watcher = Watcher(info)
    watcher.start()
    with postgres.connect(site.db_host, site.db_port, info) as database:
        database.execute("select pg_promote(true)")
    eventually(lambda: watcher.summary().two_writer_samples > 0)
    watched = watcher.stop()
    assert watched.writable["recovery"] > 0
    assert watched.writable["primary"] > 0
