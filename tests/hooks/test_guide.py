"""docs/webhook.md: what it tells people to type is typed here, against a real server."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.hooks.kit import SECRETS, Desk, listening
from workers.hooks import alert_routes, bucket, gate, oidc, signing, store
from workers.hooks.app import bare_app

pytestmark = pytest.mark.asyncio(loop_scope="session")

GUIDE = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    """The first one in that language, for the application of a test."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    return found[1]


async def ran(d: Desk, *command: str) -> str:
    """What the command printed; the server answers meanwhile."""
    async with listening(d) as address:
        made = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | {"SEAWALL_URL": address, "SEAWALL_WEBHOOK_SECRET": SECRETS["ci"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await made.communicate()
    assert made.returncode == 0, out.decode()
    return out.decode()


async def proposed(d: Desk, out: str) -> None:
    answer = json.loads(out)
    assert answer["application"] == d.application
    assert answer["already_proposed"] is False
    await d.bed.client.get_workflow_handle(answer["run"]).cancel()


async def test_the_python_of_the_guide_proposes(d: Desk) -> None:
    await proposed(d, await ran(d, sys.executable, "-c", _for(d, example("python"))))


async def test_the_openssl_and_curl_of_the_guide_propose(d: Desk) -> None:
    await proposed(d, await ran(d, "bash", "-euc", _for(d, example("sh"))))


async def test_the_command_of_the_guide_signs(d: Desk) -> None:
    found = re.search(r"Or `(curl .*?)`", GUIDE)
    assert found
    seawall = f"{sys.executable} -m workers.cli.main"
    line = found[1].replace("seawall webhook", f"{seawall} webhook").replace("curl ", "curl -sS --fail-with-body ")
    body = 'body=\'{"reason": "site A is gone"}\''
    await proposed(d, await ran(d, "bash", "-euc", f"path={d.proposals} {body}\n{line}"))


def _for(d: Desk, text: str) -> str:
    return text.replace("/applications/shop/", f"/applications/{d.application}/")


async def test_the_figures_of_the_guide_are_those_of_the_code() -> None:
    text = " ".join(GUIDE.split())
    assert f"differ by {signing.TOLERANCE} s" in text
    assert f"kept for {store.KEPT_SECONDS // 3600} h" in text
    assert f"more than {gate.MOST_BYTES // 1024} KiB" in text
    assert f"counts for {alert_routes.LATEST_SECONDS // 60} minutes" in text
    assert f"more than {bucket.Rate().burst} at once, or {bucket.Rate().each_second:g} a second" in text
    assert all(name in text for name in oidc.ALGORITHMS)


async def test_every_endpoint_stands_in_the_guide() -> None:
    for path in bare_app().openapi()["paths"]:
        last = path.rpartition("/")[2]
        assert last in GUIDE or last == "{name}", path
