"""A recovery that is driven from Slack alone, on a real Temporal server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.chat.kit import Room, room
from tests.support.flow import dead_primary, healthy, kept
from tests.support.sim import Fault
from tests.support.slack_texts import buttons
from workflows.model.progress import RunState

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("workers")]

TWO = {"proofs": ["voucher"], "failover": {"approvers": ["anna", "ben"], "required": 2}}


@pytest_asyncio.fixture(loop_scope="session", params=["socket", "http"])
async def both(client: Client, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    async with room(client, tmp_path, http=request.param == "http", approvals=TWO) as made:
        yield made


async def test_a_failover_by_three_people_who_never_leave_slack(both: Room) -> None:
    async with both.gateway():
        carl = both.person("carl")
        window = await carl.opens(f"/dr failover {both.application} site A is gone")
        assert "promote" in window.words
        assert "point of no return" in window.words
        assert not both.slack.roots(), "nothing begins before it is said"
        assert "has begun" in await carl.submits(window)
        root = await both.root()
        await both.says(root, "Awaiting approval", "site A is gone", "asked for by carl")
        await both.hears(root, "Approval is wanted")
        assert "1 more approval" in await both.approves("anna", root, reason="seen on the graphs")
        assert "seen on the graphs" in (await both.hears(root, "anna, ")).words
        assert "Approved" in await both.approves("ben", root)
        report = await both.handle(root).result()
        assert report.end_state is RunState.RECOVERED
        assert {one.approver for one in report.approvals} == {"carl", "anna", "ben"}
        assert all("Slack" in one.proof for one in report.approvals)
        await both.says(root, "Recovered")
        assert "site A is gone" in await both.filed(root)
        assert not buttons(root.blocks)
        said = [one.words for one in both.slack.thread(root)]
        assert sum("past its point of no return" in one for one in said) == 1
        assert both.bed.world.route == "recovery"
        kept(both.bed.world)
        assert both.slack.refused == []


async def test_what_is_parked_is_retried_from_slack(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path, dead_primary(flip_dns=Fault("refuse", 1))) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.approves("anna", root)
        await r.says(root, "Parked", "Stands now:")
        await r.hears(root, "is parked")
        labels = {one["text"]["text"] for one in buttons(root.blocks)}
        assert {"Retry…", "I see to it…"} <= labels
        window = await r.person("anna").clicks(root, "I see to it")
        assert "anna" in await r.person("anna").submits(window, reason="on my way")
        await r.says(root, "anna at")
        window = await r.person("carl").clicks(root, "Retry")
        await r.person("carl").submits(window, reason="the name server is back")
        await r.hears(root, "retry front.flip")
        report = await r.handle(root).result()
        assert report.end_state is RunState.RECOVERED
        assert [(one.action, one.by) for one in report.actions] == [("acknowledge", "anna"), ("retry", "carl")]
        await r.filed(root)
        kept(r.bed.world)


@pytest.mark.deep
async def test_a_run_is_paused_resumed_and_rejected_by_typing(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.says(root, "Code")
        carl, anna = r.person("carl"), r.person("anna")
        await carl.asks(f"/dr pause {r.application} wait for the network people")
        await carl.asks(f"/dr resume {r.application}")
        view = await r.bed.progress(r.handle(root))
        assert view.gate is not None
        assert "is not" in await anna.asks(f"/dr approve {r.application} XXXX")
        await anna.asks(f"/dr reject {r.application} {view.gate.code} not today")
        report = await r.handle(root).result()
        assert report.end_state is RunState.COMPENSATED
        await r.says(root, "Compensated")
        assert [one.action for one in report.actions] == ["pause", "resume"]


@pytest.mark.deep
async def test_a_run_that_was_started_elsewhere_gets_a_thread_too(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path, approvals={"proofs": [], "failover": {"approvers": ["anna"]}}) as r, r.gateway():
        run = await r.bed.start(reason="the old way")
        root = await r.root()
        await r.says(root, "the old way", "Code")
        await r.approves("anna", root)
        await run.result()
        await r.filed(root)


@pytest.mark.deep
async def test_looking_costs_nothing_and_a_report_comes_to_who_asks(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path) as r, r.gateway():
        olga = r.person("olga")
        assert "/dr failover" in await olga.asks("/dr help")
        assert "There is no '/dr explode'" in await olga.asks("/dr explode")
        plan = await olga.asks(f"/dr plan {r.application}")
        assert "promote" in plan
        root = await r.starts("carl", f"failover {r.application} site A is gone")
        await r.approves("anna", root)
        run = r.handle(root)
        await run.result()
        await r.filed(root)
        assert run.id in await olga.asks(f"/dr runs {r.application}")
        assert "recovery" in await olga.asks(f"/dr status {r.application}")
        assert "Recovered." in await olga.asks(f"/dr report {run.id}")
        direct = [one for one in r.slack.posts if one.channel == "D0OLGA"]
        assert direct[0].files == [f"{run.id.replace('/', '-')}.md"]


@pytest.mark.deep
async def test_every_operation_shows_its_plan_and_a_drill_is_run(client: Client, tmp_path: Path) -> None:
    async with room(client, tmp_path, healthy()) as r, r.gateway():
        carl, name = r.person("carl"), r.application
        for typed, words in (
            (f"switchover {name} --at 2126-11-22T02:00Z maintenance", "at: `2126-11-22T02:00Z`"),
            (f"failback {name} site A is mended", "from recovery to primary"),
            (f"reprotect {name} site A is mended", "reprotect"),
            (f"failover {name} --planned --to recovery maintenance", "planned failover"),
            (f"drill {name} --live quarterly", "drill"),
        ):
            window = await carl.opens(f"/dr {typed}")
            assert words in window.words, window.words
            assert window.view["submit"]["text"] == "Start"
        refused = await carl.opens(f"/dr switchover {name} --at tomorrow maintenance")
        assert "submit" not in refused.view
        assert "--at wants a time in UTC" in refused.words
        assert r.slack.roots() == []
        root = await r.starts("carl", f"drill {name} quarterly")
        await r.says(root, "Isolated drill", "Recovered")
        assert "quarterly" in await r.filed(root)
        kept(r.bed.world)
