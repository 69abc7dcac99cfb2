"""What the target lacks: shown before people decide; a planned move does not begin with it."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities import preflight
from tests.support.bed import Bed, bed, eventually
from tests.support.flow import Run, dead_primary, hot, kept, serves
from tests.support.runbooks import cloud_components
from tests.support.sim import World
from tests.support.sim_world import SECRET
from workflows.engine.facts import MOST_FINDINGS
from workflows.model.observed import Finding
from workflows.model.progress import RunState

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHORT = Finding(code="QUOTA_SHORT", sentence="The quota is 5 vCPUs.", next_step="Ask for more.", blocking=True)
OLD = Finding(code="CERTIFICATE_ENDS", sentence="The certificate ends on Friday.", next_step="Renew it.")
PLANNED: list[tuple[str, dict[str, Any]]] = [("Switchover", {}), ("Failover", {"planned": True})]


def lacking(world: World, *findings: Finding) -> World:
    world.lacking = findings
    return world


async def shown(b: Bed, run: Run) -> list[str]:
    """What the gate says of the preflight."""
    view = await b.until(run, RunState.AWAITING_APPROVAL)
    assert view.gate is not None
    return [fact for name, fact in view.gate.facts if name == "Preflight"]


async def shows(b: Bed, run: Run, *expected: str) -> None:
    async def as_expected() -> bool:
        return await shown(b, run) == list(expected)

    await eventually(as_expected)


async def test_a_failover_shows_what_its_target_lacks_and_goes_on_with_it(client: Client, tmp_path: Path) -> None:
    world = lacking(dead_primary(), OLD, SHORT)
    async with bed(client, tmp_path, world, components=cloud_components()) as b:
        run = await b.start()
        said = ("WOULD STOP IT: The quota is 5 vCPUs. Ask for more.", "The certificate ends on Friday. Renew it.")
        await shows(b, run, *said)
        await b.approve(run)
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert report.findings == (SHORT, OLD), "what blocks is first"
    kept(world)


async def test_nobody_waits_for_a_preflight_while_users_are_away(client: Client, tmp_path: Path) -> None:
    world = lacking(dead_primary(), SHORT)
    world.held.add("preflight")
    async with bed(client, tmp_path, world, components=cloud_components()) as b:
        run = await b.start()
        assert await shown(b, run) == ["recovery has not answered yet"]
        await b.approve(run)
        report = await run.result()
        world.released.set()
    assert (report.end_state, report.findings) == (RunState.RECOVERED, ())


async def test_what_comes_while_people_decide_is_shown(client: Client, tmp_path: Path) -> None:
    many = [OLD.model_copy(update={"sentence": f"The certificate {number} ends."}) for number in range(7)]
    world = lacking(dead_primary(), *many, SHORT)
    world.held.add("preflight")
    async with bed(client, tmp_path, world, components=cloud_components()) as b:
        run = await b.start()
        await shown(b, run)
        world.released.set()
        told = [f"The certificate {number} ends. Renew it." for number in range(MOST_FINDINGS - 1)]
        await shows(b, run, "WOULD STOP IT: The quota is 5 vCPUs. Ask for more.", *told, "and 3 more: see the report")
        await b.approve(run)
        assert len((await run.result()).findings) == 8


@pytest.mark.parametrize(("kind", "fields"), PLANNED)
async def test_a_planned_move_is_refused_before_anybody_is_asked(
    client: Client, tmp_path: Path, kind: str, fields: dict[str, Any]
) -> None:
    async with bed(client, tmp_path, lacking(hot(), OLD, SHORT), components=cloud_components()) as b:
        report = await (await b.launch(kind, **fields)).result()
        assert (report.end_state, report.code) == (RunState.REFUSED, "TARGET_UNFIT")
        assert "QUOTA_SHORT: The quota is 5 vCPUs. Ask for more." in report.summary
        assert report.findings == (SHORT, OLD)
        assert (b.world.effects, report.approvals) == ([], ())
        lacking(b.world, OLD)
        run = await b.launch(kind, **fields)
        assert await shown(b, run) == ["The certificate ends on Friday. Renew it."]
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED


async def test_the_way_home_is_asked_for_what_home_lacks(client: Client, tmp_path: Path) -> None:
    async with bed(client, tmp_path, hot(), components=cloud_components()) as b:
        assert (await b.complete("Switchover")).end_state is RunState.RECOVERED
        lacking(b.world, SHORT)
        report = await (await b.launch("Failback")).result()
        assert (report.end_state, report.code) == (RunState.REFUSED, "TARGET_UNFIT")
        lacking(b.world)
        run = await b.launch("Failback")
        assert await shown(b, run) == ["primary lacks nothing that was looked for"]
        await b.approve(run)
        assert (await run.result()).end_state is RunState.RECOVERED
        serves(b.world, "primary")
    kept(b.world)


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ("preflight", "What app lacks at recovery is not known: no answer within 0 s."),
        ("no-preflight", "What recovery lacks is not known: An unexpected RuntimeError in preflight"),
    ],
)
async def test_silence_is_told_and_stops_nothing(
    client: Client, tmp_path: Path, held: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "PATIENCE", 0.2)
    async with bed(client, tmp_path, lacking(hot(), SHORT), components=cloud_components()) as b:
        b.world.held.add(held)
        run = await b.launch("Switchover")
        (said,) = await shown(b, run)
        assert said.startswith(why)
        assert SECRET not in said
        await b.approve(run)
        report = await run.result()
    assert report.end_state is RunState.RECOVERED
    assert [(one.code, one.blocking) for one in report.findings] == [("PREFLIGHT_SILENT", False)]
