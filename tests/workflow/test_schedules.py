"""Schedules on a real Temporal server: applied, edited by hand, and by the commands."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from tests.support.bed import eventually
from tests.support.runbooks import sim_runbook
from tests.workflow.schedule_kit import (
    ROOT,
    Server,
    applied,
    create,
    handles,
    own_server,
    seawall,
    shown,
    without_schedules,
)
from workers.schedule_diff import Action, Entry
from workers.schedule_plan import wanted_schedules
from workers.schedules import apply, compare
from workflows.model.failure import Code, PermanentError
from workflows.model.runbook import DrillPolicy, Runbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def workers() -> None:
    """In place of the folder's: these tests want no recovery to happen."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with own_server(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of a server that has no schedule yet."""
    async with without_schedules(server) as made:
        yield made


async def entry_of(client: Client, runbook: Runbook, what: str = "drill") -> Entry:
    return next(e for e in await compare(client, [runbook]) if e.id == f"seawall/{what}/{runbook.application}")


async def edit(client: Client, **policy: Any) -> None:
    """What the edit form of the Web UI sends."""

    async def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = found.description.schedule
        schedule.spec.jitter = 5 * SECOND
        for name, value in policy.items():
            setattr(schedule.policy, name, value)
        return ScheduleUpdate(schedule=schedule)

    await client.get_schedule_handle("seawall/drill/shop").update(change)


def drilled(every: str) -> Runbook:
    return sim_runbook(drills=DrillPolicy.model_validate({"isolated_every": every}))


# --- Apply ---


async def test_apply_makes_what_the_runbooks_ask_for_and_a_second_one_has_nothing_to_do(client: Client) -> None:
    other = sim_runbook(application="wiki")
    made = await applied(client, sim_runbook(), other)
    assert [action for _, action in made] == [Action.CREATE] * 6
    assert await applied(client, sim_runbook(), other) == []
    found = (await client.get_schedule_handle("seawall/drill/shop").describe()).schedule
    assert found.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.policy.catchup_window == timedelta(minutes=10)
    assert found.policy.pause_on_failure
    assert found.spec.intervals[0].every == timedelta(days=91)
    assert "Anna" in (found.state.note or "")
    assert not found.state.paused


async def test_what_is_gone_is_removed_and_what_is_not_ours_is_left(client: Client) -> None:
    await client.create_schedule(
        "billing/nightly",
        Schedule(
            action=ScheduleActionStartWorkflow("Bill", id="bill", task_queue="billing"),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))]),
        ),
    )
    await applied(client, sim_runbook(), sim_runbook(application="wiki"))

    async def all_listed() -> bool:
        return len(await handles(client)) == 7

    await eventually(all_listed)
    gone = await applied(client, sim_runbook())
    assert gone == [(f"seawall/{what}/wiki", Action.REMOVE) for what in ("drill", "replicate", "review")]
    assert await applied(client, sim_runbook()) == []
    assert (await client.get_schedule_handle("billing/nightly").describe()).id == "billing/nightly"


