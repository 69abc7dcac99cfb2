"""Twenty secrets in the environment, in addresses and in errors, and nothing that anybody reads has one of them."""

import asyncio
import base64
import binascii
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.people.otp import new_secret
from activities.people.register import KEY_VARIABLE, Register, new_key
from infra.lab import lab
from infra.lab.info import LabInfo, write_env
from infra.lab.layout import ROOT
from workers import control
from workflows.model.progress import RunState
from workflows.model.requests import FailoverRequest

from .rig import APPROVER, Rig, eventually, running_lab

pytestmark = [pytest.mark.deep, pytest.mark.lab, pytest.mark.timeout(240)]

PASSWORD, TOKEN, TSIG = "SEAWALL_SHOP_DB_PASSWORD", "SEAWALL_LAB_POWER_TOKEN", "SEAWALL_LAB_TSIG_SECRET"
REASON = "site A is gone"
ELSEWHERE = (
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "DATABASE_URL", "SMTP_PASSWORD", "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET", "PAGERDUTY_TOKEN", "VAULT_TOKEN", "GITHUB_TOKEN", "OIDC_CLIENT_SECRET", "WEBHOOK_SECRET",
)  # fmt: skip
"""What an environment holds beside what Seawall reads."""


def canary(name: str) -> str:
    """A secret that is found again."""
    word = f"canary{secrets.token_hex(12)}"
    return f"postgresql://app:{word}@db.internal/shop" if name == "DATABASE_URL" else word


class Aviary:
    """A lab whose secrets are known, and can be made wrong."""

    def __init__(self, rig: Rig, known: dict[str, str]) -> None:
        self.rig, self.known = rig, known
        self._right = rig.info.secrets()
        self.known |= self._right

    async def wrong(self, *names: str) -> None:
        """These are wrong from now on, all others right, for workers that are started anew."""
        made = {name: base64.b64encode(secrets.token_bytes(24)).decode() for name in names}
        self.known |= {f"{name}, wrong": value for name, value in made.items()}
        write_env(self.rig.info.secrets_file, self._right | made)
        for site in ("control", "recovery"):
            self.rig.kill_worker(site)
        for site in ("control", "recovery"):
            await self.rig.ready(site)


@pytest_asyncio.fixture
async def aviary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aviary]:
    known = {name: canary(name) for name in ELSEWHERE} | {KEY_VARIABLE: new_key(), "the password app": new_secret()}
    for name, value in known.items():
        if name.isupper() or name == KEY_VARIABLE:
            monkeypatch.setenv(name, value)
    with running_lab(tmp_path / "lab") as info:
        Register(info.control_state / "people.json").enrol(APPROVER, known["the password app"])
        rig = await Rig.make(info)
        try:
            yield Aviary(rig, known)
        finally:
            await asyncio.to_thread(rig.stop)


async def parked(rig: Rig, step: str) -> None:
    """Wait until the run is parked there."""

    async def look() -> bool:
        return step in {one.step for one in (await rig.progress()).parked}

    await eventually(look, f"{step} is parked", within=90.0)


async def start(rig: Rig) -> None:
    """A failover of the site that is gone already: the lab too knows its own secrets only while they are right."""
    request = FailoverRequest(runbook="shop", reason=REASON, requested_by="ben")
    rig.run = await control.start(rig.client, request)


async def without(aviary: Aviary, *names: str, parks_at: str, ends: RunState) -> None:
    """A failover for which these secrets are wrong; where it parks they are put right, and it is told to retry."""
    rig = aviary.rig
    await aviary.wrong(*names)
    await start(rig)
    if parks_at:
        await rig.approve()
        await parked(rig, parks_at)
        await aviary.wrong()
        await control.answer(rig.client, rig.run, "retry", APPROVER)

    async def over() -> bool:
        return (await rig.progress()).state is ends

    await eventually(over, f"it has {ends}", within=90.0)
    await control.wait(rig.client, rig.run)


