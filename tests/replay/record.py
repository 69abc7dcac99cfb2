"""Records the histories that `test_replay.py` replays: `python -m tests.replay.record`.

Run it for a new kind of run, or when a release changes the workflows on purpose; the histories of released versions
stay as they are, since runs that began on them must go on.
"""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from tests.conftest import temporal_binary
from tests.support.bed import Bed, bed, crew
from tests.support.sim import Fault, World
from workers.converter import DATA_CONVERTER
from workflows.engine.attributes import ALL
from workflows.model.messages import Approval, RunState

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


def _cleaned(history: str) -> str:
    """Without what belongs to the machine on which it was recorded."""

    def clean(part: Any) -> Any:
        if isinstance(part, dict):
            return {k: "worker" if k == "identity" else clean(v) for k, v in part.items() if k != "stackTrace"}
        return [clean(item) for item in part] if isinstance(part, list) else part

    return json.dumps(clean(json.loads(history)), separators=(",", ":")) + "\n"


async def _record(client: Client, folder: Path) -> None:
    for name, (world, planned, people) in _RUNS.items():
        async with bed(client, folder, world) as b:
            run = await b.start(planned=planned)
            await people(b, run)
            await run.result()
            entity = client.get_workflow_handle(f"application/{b.runbook.application}")
            for kind, handle in (("failover", run), ("application", entity)):
                text = _cleaned((await handle.fetch_history()).to_json())
                (FOLDER / f"{kind}-{name}.json").write_text(text, encoding="utf-8")


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
