"""A frozen replica is found by its markers, and weak or unequal settings are named; on a real pair."""

import asyncio
import functools
import time
from typing import Any

import pytest

from activities.providers.postgres import parity_rules, sides
from activities.providers.postgres.parity import Link, Side
from tests.provider.support import DATA, NEW, OLD, Pair, eventually, request
from workflows.model.failure import Code, PermanentError
from workflows.model.runbook import Component

SYNC = Component.model_validate(DATA.model_dump() | {"replication": {"mode": "continuous", "synchronous": True}})


@pytest.mark.lab
async def test_a_healthy_replica_shows_the_marker_at_once(pair: Pair) -> None:
    result = await pair.provider(NEW).measure_lag(request(NEW))
    assert result.after["lag_seconds"] < 2
    assert pair.ask(OLD, "select origin from seawall.marker where number = %s", result.after["marker"]) == "lag-probe"
    assert result.after["replica_claims"]["receiving"]


@pytest.mark.lab
async def test_what_has_come_in_rises_and_the_volume_is_told(pair: Pair) -> None:
    first = (await pair.provider(NEW).measure_capacity(request(NEW))).after
    pair.ask(OLD, "create table wide as select repeat('x', 1000) from generate_series(1, 1000)")
    eventually(pair.in_step)
    second = (await pair.provider(NEW).measure_capacity(request(NEW))).after
    assert second["received_bytes"] - first["received_bytes"] > 1_000_000
    assert 0 < second["free_bytes"] < second["volume_bytes"]
    pair.kill(NEW)
    stopped = (await pair.provider(NEW).measure_capacity(request(NEW))).after
    assert (stopped["received_bytes"], stopped["volume_bytes"]) == (None, second["volume_bytes"])


@pytest.mark.lab
async def test_a_frozen_replica_is_found_though_it_says_streaming(pair: Pair) -> None:
    pair.ask(OLD, "insert into seawall.marker values (7, now() - interval '3 days', 'x')")
    eventually(pair.in_step)
    pair.ask(OLD, "alter system set synchronous_standby_names = 'recovery'")
    pair.ask(OLD, "alter system set synchronous_commit = 'remote_apply'")
    pair.ask(NEW, "select pg_wal_replay_pause()")
    eventually(lambda: pair.ask(NEW, "select pg_get_wal_replay_pause_state() = 'paused'"))
    pair.ask(OLD, "select pg_reload_conf()")
    eventually(lambda: pair.ask(OLD, "select sync_state = 'sync' from pg_stat_replication"))
    assert pair.ask(OLD, "select state from pg_stat_replication") == "streaming"
    assert pair.provider(NEW).settings.freshness_timeout.total_seconds() == 30
    started = time.monotonic()
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW, freshness_timeout="1s").measure_lag(request(NEW))
    assert time.monotonic() - started < 10
    assert caught.value.code is Code.REPLICA_FROZEN
    for words in ("newest there is 7, 3 days", "streaming", "replay paused"):
        assert words in caught.value.sentence


@pytest.mark.lab
async def test_probes_at_once_take_numbers_of_their_own(pair: Pair) -> None:
    results = await asyncio.gather(*(pair.provider(NEW).measure_lag(request(NEW)) for _ in range(4)))
    assert len({result.after["marker"] for result in results}) == 4


async def _codes(pair: Pair, component: Component = DATA) -> dict[str, bool]:
    result = await pair.provider(NEW).compare_sites(request(NEW, component=component))
    return {finding.code: finding.blocking for finding in result.findings}


PRIMARY_WRONG = {
    "fsync": ("off", "FSYNC_OFF"),
    "full_page_writes": ("off", "FULL_PAGE_WRITES_OFF"),
    "synchronous_commit": ("off", "SYNCHRONOUS_COMMIT_OFF"),
    "hot_standby": ("off", "HOT_STANDBY_OFF"),
    "max_connections": ("120", "MAX_CONNECTIONS_LOWER"),
    "max_worker_processes": ("12", "MAX_WORKER_PROCESSES_LOWER"),
    "max_prepared_transactions": ("3", "MAX_PREPARED_TRANSACTIONS_LOWER"),
    "max_locks_per_transaction": ("80", "MAX_LOCKS_PER_TRANSACTION_LOWER"),
    "max_wal_senders": ("0", "MAX_WAL_SENDERS_LOWER"),
    "wal_level": ("minimal", "WAL_LEVEL_LOW"),
    "shared_buffers": ("16MB", "SHARED_BUFFERS_SMALLER"),
    "archive_mode": ("off", "ARCHIVE_MODE_DIFFERS"),
    "zero_damaged_pages": ("on", "DAMAGED_PAGES_ZEROED"),
    "ignore_checksum_failure": ("on", "CHECKSUM_FAILURES_IGNORED"),
    "default_transaction_read_only": ("on", "READ_ONLY"),
}
STANDBY_WRONG = {
    "recovery_min_apply_delay": ("1min", "REPLAY_DELAYED"),
    "wal_retrieve_retry_interval": ("5s", "PROMOTION_SLOW"),
    "archive_mode": ("on", "ARCHIVE_MODE_DIFFERS"),
}