async def test_no_secret_is_in_anything_that_is_kept_or_shown(aviary: Aviary) -> None:
    await asyncio.to_thread(lab.break_, aviary.rig.info.folder, "kill", "primary")
    await without(aviary, PASSWORD, parks_at="", ends=RunState.REFUSED)
    await without(aviary, TOKEN, parks_at="db.fence", ends=RunState.COMPENSATED)
    await without(aviary, TSIG, parks_at="front.flip_dns", ends=RunState.RECOVERED)
    info = aviary.rig.info
    read = {
        **await histories(aviary.rig.client),
        **{str(path): path.read_text(encoding="utf-8", errors="replace") for path in kept(info)},
        **await asyncio.to_thread(shown, info, aviary.rig.run),
    }
    seen = {sort_of(name) for name, text in read.items() if REASON in text}
    assert {"history", "report", "command"} <= {name.partition(" ")[0] for name in seen}, "the search finds nothing"
    assert any(sort_of(name) == "log" for name in read)
    assert "every report is what was written" in read["command evidence"], "of the runs that Temporal remembers too"
    assert len(aviary.known) >= 20
    found = {
        (name, where)
        for name, value in aviary.known.items()
        for where, text in read.items()
        if any(form in text for form in forms(value))
    }
    assert not found


def sort_of(name: str) -> str:
    """What it is, of a name or a path."""
    if name.endswith(".log"):
        return "log"
    return "report" if "/reports/" in name else name


def forms(value: str) -> set[str]:
    """A secret as it might stand somewhere. Of an address the password alone."""
    word = value.rpartition("@")[0].rpartition(":")[2] if "://" in value else value
    return {word, quote(word, safe=""), base64.b64encode(word.encode()).decode()}


async def histories(client: Client) -> dict[str, str]:
    """Every workflow's history with its payloads, its memo and its attributes, as text."""
    found = {}
    async for one in client.list_workflows():
        handle = client.get_workflow_handle(one.id, run_id=one.run_id)
        told = json.loads((await handle.fetch_history()).to_json())
        described = (await handle.describe()).raw_description
        found[f"history {one.id}"] = "\n".join([*words(told), str(described)])
    return found


def words(told: Any) -> Iterator[str]:
    """Every text in a history; what is Base64 also in clear."""
    if isinstance(told, dict):
        for key, value in told.items():
            yield key
            yield from words(value)
    elif isinstance(told, list):
        for value in told:
            yield from words(value)
    elif isinstance(told, str):
        yield told
        try:
            yield base64.b64decode(told, validate=True).decode("utf-8", errors="replace")
        except binascii.Error:
            return


def kept(info: LabInfo) -> Iterator[Path]:
    """Logs, reports, and what the workers note for themselves; the register of approvers is encrypted."""
    for folder in (info.logs, info.reports, info.runbooks, info.control_state, info.sites["recovery"].worker_state):
        yield from (path for path in folder.rglob("*") if path.is_file())


def shown(info: LabInfo, run: str) -> dict[str, str]:
    """What a person sees at the terminal."""
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SEAWALL_TEMPORAL_ADDRESS": info.temporal_address,
        "SEAWALL_RUNBOOKS": str(info.runbooks),
        "SEAWALL_REPORTS": str(info.reports),
    }
    found = {}
    for asked in (
        ["status"],
        ["runs"],
        ["report", run],
        ["watch", run],
        ["plan", str(info.runbooks / "shop.yaml")],
        ["doctor"],
        ["evidence", "verify"],
    ):
        argv = [sys.executable, "-m", "workers.cli.main", *asked]
        done = subprocess.run(argv, env=env, cwd=info.folder, text=True, capture_output=True, timeout=60, check=False)
        assert done.stdout, done.stderr
        found[f"command {asked[0]}"] = done.stdout + done.stderr
    return found
