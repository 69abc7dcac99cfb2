"""Records the histories that `test_replay.py` replays: `python -m tests.replay.record`.

Run it for a new kind of run, or when a release changes the workflows on purpose; the histories of released versions
stay as they are, since runs that began on them must go on.
"""

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from activities.people import otp
from tests.conftest import temporal_binary
from tests.replay.fingerprints import write
from tests.support.bed import Bed, bed, crew, eventually
from tests.support.runbooks import cloud_components, shop_components
from tests.support.sim import Fault, World
from tests.support.sink import sink
from workers.converter import DATA_CONVERTER
from workflows.engine.attributes import ALL
from workflows.model.observed import Finding
from workflows.model.progress import RunState
from workflows.model.requests import Acknowledgement, Approval

FOLDER = Path(__file__).parent / "histories"

Run = WorkflowHandle[Any, Any]


async def _agree(b: Bed, run: Run) -> None:
    await b.approve(run)


async def _agree_and_retry(b: Bed, run: Run) -> None:
    await b.approve(run)
    await b.until(run, RunState.PARKED)
    await b.tell(run, "retry")


async def _reject(b: Bed, run: Run) -> None:
    view = await b.until(run, RunState.AWAITING_APPROVAL)
    assert view.gate is not None
    await run.execute_update("reject", Approval(approver="ben", code=view.gate.code))


def _world(alive: bool = False, **faults: Fault) -> World:
    world = World.healthy()
    if not alive:
        world.kill("primary")
    world.faults.update(faults)
    return world


_RUNS: dict[str, tuple[World, bool, Callable[[Bed, Run], Awaitable[None]]]] = {
    "recovered": (_world(), False, _agree),
    "compensated": (_world(alive=True, promote=Fault("refuse", -1)), True, _agree),
    "parked-and-retried": (_world(flip_dns=Fault("refuse", 1)), False, _agree_and_retry),
    "rejected": (_world(), False, _reject),
}


async def _home(b: Bed) -> dict[str, Run]:
    """A failover, and all the way home; what the schedules start meanwhile."""
    b.change(components=_with_copies())
    reprotect, failback = "reprotect-recovered", "failback-recovered"
    await b.complete("Failover")
    runs: dict[str, Run] = {}
    for name, kind in ((reprotect, "Reprotect"), (failback, "Failback")):
        runs[name] = await b.launch(kind)
        await b.approve(runs[name])
        await runs[name].result()
    for name, kind in (("replicate-copied", "Replicate"), ("posture-looked", "Posture")):
        runs[name] = await b.launch(kind)
        await runs[name].result()
    return {**runs, "application-home": _entity(b)}


async def _planned(b: Bed) -> dict[str, Run]:
    """A switchover at an agreed time, with a second try of its rebuild."""
    b.world.faults["rebuild_replica"] = Fault("refuse", 1)
    run = await b.launch("Switchover", at=(datetime.now(UTC) + timedelta(seconds=2)).isoformat())
    await _agree_and_retry(b, run)
    await run.result()
    return {"switchover-parked-and-retried": run}


async def _drills(b: Bed) -> dict[str, Run]:
    """An isolated drill that passes, one that fails, and a live one with both its legs."""
    passed = await b.launch("Drill")
    await passed.result()
    b.world.faults["promote"] = Fault("refuse", 1)
    failed = await b.launch("Drill")
    await failed.result()
    live = await b.launch("Drill", live=True)
    await b.approve(live)
    await live.result()
    leg = b.client.get_workflow_handle(f"{live.id}/out-1")
    found = {"drill-recovered": passed, "drill-compensated": failed, "drill-live": live, "switchover-leg": leg}
    return {**found, "application-drilled": _entity(b)}


async def _preempted(b: Bed) -> dict[str, Run]:
    """A drill that gives way to a failover."""
    b.world.faults["clone_data"] = Fault("hang", 1)
    drill = await b.launch("Drill")
    await b.world.hanging.wait()
    b.world.kill("primary")
    failover = await b.launch("Failover")
    await b.until(failover, RunState.AWAITING_APPROVAL)
    b.world.released.set()
    await b.approve(failover)
    await failover.result()
    with contextlib.suppress(WorkflowFailureError):
        await drill.result()
    return {"drill-preempted": drill, "application-preempted": _entity(b)}


