"""One lab with users, a watcher and a dead primary site; and the ways in which our own parts are made to die in it.

A step lasts 20 to 200 ms, so a death is not timed: it is arranged, with nothing in the product that knows of it.

* `hold(step)` freezes the recovery site's worker (SIGSTOP) before the step is scheduled, and returns when the server
  has handed the step to the frozen worker. A SIGKILL now is a death before the call, in every single run.
* The run's own pause and resume keep the next step from starting, so that one step after the other can be held.
* With the site's cable to Temporal cut, a worker that is thawed does the step and cannot say so: a SIGKILL then is a
  death after the effect and before the answer.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from infra.lab import lab, proctree
from infra.lab.client import ask
from infra.lab.copies import settings_of
from infra.lab.info import LabInfo
from infra.lab.load import Load
from infra.lab.watcher import Watcher
from workers import control
from workers.connect import connect
from workers.settings import READY_FILE
from workflows.model.failure import PermanentError
from workflows.model.messages import site_queue
from workflows.model.progress import ProgressView, RunState, StepState
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest, RunRequest

from .evidence import Evidence, gather, primary

APPROVER = "anna"
STEPS = (
    "db.fence",
    "db.sync_delta",
    "db.promote",
    "db.health_check",
    "app.health_check",
    "front.flip_dns",
    "public.verify",
    "db.measure_loss",
)
"""What the recovery site's worker does after the gate, one after the other."""

STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
_DELIVERY_SECONDS = 0.2
"""For a task that the server has handed out to travel to the worker's socket."""


def silent(_sentence: str) -> None:
    """Say nothing."""


async def eventually(look: Callable[[], Any], what: str, within: float = 45.0) -> Any:
    """The first true answer of `look`, which may be a coroutine function; a dead service is asked again."""
    deadline = asyncio.get_running_loop().time() + within
    last: object = None
    while asyncio.get_running_loop().time() < deadline:
        try:
            last = look()
            if asyncio.iscoroutine(last):
                last = await last
            if last:
                return last
        except PermanentError as error:
            last = error
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what}: not within {within:g} s; last seen: {last}")


@contextmanager
def running_lab(folder: Path) -> Iterator[LabInfo]:
    """A fresh lab with synchronous replication; nothing is left of it."""
    info = lab.up(folder, synchronous=True, say=silent)
    try:
        yield info
    finally:
        lab.down(folder, silent, everything=True)


