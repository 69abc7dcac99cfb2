"""The OpenAPI document: fresh, and held against the server by schemathesis."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.hooks.kit import SECRETS, TOKENS, Desk, listening
from workers.hooks.__main__ import FILE, text
from workers.hooks.app import bare_app

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]


async def test_the_committed_document_is_that_of_the_code() -> None:
    assert (ROOT / FILE).read_text(encoding="utf-8") == text(), "run `make generate`"


async def test_every_operation_says_who_may_ask_and_how_it_refuses() -> None:
    document = bare_app().openapi()
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"]
            assert operation["description"]
            assert path == "/healthz" or operation["security"]
            refusals = [code for code in operation["responses"] if not code.startswith("2")]
            assert path == "/healthz" or {"401", "403", "429", "503"} <= set(refusals)
            for code in refusals:
                assert list(operation["responses"][code]["content"]) == ["application/problem+json"]
    assert "application/problem+json" not in json.dumps(document["paths"]["/healthz"])


CONFIGURATION = """\
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]
"""
"""A request that is too large is a wrong one too."""


@pytest.mark.deep
async def test_schemathesis_finds_nothing(d: Desk, tmp_path: Path) -> None:
    proposed = await d.propose()
    await d.gate(proposed)
    environment = {
        "SCHEMATHESIS_HOOKS": "tests.hooks.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        "TEST_SECRET": SECRETS["ops"],
        "TEST_PAGERDUTY": SECRETS["pagerduty"],
        "TEST_TOKEN": TOKENS["opsgenie"],
        "TEST_APPLICATION": d.application,
        "TEST_RUN": d.run(proposed).id.rpartition("/")[2],
    }
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    async with listening(d) as address:
        checking = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{address}/openapi.json",
            "--checks=all",
            "--exclude-checks=positive_data_acceptance",  # a request of the right form may still be refused by the run
            "--phases=examples,coverage,fuzzing",
            "--max-examples=5",
            "--max-time=45",
            "--generation-deterministic",
            "--generation-with-security-parameters=false",
            "--continue-on-failure",
            "--no-color",
            cwd=tmp_path,
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await checking.communicate()
    assert checking.returncode == 0, out.decode()
    assert "Operations:       15 selected" in out.decode(), out.decode()
    await d.run(proposed).cancel()