async def _in_a_cloud(b: Bed) -> dict[str, Run]:
    """What the target lacks refuses a planned move, and is only shown when the source is lost."""
    b.change(components=cloud_components())
    b.world.lacking = (Finding(code="QUOTA_SHORT", sentence="The quota is 5 vCPUs.", blocking=True),)
    unfit = await b.launch("Switchover")
    await unfit.result()
    b.world.kill("primary")
    failover = await b.launch("Failover")
    await b.approve(failover)
    await failover.result()
    return {"switchover-unfit": unfit, "failover-preflighted": failover}


async def _proved(b: Bed) -> dict[str, Run]:
    """A guess is refused, then two people prove themselves."""
    rule = {"approvers": ["anna", "ben"], "required": 2}
    b.change(approvals={"proofs": ["otp"], "failover": rule})
    phones = {name: pyotp.TOTP(otp.new_secret()) for name in rule["approvers"]}
    for name, phone in phones.items():
        b.crew.people.enrol(name, phone.secret)
    run = await b.launch("Failover")
    view = await b.until(run, RunState.AWAITING_APPROVAL)
    assert view.gate is not None
    with contextlib.suppress(WorkflowUpdateFailedError):
        guess = phones["ben"].at(0)
        await run.execute_update("approve", Approval(approver="anna", code=view.gate.code, otp=guess))
    for name, phone in phones.items():
        await run.execute_update("approve", Approval(approver=name, code=view.gate.code, otp=phone.now()))
    await run.result()
    return {"failover-proved": run, "application-proved": _entity(b)}


async def _noticed(b: Bed) -> dict[str, Run]:
    """Chat is dead, mail takes its messages, and the ladder is climbed until somebody acknowledges."""
    chat, mail = {"url": {"env": "NO_CHAT"}, "fallback": "mail"}, {"url": {"env": "MAIL_URL"}}
    ladder = [{"after": "1s", "to": ["mail"]}, {"after": "2s", "to": ["mail"]}]
    with sink() as box:
        os.environ["MAIL_URL"] = box.url
        told = {"channels": {"chat": chat, "mail": mail}, "audiences": {"responders": ["chat"]}}
        b.change(notices={**told, "escalation": ladder})
        run = await b.launch("Failover")
        await eventually(lambda: box.about("NOBODY HAS ANSWERED"))
        await run.execute_update("acknowledge", Acknowledgement(by="anna"))
        await asyncio.sleep(2)
        await b.approve(run)
        await run.result()
    return {"failover-noticed": run}


_STORIES = {
    _home: _world(),
    _planned: World.healthy(hot=True),
    _drills: World.healthy(hot=True),
    _preempted: World.healthy(),
    _in_a_cloud: World.healthy(hot=True),
    _proved: _world(),
    _noticed: _world(),
}


def _with_copies() -> dict[str, Any]:
    parts = shop_components()
    parts["db"]["replication"] = {"mode": "continuous", "snapshots": {"every": "1h"}}
    return parts


def _entity(b: Bed) -> Run:
    return b.client.get_workflow_handle(f"application/{b.runbook.application}")


def _cleaned(history: str) -> str:
    """Without what belongs to the machine on which it was recorded."""

    def clean(part: Any) -> Any:
        if isinstance(part, dict):
            return {k: "worker" if k == "identity" else clean(v) for k, v in part.items() if k != "stackTrace"}
        return [clean(item) for item in part] if isinstance(part, list) else part

    return json.dumps(clean(json.loads(history)), separators=(",", ":")) + "\n"


async def _write(name: str, run: Run) -> None:
    (FOLDER / f"{name}.json").write_text(_cleaned((await run.fetch_history()).to_json()), encoding="utf-8")


async def _record(client: Client, folder: Path) -> None:
    for name, (world, planned, people) in _RUNS.items():
        async with bed(client, folder, world) as b:
            run = await b.start(planned=planned)
            await people(b, run)
            await run.result()
            await _write(f"failover-{name}", run)
            await _write(f"application-{name}", _entity(b))
    for story, world in _STORIES.items():
        async with bed(client, folder, world) as b:
            for name, run in (await story(b)).items():
                await _write(name, run)


async def main() -> None:
    """Record them all on a server of its own."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            await WorkflowEnvironment.start_local(
                dev_server_existing_path=temporal_binary(),
                ui=False,
                search_attributes=list(ALL),
                data_converter=DATA_CONVERTER,
                dev_server_log_level="never",
            ) as server,
            crew(server.client, Path(folder)),
        ):
            await _record(server.client, Path(folder))
    await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
    write()
