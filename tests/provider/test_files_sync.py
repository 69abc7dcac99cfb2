"""Synchronising, comparing and looking at trees, and the settings of the kind `files`."""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from activities.providers.files import state as state_module
from tests.provider.files_kit import Sites, broken, fingerprint, proof, refused, start
from tests.provider.support import NEW, OLD, eventually
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.observed import Reach


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    return Sites(tmp_path)


# --- Synchronise ---


async def test_a_second_synchronisation_changes_nothing(sites: Sites) -> None:
    assert (await sites.synced()).changed
    before = fingerprint(sites.tree(NEW))
    second = await sites.synced()
    assert (second.changed, second.after["files_changed"]) == (False, 0)
    assert fingerprint(sites.tree(NEW)) == before == fingerprint(sites.tree(OLD))


async def test_a_stop_in_the_middle_of_the_exchange_is_finished_by_the_next(sites: Sites) -> None:
    await sites.synced()
    (sites.tree(OLD) / "new").write_text("new")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "sync", broken)
        with pytest.raises(OutcomeUnknownError):
            await sites.synced()
    assert (await sites.provider(NEW).observe("docs", NEW, NEW)).reach is Reach.STANDBY
    await sites.synced()
    assert fingerprint(sites.tree(NEW)) == fingerprint(sites.tree(OLD))
    assert not list(sites.state(NEW).glob("stage-*"))


async def test_a_stop_between_the_two_renamings_is_finished_by_whoever_comes_next(sites: Sites) -> None:
    await sites.synced()
    (sites.tree(OLD) / "new").write_text("new")
    rename = Path.rename

    def once(path: Path, into: Any) -> Path:
        if Path(into) == sites.tree(NEW):
            raise OSError(5, "Input/output error")
        return rename(path, into)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", once)
        with pytest.raises(OutcomeUnknownError):
            await sites.synced()
    assert fingerprint(sites.tree(NEW)) == {}
    assert (await sites.take_over()).changed
    assert fingerprint(sites.tree(NEW)) == fingerprint(sites.tree(OLD))