class Rig:
    """A lab, its users, and one failover in it."""

    def __init__(self, info: LabInfo, client: Client) -> None:
        self.info = info
        self.client = client
        self.load, self.watcher = Load(info), Watcher(info)
        self.run = ""
        self.stopped = False

    @classmethod
    async def make(cls, info: LabInfo) -> "Rig":
        """Users order, the watcher watches."""
        rig = cls(info, await connect(settings_of(info)))
        rig.load.start()
        rig.watcher.start()
        await eventually(lambda: len(rig.load.acks) >= 20, "users are served")
        return rig

    def stop(self) -> None:
        """Users go home. Idempotent."""
        if not self.stopped:
            self.stopped = True
            self.load.stop()
            self.watcher.stop()

    # --- The run ---

    async def declare(self, *breaks: str) -> None:
        """Kill the primary site, break what else is named there, and start the failover."""
        for what in ("kill", *breaks):
            await asyncio.to_thread(lab.break_, self.info.folder, what, "primary")
        request = FailoverRequest(runbook="shop", reason="site A is gone", requested_by="ben")
        self.run = await control.start(self.client, request)

    async def progress(self) -> ProgressView:
        """Where the run is."""
        return await control.progress(self.client, self.run)

    async def progress_again(self) -> None:
        """Wait until somebody answers for the run."""
        await eventually(self.progress, "the run answers")

    async def until(self, state: RunState) -> ProgressView:
        """Wait for a state of the run."""

        async def reached() -> ProgressView | None:
            view = await self.progress()
            return view if view.state is state else None

        view: ProgressView = await eventually(reached, f"the run is {state}")
        return view

    async def approve(self) -> None:
        """As anna, with the code that the gate shows."""
        await self.until(RunState.AWAITING_APPROVAL)
        await self._agree()

    async def approve_paused(self) -> None:
        """Approve, and let no step start before `resume`."""
        await self.until(RunState.AWAITING_APPROVAL)
        await self.tell("pause")
        await self._agree()

    async def _agree(self) -> None:
        gate = (await self.progress()).gate
        assert gate is not None
        await control.approve(self.client, self.run, APPROVER, gate.code)

    async def tell(self, action: str) -> None:
        """Pause or resume."""
        await control.answer(self.client, self.run, action, APPROVER)

    async def done(self, step: str) -> None:
        """Wait until a step is done."""

        async def look() -> bool:
            states = {record.id: record.state for record in (await self.progress()).steps}
            return states.get(step) is StepState.DONE

        await eventually(look, f"{step} is done")

    async def carry_out(self, request: RunRequest, deadly: Mapping[str, str] | None = None) -> Report:
        """Start a run, approve it when it asks, and bring its report.

        Args:
            request: what is asked for.
            deadly: for each step whose worker (or `temporal`, the server) is killed while the step runs.
        """
        self.run = await control.start(self.client, request)
        doomed, approved = dict(deadly or {}), False

        async def over() -> bool:
            nonlocal approved
            view = await self.progress()
            for record in view.steps:
                if record.state is StepState.RUNNING and self._can_be_killed(doomed.get(record.id, "")):
                    self.kill(doomed.pop(record.id))
            if view.gate is not None and not approved:
                approved = True
                await control.approve(self.client, self.run, APPROVER, view.gate.code)
            return view.state.ended or view.state is RunState.PARKED

        await eventually(over, "the run has ended", within=120.0)
        assert not doomed, f"these steps were over before their worker could be killed: {', '.join(doomed)}"
        report = await control.wait(self.client, self.run)
        assert not report.parked, report.summary
        return report

    def _can_be_killed(self, what: str) -> bool:
        """Whether it is up: a site that was just switched on has no worker yet, only the file of the dead one."""
        if what in ("", "temporal"):
            return bool(what)
        return self.ready_file(what).exists() and bool(self.processes("workers.cli.main", "worker", what))

    def kill(self, what: str) -> None:
        """kill -9 a site's worker, or the Temporal server."""
        if what == "temporal":
            os.kill(self.temporal(), signal.SIGKILL)
        else:
            self.kill_worker(what)

    async def finish(self) -> tuple[Report, Evidence]:
        """The report, and what the world and its users tell, after they were served for a while."""

        async def ended() -> bool:
            return (await self.progress()).state.ended

        await eventually(ended, "the run has ended", within=90.0)
        report = await control.wait(self.client, self.run)
        served = len(self.load.acks)
        await eventually(lambda: len(self.load.acks) >= served + 20, "users are served again")
        self.stop()
        return report, await gather(self.info, self.client, self.load, self.watcher)

    # --- Its parts ---

    def processes(self, *words: str) -> list[int]:
        """The lab's processes whose command line holds these words."""
        found = proctree.survivors(self.info.folder)
        return [pid for pid in found if set(words) <= set(proctree.command_line(pid))]

    @staticmethod
    def words(pid: int) -> list[str]:
        """A process's command line."""
        return proctree.command_line(pid)

    def worker(self, site: str) -> int:
        """The worker's process."""
        (pid,) = self.processes("workers.cli.main", "worker", site)
        return pid

    def temporal(self) -> int:
        """The server's process."""
        (pid,) = self.processes("server", "start-dev")
        return pid

    def ready_file(self, site: str) -> Path:
        """There while the site's worker takes work."""
        state = self.info.control_state if site == "control" else self.info.sites[site].worker_state
        return state / READY_FILE

    async def ready(self, site: str) -> None:
        """Wait until the site's worker takes work."""
        await eventually(self.ready_file(site).exists, f"the worker of {site} takes work")

    def kill_worker(self, site: str) -> None:
        """kill -9. The file that says it is ready would outlive it, and is taken away."""
        pid = self.worker(site)
        os.kill(pid, signal.SIGKILL)
        self.ready_file(site).unlink(missing_ok=True)

    def cable(self, verb: str) -> None:
        """`break` or `repair` everything between the recovery site and the rest, its path to Temporal included."""
        ask(self.info, "POST", f"/{verb}", {"what": "cut", "site": "recovery"})

    def lose_what_travels(self) -> None:
        """kill -9 of the cables' process: every connection is gone with what it held. It comes back, cut as it was."""
        (pid,) = self.processes("infra.lab.link")
        os.kill(pid, signal.SIGKILL)

    def startup_process(self) -> int:
        """The process of the standby's PostgreSQL that replays, and that would carry a promotion out."""
        (pid,) = [
            pid
            for pid in proctree.survivors(self.info.folder)
            if " ".join(proctree.command_line(pid)).startswith("postgres: recovery: startup")
        ]
        return pid

    def promotion_asked(self) -> bool:
        """The server was asked to promote itself, and has not begun to."""
        return (self.info.sites["recovery"].data_dir / "promote").exists()

    def is_primary(self) -> bool:
        """The recovery site's PostgreSQL accepts writes."""
        return primary(self.info, "recovery")

    # --- Deaths ---

    async def _pending(self) -> list[PendingActivityInfo]:
        described = await self.client.get_workflow_handle(self.run).describe()
        return list(described.raw_description.pending_activities)

    async def taken_by_workers(self, activity: str) -> int:
        """How many activities of this type are in workers' hands now."""
        return sum(found.activity_type.name == activity and found.state == STARTED for found in await self._pending())

    async def taken(self, step: str) -> None:
        """Wait until the server has handed the step to a worker."""

        async def look() -> bool:
            return any(found.activity_id == step and found.state == STARTED for found in await self._pending())

        await eventually(look, f"{step} is taken")
        await asyncio.sleep(_DELIVERY_SECONDS)

    async def freeze(self) -> int:
        """Freeze the recovery site's worker while it waits for work."""
        await self.ready("recovery")
        pid = self.worker("recovery")
        await eventually(lambda: self._asks_for_work(pid), "the worker of recovery asks for work")
        os.kill(pid, signal.SIGSTOP)
        return pid

    async def _asks_for_work(self, pid: int) -> bool:
        """The server holds a request of this worker. A server that was started again has none for a second or so,
        and gives nothing to a worker that is frozen before."""
        asked = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=site_queue("recovery")),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        found = await self.client.workflow_service.describe_task_queue(asked, retry=True)
        return any(poller.identity.startswith(f"{pid}@") for poller in found.pollers)

    async def hold(self, step: str) -> int:
        """Let a paused run go on by one step, which a frozen worker takes; its process."""
        pid = await self.freeze()
        await self.tell("resume")
        await self.taken(step)
        if step != STEPS[-1]:
            await self.tell("pause")
        return pid

    async def pass_over(self, *steps: str) -> None:
        """Let these steps happen undisturbed, and none after them."""
        for step in steps:
            os.kill(await self.hold(step), signal.SIGCONT)
            await self.done(step)

    async def die_before(self, step: str) -> None:
        """kill -9 with the step taken and its call not begun."""
        await self.hold(step)
        self.kill_worker("recovery")

    async def die_after(self, step: str, stands: Callable[[], bool]) -> None:
        """kill -9 with the step's effect standing and its answer lost."""
        pid = await self.hold(step)
        self.cable("break")
        os.kill(pid, signal.SIGCONT)
        await eventually(stands, f"the effect of {step} stands")
        self.kill_worker("recovery")
        # What the worker said before it died still travels in the cable, and would arrive after the repair.
        self.lose_what_travels()
        self.cable("repair")
