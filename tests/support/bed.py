"""A test bed: a real Temporal server, real workflows and verbs, over a simulated world."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker import Worker

from activities.bench import Bench
from activities.lease import Leases
from activities.providers.base import Context
from activities.providers.registry import Registry
from activities.wire import Pulse, on_the_wire, verb
from tests.support.runbooks import loaded, sim_runbook
from tests.support.sim import World, kinds
from workers import worker as product
from workers.sandbox import runner
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import (
    CONTROL_QUEUE,
    Answer,
    Approval,
    FailoverRequest,
    LoadedRunbook,
    LoadRunbookRequest,
    ProgressView,
    RunState,
    StepRequest,
    StepResult,
    site_queue,
)
from workflows.model.report import Report, WriteReportRequest, WrittenReport
from workflows.model.runbook import Runbook
from workflows.model.verbs import Verb


async def eventually(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait until the condition gives something true; its value. A bounded wait, never a sleep of a guessed length."""
    end = time.monotonic() + seconds
    pause = 0.02
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(pause)
        # A query costs the worker a task: a test that asks ever faster slows down what it waits for.
        pause = min(pause * 1.5, 0.25)


@dataclass
class Hall:
    """What one set of workers serves: many applications, each with a world and a runbook of its own."""

    worlds: dict[str, World] = field(default_factory=dict)
    runbooks: dict[str, Runbook] = field(default_factory=dict)
    reports: dict[str, list[Report]] = field(default_factory=dict)


class SimBookkeeping:
    """Runbooks from memory, reports to memory; the same activity names as the real ones."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    @activity.defn(name="load_runbook")
    async def load_runbook(self, request: LoadRunbookRequest) -> LoadedRunbook:
        with on_the_wire():
            runbook = self._hall.runbooks.get(request.name)
            if runbook is None:
                raise PermanentError(Code.RUNBOOK_NOT_FOUND, f"There is no runbook {request.name!r}.")
            world = self._hall.worlds[request.name]
            if "load" in world.held:
                world.hanging.set()
                await world.released.wait()
            return loaded(runbook)

    @activity.defn(name="write_report")
    async def write_report(self, request: WriteReportRequest) -> WrittenReport:
        with on_the_wire():
            world = self._hall.worlds.get(request.report.application)
            if world and "report" in world.held:
                world.hanging.set()
                await world.released.wait()
            if world and "no-report" in world.held:
                raise PermanentError(Code.CONFIGURATION, "The report folder is gone.")
            self._hall.reports.setdefault(request.report.application, []).append(request.report)
            return WrittenReport(files=())


class SimVerify:
    """The public check of the simulated world: users reach a site whose application runs over a serving database."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    @verb(Verb.VERIFY)
    async def verify(self, request: StepRequest, pulse: Pulse) -> StepResult:
        world = self._hall.worlds[request.ref.application]
        await world.strike(Verb.VERIFY, "before", Context("", Path(), still_mine=pulse.still_mine))
        site = world.route
        if ("db", site) in world.serving and ("app", site) in world.running:
            return StepResult(changed=False, detail="users are served")
        raise PermanentError(Code.CHECK_FAILED, f"Users reach {site}, which does not serve.")


class Crew:
    """The workers of control and of both sites, shared by all beds of a module: starting them is most of a test."""

    def __init__(self, client: Client, state_dir: Path) -> None:
        self.client = client
        self.hall = Hall()
        self._state_dir = state_dir
        self._workers: dict[str, contextlib.AsyncExitStack] = {}

    async def start(self, site: str, **options: Any) -> None:
        """Start the worker of a site; `options` are the SDK's."""
        stack = contextlib.AsyncExitStack()
        await stack.enter_async_context(self._make(site, options))
        self._workers[site] = stack

    async def stop(self, site: str) -> None:
        """Stop it; what it was doing is cut off."""
        await self._workers.pop(site).aclose()

    async def stop_all(self) -> None:
        """End of the module."""
        await asyncio.gather(*(self.stop(site) for site in [*self._workers]))

    def _make(self, site: str, options: dict[str, Any]) -> Worker:
        bench = Bench(Registry(kinds(self.hall.worlds)), site, self._state_dir)
        activities = [a for a in product.verb_activities(bench) if _name(a) != Verb.VERIFY.value]
        activities.append(SimVerify(self.hall).verify)
        control = site == "control"
        if control:
            leases, books = Leases(self.client), SimBookkeeping(self.hall)
            activities += [books.load_runbook, books.write_report, leases.acquire_lease, leases.release_lease]
        return Worker(
            self.client,
            task_queue=CONTROL_QUEUE if control else site_queue(site),
            workflows=list(product.WORKFLOWS) if control else [],
            activities=activities,
            **{"workflow_runner": runner(), **options},
        )