WORKER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.provider.files_kit import Sites
sites = object.__new__(Sites)
sites.folder, sites.sources, sites.more = Path(sys.argv[1]), {}, {}
asyncio.run(sites.synced())
"""


async def test_a_worker_that_is_killed_midway_leaves_the_old_copy_whole(sites: Sites) -> None:
    await sites.synced()
    before = fingerprint(sites.tree(NEW))
    for number in range(300):
        (sites.tree(OLD) / f"file{number}").write_bytes(os.urandom(20_000))
    root = str(Path(__file__).parents[2])
    process = start([sys.executable, "-c", WORKER, str(sites.folder), root], Path(root))
    eventually(lambda: list(sites.state(NEW).glob("stage-*/tree/file*")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert fingerprint(sites.tree(NEW)) == before
    await sites.synced()
    assert fingerprint(sites.tree(NEW)) == fingerprint(sites.tree(OLD))
    assert not list(sites.state(NEW).glob("stage-*"))


async def test_only_a_copy_is_replaced_and_only_from_what_serves(sites: Sites) -> None:
    await sites.synced()
    await refused(sites.synced(epoch=3), Code.STALE_EPOCH)
    await refused(sites.provider(OLD).sync_delta(sites.ask(OLD, "sync", 5, NEW)), Code.ROLE_MISMATCH)
    await sites.take_over()
    await refused(sites.synced(epoch=6), Code.ROLE_MISMATCH)
    await refused(sites.synced(epoch=4), Code.STALE_EPOCH)
    shutil.rmtree(sites.tree(OLD))
    seen = await sites.provider(OLD).observe("docs", OLD, OLD)
    assert seen.reach is Reach.STANDBY
    with pytest.raises(PermanentError, match="sent to the worker"):
        await sites.provider(OLD).sync_delta(sites.ask(NEW, "sync"))


async def test_in_an_unplanned_move_the_lost_site_is_not_asked(sites: Sites) -> None:
    await sites.synced()
    (sites.tree(OLD) / "later").write_text("lost")
    result = await sites.provider(NEW).sync_delta(sites.ask(NEW, "sync", proofs=(proof(OLD),)))
    assert not result.changed
    assert not (sites.tree(NEW) / "later").exists()


async def test_spoilt_bytes_of_the_same_size_and_time_are_found_and_mended(sites: Sites) -> None:
    await sites.synced()
    spoilt = sites.tree(NEW) / "one.txt"
    before = spoilt.stat()
    spoilt.write_text("onE")
    os.utime(spoilt, ns=(before.st_atime_ns, before.st_mtime_ns))
    error = await refused(sites.provider(NEW).verify_consistency(sites.ask(NEW, "verify")), Code.INCONSISTENT)
    assert "one.txt" in error.sentence
    await sites.synced()
    assert spoilt.read_text() == "one"


async def test_what_the_serving_site_wrote_since_is_told_as_not_brought_yet(sites: Sites) -> None:
    await sites.synced()
    tree = sites.tree(OLD)
    (tree / "new").write_text("12345")
    (tree / "one.txt").write_text("changed")
    shutil.rmtree(tree / "sub")
    found = (await sites.provider(NEW).verify_consistency(sites.ask(NEW, "verify"))).consistency
    assert found
    assert (found.equal, found.delta_bytes) == (True, 12)


@pytest.mark.parametrize("harm", ["touched", "removed", "added"])
async def test_what_somebody_did_to_the_copy_is_inconsistent(sites: Sites, harm: str) -> None:
    await sites.synced()
    copy = sites.tree(NEW)
    if harm == "removed":
        (copy / "one.txt").unlink()
    else:
        (copy / ("extra" if harm == "added" else "one.txt")).write_text("mine")
    error = await refused(sites.provider(NEW).verify_consistency(sites.ask(NEW, "verify")), Code.INCONSISTENT)
    assert ("extra" if harm == "added" else "one.txt") in error.sentence


# --- Observe, settings, programs ---


async def test_what_is_observed_from_both_sides(sites: Sites) -> None:
    blank = await sites.provider(NEW).observe("docs", NEW, NEW)
    assert (blank.reach, blank.facts["receiving"]) == (Reach.STANDBY, False)
    assert (await sites.provider(OLD).observe("docs", NEW, OLD)).reach is Reach.SILENT
    await sites.synced()
    copy = await sites.provider(NEW).observe("docs", NEW, NEW)
    assert (copy.reach, copy.facts["role"], copy.facts["receiving"], copy.facts["epoch"]) == (
        Reach.STANDBY,
        "standby",
        True,
        4,
    )
    assert (await sites.provider(NEW).observe("docs", OLD, NEW)).reach is Reach.SERVING
    shutil.move(sites.tree(OLD), sites.folder / "gone")
    shutil.rmtree(sites.state(OLD), ignore_errors=True)
    dead = await sites.provider(NEW).observe("docs", NEW, NEW)
    assert not dead.facts["receiving"]


async def test_looking_and_probing_leave_no_trace(sites: Sites) -> None:
    before = (fingerprint(sites.folder / OLD), sites.tree(OLD).stat().st_mtime_ns)
    await sites.provider(OLD).observe("docs", OLD, OLD)
    assert await sites.provider(OLD).probe_write(OLD) is Reach.SERVING
    assert (fingerprint(sites.folder / OLD), sites.tree(OLD).stat().st_mtime_ns) == before


async def test_without_rsync_it_says_how_to_install_it(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sites.folder))
    error = await refused(sites.synced(), Code.CONFIGURATION)
    assert "apt-get install" in error.next_step


@pytest.mark.parametrize(
    "path", ["/", "/srv", "srv/data", "/srv/../etc/x", "/srv/a\nb", "/srv/x.seawall", "/srv/x.fenced-5"]
)
def test_a_dangerous_path_is_refused(sites: Sites, path: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        sites.provider(OLD, sites={OLD: {"path": path}})


@pytest.mark.parametrize(
    "source", ["rsync://host/module", "rsync://u:pw@host/m/x", "-e sh", "host:rel/x", "rsync://h/m/../x", "h:/srv"]
)
def test_a_source_that_cannot_work_is_refused(sites: Sites, source: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        sites.provider(OLD, sites={OLD: {"path": "/srv/data", "pull_from": source}})


def test_trees_that_lie_in_each_other_are_refused(sites: Sites) -> None:
    with pytest.raises(ValueError, match="lie in each other"):
        sites.provider(OLD, sites={OLD: {"path": "/srv/data"}, NEW: {"path": "/srv/data/copy"}})