async def test_an_edit_by_hand_is_drift_and_is_put_back_but_a_pause_and_its_note_stay(client: Client) -> None:
    await applied(client, sim_runbook())
    await client.get_schedule_handle("seawall/drill/shop").pause(note="audit week, anna")
    await edit(client, catchup_window=timedelta(days=1), overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    entry = await entry_of(client, drilled("30d"))
    by_hand = {change.field: (change.live, change.wanted) for change in entry.changes if change.by_hand}
    assert by_hand.pop("jitter")[1] is None
    assert by_hand == {"catch-up window": ("1d", "10m"), "overlap": ("allow all", "skip")}
    assert {change.field for change in entry.changes if not change.by_hand} == {"every", "phase"}
    status = await eventually(lambda: shown(client, "seawall/drill/shop"))
    assert {change.field for change in status.drift} == {"jitter", "catch-up window", "overlap"}
    assert (status.paused, status.note) == (True, "audit week, anna")

    assert await applied(client, drilled("30d")) == [("seawall/drill/shop", Action.CHANGE)]
    state = (await client.get_schedule_handle("seawall/drill/shop").describe()).schedule.state
    assert (state.paused, state.note) == (True, "audit week, anna")
    assert await applied(client, drilled("30d")) == []


async def test_a_change_made_after_the_difference_was_shown_is_not_overwritten(client: Client) -> None:
    await applied(client, sim_runbook())
    entries = await compare(client, [drilled("30d")])
    await client.get_schedule_handle("seawall/drill/shop").pause(note="not now, ben")
    with pytest.raises(PermanentError) as refused:
        [_ async for _ in apply(client, entries)]
    assert refused.value.code is Code.PRECONDITION_CHANGED
    stands = (await client.get_schedule_handle("seawall/drill/shop").describe()).schedule
    assert stands.state.paused
    assert stands.spec.intervals[0].every == timedelta(days=91)


async def test_a_schedule_made_or_deleted_meanwhile_is_told(client: Client) -> None:
    entries = await compare(client, [sim_runbook()])
    await applied(client, sim_runbook())
    with pytest.raises(PermanentError, match="Somebody changed"):
        [_ async for _ in apply(client, entries)]
    entries = await compare(client, [drilled("30d")])
    await client.get_schedule_handle("seawall/drill/shop").delete()
    with pytest.raises(PermanentError, match="Somebody changed"):
        [_ async for _ in apply(client, entries)]


async def test_a_shorter_catch_up_window_than_ours_is_not_kept_by_temporal(client: Client) -> None:
    """What the shortest interval rests on. It would show as drift for ever if Temporal changed what we write."""
    wanted = wanted_schedules(sim_runbook())[0].model_copy(update={"catch_up": 2 * SECOND})
    await create(client, wanted)
    found = (await client.get_schedule_handle(wanted.id).describe()).schedule
    assert found.policy.catchup_window == 10 * SECOND


# --- The commands ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shop's runbook, with values."""
    shutil.copy(ROOT / "runbooks/shop.yaml", tmp_path / "shop.yaml")
    shutil.copy(ROOT / "runbooks/shop.values.example.yaml", tmp_path / "shop.values.yaml")
    return tmp_path


async def test_the_command_shows_first_then_applies_then_has_nothing_to_do(
    server: Server, client: Client, folder: Path
) -> None:
    unasked = await asyncio.to_thread(seawall, server, "apply", str(folder))
    assert (unasked.returncode, await compare(client, [])) == (3, []), unasked.stderr
    assert "+ create seawall/drill/shop" in unasked.stdout
    assert "Add --yes" in unasked.stderr
    made = await asyncio.to_thread(seawall, server, "apply", str(folder), "--yes")
    assert (made.returncode, made.stdout.count("created seawall/")) == (0, 3), made.stderr
    again = await asyncio.to_thread(seawall, server, "apply", str(folder), "--json")
    assert again.returncode == 0
    assert {(told["action"], told["done"]) for told in json.loads(again.stdout)} == {("unchanged", False)}
    await edit(client)
    looked = await asyncio.to_thread(seawall, server, "apply", str(folder), "--dry-run")
    assert looked.returncode == 0
    assert "jitter: seconds: 5 -> nothing (edited by hand)" in looked.stdout
    listed = await asyncio.to_thread(seawall, server, "schedules")
    assert "every 91 days" in listed.stdout
    assert "DRIFT" in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80


async def test_a_wrong_runbook_keeps_everything_from_being_applied(
    server: Server, client: Client, folder: Path
) -> None:
    (folder / "wiki.yaml").write_text("application: wiki\n", encoding="utf-8")
    (folder / "Bad.yaml").write_text("tier: [\n", encoding="utf-8")
    refused = await asyncio.to_thread(seawall, server, "apply", str(folder), "--yes")
    assert refused.returncode == 2
    assert f"{folder / 'wiki.yaml'}:1:1 " in refused.stderr
    assert "Bad.yaml" in refused.stderr
    assert "Nothing was applied" in refused.stderr
    assert await handles(client) == []


async def test_an_empty_folder_or_a_silent_server_is_a_sentence(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = await asyncio.to_thread(seawall, None, "apply", str(empty), "--yes")
    assert (refused.returncode, "There is no runbook in" in refused.stderr) == (2, True)
    silent = await asyncio.to_thread(seawall, None, "apply", str(folder), "--yes")
    assert silent.returncode == 1
    assert "Temporal does not answer at 127.0.0.1:1" in silent.stderr
    assert "Traceback" not in silent.stderr
