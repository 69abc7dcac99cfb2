"""Files through a real rsync daemon, and in a drill."""

import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from activities.providers.files import PROVIDER
from tests.provider.bubble_kit import Drill, drills
from tests.provider.files_kit import FILES, Sites, change, fingerprint, refused
from tests.provider.support import NEW, OLD, context, eventually, free_port
from workflows.model.failure import Code, PermanentError
from workflows.model.observed import Reach


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    return Sites(tmp_path)


# --- Through a real daemon ---


@pytest.fixture
def daemon(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    monkeypatch.setenv("SEAWALL_TEST_RSYNC", "canary-rsync")
    port = free_port()
    secrets = sites.folder / "secrets"
    secrets.write_text("seawall:canary-rsync\n")
    secrets.chmod(0o600)
    modules = "".join(
        f"[{site}]\npath = {sites.folder / site}\nread only = yes\nauth users = seawall\nsecrets file = {secrets}\n"
        for site in (OLD, NEW)
    )
    identity = "uid = root\ngid = root\n" if os.geteuid() == 0 else ""
    config = sites.folder / "rsyncd.conf"
    config.write_text(f"use chroot = no\nreverse lookup = no\n{identity}{modules}")
    argv = ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={config}"]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    for site in (OLD, NEW):
        sites.sources[site] = f"rsync://seawall@127.0.0.1:{port}/{site}/data"
    sites.more["password"] = {"env": "SEAWALL_TEST_RSYNC"}
    eventually(
        lambda: (
            subprocess.run(["rsync", f"rsync://127.0.0.1:{port}/"], check=False, capture_output=True).returncode == 0
        )
    )
    yield process
    process.kill()
    process.wait()


async def test_there_and_back_through_a_daemon(
    sites: Sites, daemon: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(sites.tree(OLD), random.Random(2))
    await sites.synced()
    assert (await sites.provider(NEW).observe("docs", NEW, NEW)).facts["receiving"]
    await sites.move(OLD, 5)
    assert await sites.provider(NEW).probe_write(OLD) is Reach.REFUSED
    (sites.tree(NEW) / "there").write_text("there")
    await sites.follow(OLD, 5)
    assert fingerprint(sites.tree(OLD)) == fingerprint(sites.tree(NEW))
    await sites.provider(NEW).verify_consistency(sites.ask(NEW, "verify"))
    await sites.move(NEW, 6)
    await sites.follow(NEW, 6)
    assert fingerprint(sites.tree(OLD)) == fingerprint(sites.tree(NEW))
    monkeypatch.setenv("SEAWALL_TEST_RSYNC", "wrong-canary")
    error = await refused(sites.synced(7), Code.UNREACHABLE)
    assert "canary" not in str(error)


async def test_a_site_that_does_not_answer_is_silent(sites: Sites, daemon: subprocess.Popen[bytes]) -> None:
    await sites.synced()
    daemon.kill()
    daemon.wait()
    assert (await sites.provider(NEW).observe("docs", OLD, NEW)).reach is Reach.SILENT
    assert not (await sites.provider(NEW).observe("docs", NEW, NEW)).facts["receiving"]
    await refused(sites.synced(), Code.UNREACHABLE)
    with pytest.raises(PermanentError):
        await sites.provider(NEW).keep_marking("docs", FILES.marker, OLD)  # type: ignore[arg-type]


# --- A drill ---


@pytest.fixture
def drill(sites: Sites) -> Iterator[Drill]:
    yield from drills(sites.folder / f"state-{NEW}")


async def test_a_drill_promotes_a_clone_and_leaves_the_copy_alone(sites: Sites, drill: Drill) -> None:
    await sites.synced()
    before = fingerprint(sites.folder / NEW / "data")
    await drill.open()
    point = (await sites.provider(NEW).choose_recovery_point(sites.ask(NEW, "choose"))).point
    settings = sites.provider(NEW).settings
    provider = PROVIDER(settings, replace(context(NEW, drill.state), bubble=drill.bubble))
    ask = sites.ask(NEW, "clone", point=point)
    ask = ask.model_copy(update={"target": ask.target.model_copy(update={"bubble": drill.bubble})})
    assert (await provider.choose_recovery_point(ask)).point
    cloned = await provider.clone_data(ask)
    assert (cloned.changed, (await provider.clone_data(ask)).changed) == (True, False)
    clone = Path(cloned.after["folder"])
    assert fingerprint(clone) == before
    await provider.promote(ask)
    assert await provider.probe_write(NEW) is Reach.SERVING
    with (clone / "one.txt").open("a") as file:
        file.write("written in the drill")
    assert fingerprint(sites.folder / NEW / "data") == before
    assert (await sites.provider(NEW).observe("docs", NEW, NEW)).reach is Reach.STANDBY
    await drill.close()
    assert drill.left() == []
    assert fingerprint(clone) == {}
