"""An operator who has nothing but the Temporal Web UI moves a real application.

The lab gives one recovery: a recovered shop is unprotected, so the test that recovers it is the last one.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import expect

from infra.lab import lab
from infra.lab.copies import settings_of
from infra.lab.info import LabInfo
from tests.browser.conftest import Picture
from tests.browser.console import Console
from tests.provider.support import eventually
from workers.connect import connect

pytestmark = [pytest.mark.browser, pytest.mark.lab]

PLANNED = '{"runbook": "shop", "reason": "browser test", "planned": true}'
QUESTION = "Fail over shop from primary to recovery (planned)?"
_numbers = itertools.count(1)


def new_run() -> str:
    return f"failover/shop/browser-{next(_numbers)}"


def execution(info: LabInfo, run: str) -> dict[str, Any]:
    """What the server knows of a run."""
    path = f"api/v1/namespaces/default/workflows/{quote(run, safe='')}"
    answer = httpx.get(f"{info.temporal_ui_url}/{path}").raise_for_status().json()
    found: dict[str, Any] = answer["workflowExecutionInfo"]
    return found


def written(info: LabInfo, run: str) -> str:
    """How long its history is, once the page for break-glass is written, the last thing a run does while it waits."""
    page = Path(info.reports) / "shop" / f"{run.replace('/', '_')}.by-hand.md"
    eventually(page.exists)
    lengths = [""]

    def stands() -> bool:
        lengths.append(execution(info, run)["historyLength"])
        return lengths[-1] == lengths[-2]

    eventually(stands)
    return lengths[-1]


@pytest.fixture
def waiting(console: Console, info: LabInfo) -> Iterator[str]:
    """A planned failover that was started by hand and waits for approval; ended if the test leaves it so."""
    run = new_run()
    console.start(run, PLANNED)
    console.details(until=QUESTION)
    yield run
    if execution(info, run)["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING":
        with ThreadPoolExecutor(1) as pool:  # this thread has the browser's event loop
            pool.submit(asyncio.run, abort(info, run)).result()


async def abort(info: LabInfo, run: str) -> None:
    handle = (await connect(settings_of(info))).get_workflow_handle(run)
    await handle.execute_update("abort")
    await handle.result()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param("", "Failover wants an input such as", id="blank", marks=pytest.mark.deep),
        pytest.param('{"runbook": "shop"}', "reason: Field required. Expected something like", id="incomplete"),
        pytest.param(
            '{"runbook": "shop", "reason": "browser test", "plannd": true}',
            "plannd: Extra inputs are not permitted",
            id="misspelt",
            marks=pytest.mark.deep,
        ),
    ],
)
def test_a_bad_input_fails_at_once_with_a_sentence(console: Console, data: str, sentence: str) -> None:
    console.start(new_run(), data)
    console.expect_status("Failed")
    expect(console.result()).to_contain_text(sentence)
    expect(console.result()).not_to_contain_text("Traceback")


@pytest.mark.parametrize(
    ("data", "code", "sentence"),
    [
        pytest.param(
            '{"runbook": "shoop", "reason": "browser test"}', "RUNBOOK_NOT_FOUND", "shoop", id="unknown runbook"
        ),
        pytest.param('{"runbook": "shop", "reason": "browser test"}', "SOURCE_HEALTHY", "primary", id="healthy source"),
    ],
)
def test_a_refused_run_says_why_in_its_result(console: Console, data: str, code: str, sentence: str) -> None:
    console.start(new_run(), data)
    console.expect_status("Completed")
    expect(console.result()).to_contain_text('"end_state": "REFUSED"')
    expect(console.result()).to_contain_text(f'"code": "{code}"')
    expect(console.result()).to_contain_text(sentence)
    console.details(until="was refused, and nothing was changed")


def test_a_refused_approval_shows_a_sentence_and_changes_nothing(console: Console, waiting: str, info: LabInfo) -> None:
    offered = json.loads(console.input_for("approve"))
    before = written(info, waiting)
    dialog = console.send("approve", '{"approver": "anna", "code": "0000"}')
    expect(dialog.get_by_role("alert").filter(has_text="The code 0000 does not belong to this request")).to_be_visible()
    for answer, sentence in (
        ({**offered, "approver": "mallory"}, "mallory is not an approver of this runbook. Ask one of: anna, ben."),
        ({"approver": "anna"}, "code: Field required"),
    ):
        console.submit(dialog, json.dumps(answer))
        expect(dialog.get_by_role("alert").filter(has_text=sentence)).to_be_visible()
        expect(dialog).not_to_contain_text("Traceback")
    console.close(dialog)
    assert written(info, waiting) == before, "a refused update leaves no event"
    expect(console.details(until=QUESTION)).to_contain_text("0 of 1 so far")
    assert json.loads(console.input_for("approve")) == offered
    assert lab.active_site(info) == "primary"
    expect(console.send("abort")).to_be_hidden()
    console.expect_status("Completed")
    expect(console.result()).to_contain_text('"code": "ABORTED"')
    assert lab.active_site(info) == "primary"


def test_an_operator_finds_a_run_in_the_list_approves_it_and_sees_it_recovered(
    console: Console, waiting: str, info: LabInfo, picture: Picture
) -> None:
    rows = console.list_runs(SeawallApplication="shop", SeawallState="AWAITING_APPROVAL").filter(has_text="failover/")
    expect(rows).to_have_count(1)
    picture(console.page, "list")
    rows.get_by_role("link", name=waiting).first.click()
    details = console.details(until=QUESTION)
    for words in ("db: promote at recovery", "point of no return", "front: send users to recovery", "How to answer:"):
        expect(details).to_contain_text(words)
    picture(console.page, "approval")
    expect(console.send("approve", console.input_for("approve"))).to_be_hidden()
    console.expect_status("Completed")
    for line in ('"end_state": "RECOVERED"', '"target": "recovery"'):
        expect(console.result()).to_contain_text(line)
    expect(console.page.get_by_text("promote • db: promote at recovery")).to_be_visible()
    console.page.get_by_role("heading", name="Timeline").evaluate("heading => heading.scrollIntoView()")
    picture(console.page, "recovered")
    console.details(until="Planned failover of shop to recovery has recovered.")
    assert lab.active_site(info) == "recovery"
    recovered = console.list_runs(SeawallApplication="shop", SeawallState="RECOVERED", SeawallSite="recovery")
    expect(recovered.filter(has_text="failover/")).to_have_count(1)
    expect(recovered.filter(has_text=waiting)).to_be_visible()