_CREWS: dict[int, Crew] = {}


@contextlib.asynccontextmanager
async def crew(client: Client, state_dir: Path) -> AsyncIterator[Crew]:
    """The workers that every bed over this client uses for as long as they stand."""
    made = Crew(client, state_dir)
    for site in ("control", "primary", "recovery"):
        await made.start(site)
    _CREWS[id(client)] = made
    try:
        yield made
    finally:
        del _CREWS[id(client)]
        await made.stop_all()


@dataclass
class Bed:
    """One test's world, runbook and client, over a crew."""

    crew: Crew
    world: World
    runbook: Runbook

    @property
    def client(self) -> Client:
        return self.crew.client

    @property
    def reports(self) -> list[Report]:
        """The reports of this application, in the order in which they were written."""
        return self.crew.hall.reports.setdefault(self.runbook.application, [])

    @property
    def books(self) -> "Bed":
        """Where the reports are."""
        return self

    async def start(self, planned: bool = False, **fields: Any) -> WorkflowHandle[Any, Report]:
        """Start a failover as a person would."""
        request = FailoverRequest(
            runbook=fields.pop("runbook", self.runbook.application),
            reason="a test",
            planned=planned,
            requested_by=fields.pop("requested_by", "carl"),
            **fields,
        )
        return await self.client.start_workflow(
            "Failover",
            request,
            id=f"failover/{self.runbook.application}/{uuid.uuid4()}",
            task_queue=CONTROL_QUEUE,
            result_type=Report,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )

    async def progress(self, handle: WorkflowHandle[Any, Any]) -> ProgressView:
        view: ProgressView = await handle.query("progress", result_type=ProgressView)
        return view

    async def until(self, handle: WorkflowHandle[Any, Any], state: RunState) -> ProgressView:
        """Wait until the run is in that state."""

        async def reached() -> ProgressView | None:
            view = await self.progress(handle)
            return view if view.state is state else None

        view: ProgressView = await eventually(reached)
        return view

    async def approve(self, handle: WorkflowHandle[Any, Any], approver: str = "anna") -> str:
        """Wait for the gate, and agree."""
        view = await self.until(handle, RunState.AWAITING_APPROVAL)
        assert view.gate is not None
        said: str = await handle.execute_update("approve", Approval(approver=approver, code=view.gate.code))
        return said

    async def tell(self, handle: WorkflowHandle[Any, Any], action: str, **fields: Any) -> str:
        """Answer or steer the run."""
        said: str = await handle.execute_update(action, Answer(by="anna", **fields))
        return said


def _name(method: Callable[..., Any]) -> str:
    return str(activity._Definition.must_from_callable(method).name)


@contextlib.asynccontextmanager
async def bed(client: Client, state_dir: Path, world: World | None = None, **changes: Any) -> AsyncIterator[Bed]:
    """A bed whose application has a name and a world of its own, over the crew that stands, or one made for it."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    async with contextlib.AsyncExitStack() as stack:
        standing = _CREWS.get(id(client))
        found = standing if standing else await stack.enter_async_context(crew(client, state_dir))
        made = Bed(found, world or World.healthy(), sim_runbook(application=name, **changes))
        found.hall.worlds[name], found.hall.runbooks[name] = made.world, made.runbook
        yield made
