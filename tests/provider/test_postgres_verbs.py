"""What the PostgreSQL provider tells and does, on a real pair."""

import asyncio
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from activities.providers.postgres import lsn
from tests.provider.support import DATA, NEW, OLD, PASSWORD_NAME, Pair, eventually, looked_at, request
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import Ref
from workflows.model.observed import Reach
from workflows.model.plan import Mode
from workflows.model.runbook import SqlCheck

pytestmark = pytest.mark.lab


async def test_observe_tells_each_state_apart(pair: Pair) -> None:
    provider = pair.provider("control", connect_timeout="500ms")
    old = await provider.observe("db", OLD, "control")
    new = await provider.observe("db", NEW, "control")
    assert (old.reach, old.facts["role"], old.facts["epoch"]) == (Reach.SERVING, "primary", 0)
    assert [standby["name"] for standby in old.facts["standbys"]] == [NEW]
    assert (new.reach, new.facts["role"], new.facts["receiving"]) == (Reach.STANDBY, "standby", True)
    assert new.facts["system_identifier"] == old.facts["system_identifier"]
    assert new.facts["last_msg_age_seconds"] < 3

    pair.signal(OLD, signal.SIGSTOP)
    assert (await provider.observe("db", OLD, "control")).reach is Reach.SILENT
    assert await provider.probe_write(OLD) is Reach.SILENT
    pair.kill(OLD)
    assert (await provider.observe("db", OLD, "control")).reach is Reach.REFUSED
    assert await provider.probe_write(OLD) is Reach.REFUSED


async def test_a_streaming_state_over_a_dead_link_is_not_receiving(pair: Pair) -> None:
    for process in pair.worker(OLD, "walsender"):
        process.send_signal(signal.SIGSTOP)
    provider = pair.provider(NEW)
    seen = await provider.observe("db", NEW, NEW)
    for _ in range(40):
        if not seen.facts["receiving"]:
            break
        await asyncio.sleep(0.1)
        seen = await provider.observe("db", NEW, NEW)
    assert not seen.facts["receiving"]
    assert seen.facts["last_msg_age_seconds"] is None or seen.facts["last_msg_age_seconds"] > 2


async def test_a_wrong_password_is_told_without_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_NAME, "wrong-canary")
    seen = await pair.provider("control").observe("db", OLD, "control")
    assert seen.reach is Reach.UNKNOWN
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).choose_recovery_point(request(NEW))
    assert caught.value.code is Code.CONFIGURATION
    assert "wrong-canary" not in str(caught.value) + seen.detail


async def test_a_probe_writes_nothing(pair: Pair) -> None:
    provider = pair.provider("control")
    assert await asyncio.gather(*(provider.probe_write(OLD) for _ in range(4))) == [Reach.SERVING] * 4
    assert await provider.probe_write(NEW) is Reach.STANDBY
    assert pair.ask(OLD, "select count(*) from seawall.marker") == 0
    pair.ask(OLD, "alter system set default_transaction_read_only = on")
    pair.ask(OLD, "select pg_reload_conf()")
    await asyncio.sleep(0.2)
    assert await provider.probe_write(OLD) is Reach.STANDBY
    assert (await provider.observe("db", OLD, "control")).reach is Reach.STANDBY


async def test_promotion_is_refused_before_the_position_is_reached(pair: Pair) -> None:
    asked = await looked_at(pair, NEW)
    far = lsn.text(lsn.parse(asked.before.facts["lsn"]) + 1_000_000) if asked.before else ""
    asked = asked.model_copy(update={"position": far})
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).promote(asked)
    assert caught.value.code is Code.TARGET_UNFIT
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW, stall_timeout="300ms").sync_delta(asked)
    assert caught.value.code is Code.TARGET_UNFIT
    assert pair.ask(NEW, "select pg_is_in_recovery()")


async def test_a_server_that_cannot_promote_refuses_for_certain(pair: Pair) -> None:
    asked = await looked_at(pair, NEW)
    pair.data(NEW).chmod(0o500)
    try:
        with pytest.raises(PermanentError) as caught:
            await pair.provider(NEW).promote(asked)
    finally:
        pair.data(NEW).chmod(0o700)
    assert caught.value.code is Code.PROMOTE_REFUSED
    assert pair.ask(NEW, "select pg_is_in_recovery()")
    assert not (pair.data(NEW) / "promote").exists()


async def test_promotion_is_quick_and_frees_commits(pair: Pair) -> None:
    """No reload before it: that stalls for a whole wal_retrieve_retry_interval."""
    pair.ask(NEW, "alter system set synchronous_standby_names = 'primary'")
    pair.ask(NEW, "select pg_reload_conf()")
    eventually(lambda: pair.ask(NEW, "show synchronous_standby_names") == "primary")
    asked = await looked_at(pair, NEW)
    pair.kill(OLD)
    started = time.monotonic()
    result = await pair.provider(NEW).promote(asked)
    assert time.monotonic() - started < 3
    assert result.before["synchronous_standby_names"] == "primary"
    assert result.after["synchronous_standby_names"] == ""
    pair.ask(NEW, "insert into orders values ('ann', 1)")


async def test_an_attempt_that_died_before_the_epoch_row_is_finished(pair: Pair) -> None:
    asked = await looked_at(pair, NEW)
    pair.ask(NEW, "select pg_promote()")
    result = await pair.provider(NEW).promote(asked)
    assert not result.changed
    assert pair.ask(NEW, "select run from seawall.epoch where epoch = 5") == asked.ref.key