def _restart(pair: Pair, site: str, settings: dict[str, Any]) -> None:
    lines = "".join(f"{name} = '{value}'\n" for name, (value, _) in settings.items())
    with (pair.data(site) / "postgresql.auto.conf").open("a") as file:
        file.write(lines)
    pair.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(pair.data(site)))
    pair.start(site)


def _is_on(pair: Pair, site: str) -> bool:
    return bool(pair.ask(site, "show fsync") == "on")


@pytest.mark.lab
async def test_every_weak_setting_is_named(pair: Pair) -> None:
    for site in (OLD, NEW):
        with (pair.data(site) / "postgresql.auto.conf").open("a") as file:
            file.write("fsync = on\n")
        pair.ask(site, "select pg_reload_conf()")
        eventually(functools.partial(_is_on, pair, site))
    assert set(await _codes(pair)) == {"NO_SLOT"}
    assert (await _codes(pair, SYNC))["SYNC_STANDBY_MISSING"]
    _restart(pair, NEW, STANDBY_WRONG)
    _restart(pair, OLD, PRIMARY_WRONG)
    found = await _codes(pair)
    wanted = {code for _, code in (*PRIMARY_WRONG.values(), *STANDBY_WRONG.values())}
    assert wanted - set(found) == set()
    assert len(wanted) >= 12
    assert found["FSYNC_OFF"]
    assert not found["SHARED_BUFFERS_SMALLER"]


@pytest.mark.lab
async def test_two_primaries_are_refused(pair: Pair) -> None:
    pair.ask(NEW, "select pg_promote()")
    for verb in ("compare_sites", "measure_lag", "verify_consistency"):
        with pytest.raises(PermanentError) as caught:
            await getattr(pair.provider(NEW), verb)(request(NEW))
        assert caught.value.code is Code.ROLE_MISMATCH


def _side(site: str, **more: Any) -> Side:
    base = Side(site, {"wal_log_hints": "on"}, 150018, "15.18", "2.36", frozenset({"a"}), frozenset(), (), False, False)
    return base._replace(**more)


@pytest.mark.parametrize(
    ("here", "there", "code", "blocking"),
    [
        ({}, {"version": 160001}, "VERSION_DIFFERS", True),
        ({}, {"version": 150019}, "VERSION_DIFFERS", False),
        ({}, {"collation": "2.31"}, "COLLATION_DIFFERS", True),
        ({"installed": frozenset({"a", "postgis"})}, {}, "EXTENSION_MISSING", True),
    ],
)
def test_what_cannot_be_set_here_is_named_too(here: Any, there: Any, code: str, blocking: bool) -> None:
    found = list(parity_rules.of_pair(_side(OLD, **here), _side(NEW, **there)))
    assert [(finding.code, finding.blocking) for finding in found] == [(code, blocking)]
    assert list(parity_rules.of_pair(_side(OLD), _side(NEW))) == []


def test_one_side_alone_and_the_link_and_the_disk() -> None:
    weak = {"wal_log_hints": "off", "data_checksums": "off"}
    side = _side(OLD, settings=weak, role_settings=(("app", "synchronous_commit=off"),), archiver_failing=True)
    found = {finding.code for finding in parity_rules.of_side(side, False, True)}
    assert found == {"WAL_LOG_HINTS_OFF", "SYNCHRONOUS_COMMIT_OFF", "ARCHIVE_FAILING"}
    assert {f.code for f in parity_rules.of_side(_side(NEW, paused=True), False, False)} == {"REPLAY_PAUSED"}
    lost = Link({"active": False, "wal_status": "lost"}, None)
    assert [f.code for f in parity_rules.of_link(sides.Sides(OLD, NEW), lost, False)] == ["SLOT_LOST"]
    assert [f.code for f in parity_rules.of_disk(OLD, 5, 100)] == ["DISK_LOW"]
    assert parity_rules.of_disk(OLD, 50, 100) == []