async def test_what_a_run_that_is_taken_over_did_is_done_already(pair: Pair) -> None:
    """Its fence and its promotion are found, and only the epoch rises; without `adopts` they are another run's."""
    fenced = await pair.provider(OLD).fence(await looked_at(pair, OLD))
    await pair.provider(NEW).promote(await looked_at(pair, NEW))
    later = Ref(workflow_id="failover/shop/2", application="shop", step="db.do", epoch=6)
    at_old = request(OLD).model_copy(update={"ref": later, "mode": Mode.PLANNED})
    at_new = (await looked_at(pair, NEW)).model_copy(update={"ref": later})
    for call in (pair.provider(OLD).fence(at_old), pair.provider(NEW).promote(at_new)):
        with pytest.raises(PermanentError) as caught:
            await call
        assert caught.value.code is Code.PRECONDITION_CHANGED
    again = await pair.provider(OLD).fence(at_old.model_copy(update={"adopts": 5}))
    assert again.proof
    assert fenced.proof
    assert (again.proof.proven, again.proof.epoch, again.proof.position) == (True, 6, fenced.proof.position)
    result = await pair.provider(NEW).promote(at_new.model_copy(update={"adopts": 5}))
    assert not result.changed
    assert pair.ask(NEW, "select max(epoch) from seawall.epoch") == 6
    pair.ask(NEW, "insert into orders values ('ann', 1)")


async def test_the_fence_stays_once_the_other_site_was_promoted(pair: Pair) -> None:
    fenced = await pair.provider(OLD).fence(await looked_at(pair, OLD))
    await pair.provider(NEW).promote(await looked_at(pair, NEW))
    with pytest.raises(PermanentError) as caught:
        await pair.provider(OLD).unfence(request(OLD, result=fenced))
    assert caught.value.code is Code.PRECONDITION_CHANGED
    pair.start(OLD)
    assert pair.ask(OLD, "select pg_is_in_recovery()")


async def test_a_fenced_server_that_a_reboot_brought_back_is_undone_too(pair: Pair) -> None:
    fenced = await pair.provider(OLD).fence(await looked_at(pair, OLD))
    pair.start(OLD)
    assert await pair.provider(OLD).probe_write(OLD) is Reach.STANDBY
    again = (await pair.provider(OLD).fence(await looked_at(pair, OLD))).proof
    assert again
    assert again.proven
    pair.start(OLD)
    assert (await pair.provider(OLD).unfence(request(OLD, result=fenced))).changed
    assert await pair.provider(OLD).probe_write(OLD) is Reach.SERVING


async def test_a_dead_primary_is_fenced_in_its_data_directory(pair: Pair) -> None:
    asked = await looked_at(pair, OLD)
    pair.kill(OLD)
    proof = (await pair.provider(OLD).fence(asked)).proof
    assert proof
    assert (proof.proven, proof.position) == (True, None)
    pair.start(OLD)
    assert pair.ask(OLD, "select pg_is_in_recovery()")


async def test_a_planned_fence_without_a_standby_is_refused(pair: Pair) -> None:
    pair.kill(NEW)
    eventually(lambda: not pair.ask(OLD, "select count(*) from pg_stat_replication"))
    with pytest.raises(PermanentError) as caught:
        await pair.provider(OLD).fence(request(OLD, mode=Mode.PLANNED))
    assert caught.value.code is Code.TARGET_UNFIT
    assert await pair.provider(OLD).probe_write(OLD) is Reach.SERVING


async def test_only_the_sites_own_worker_may_touch_its_server(pair: Pair) -> None:
    with pytest.raises(PermanentError) as caught:
        await pair.provider(NEW).fence(request(OLD))
    assert caught.value.code is Code.CONFIGURATION


async def test_a_snapshot_is_verified_and_taken_once(pair: Pair) -> None:
    first = await pair.provider(OLD).snapshot(request(OLD, "db.snapshot"))
    second = await pair.provider(OLD).snapshot(request(OLD, "db.snapshot"))
    assert (first.changed, second.changed) == (True, False)
    assert first.point == second.point
    assert first.point
    assert lsn.parse(first.point.position) > 0
    folder = Path(first.after["folder"])
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


async def test_the_sql_check_compares_what_postgresql_writes(pair: Pair) -> None:
    provider = pair.provider("control")
    standby = SqlCheck(kind="sql", query="select pg_is_in_recovery()::text", expect="true")
    assert "true" in await provider.check(standby, NEW)
    with pytest.raises(TemporaryError) as caught:
        await provider.check(standby, OLD)
    assert caught.value.code is Code.CHECK_FAILED
    slow = SqlCheck(kind="sql", query="select pg_sleep(5)", expect="x", timeout=timedelta(milliseconds=200))
    started = time.monotonic()
    with pytest.raises(TemporaryError):
        await provider.check(slow, OLD)
    assert time.monotonic() - started < 1.5


def test_settings_refuse_what_is_blank_or_not_a_path(template: Pair) -> None:
    good = template.settings().model_dump(mode="json")
    for field, value in (("data_dir", "/"), ("data_dir", ""), ("data_dir", "relative/x"), ("bin_dir", None)):
        sites = {OLD: good["sites"][OLD] | {field: value}}
        with pytest.raises(ValueError, match=field):
            type(template.settings()).model_validate(good | {"sites": sites})
    for missing in ("data_dir", "run_as", "log_file"):
        site = {key: value for key, value in good["sites"][OLD].items() if key != missing}
        with pytest.raises(ValueError, match=missing):
            type(template.settings()).model_validate(good | {"sites": {OLD: site}})
    assert DATA.marker
