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
from activities.providers.registry import Registry
from activities.wire import Pulse, verb
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
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.03)


class SimBookkeeping:
    """Runbooks from memory, reports to memory; the same activity names as the real ones."""

    def __init__(self, runbook: Runbook) -> None:
        self.runbook = runbook
        self.reports: list[Report] = []

    @activity.defn(name="load_runbook")
    async def load_runbook(self, request: LoadRunbookRequest) -> LoadedRunbook:
        if request.name != self.runbook.application:
            from activities.wire import on_the_wire

            with on_the_wire():
                raise PermanentError(Code.RUNBOOK_NOT_FOUND, f"There is no runbook {request.name!r}.")
        return loaded(self.runbook)

    @activity.defn(name="write_report")
    async def write_report(self, request: WriteReportRequest) -> WrittenReport:
        self.reports.append(request.report)
        return WrittenReport(files=())


class SimVerify:
    """The public check of the simulated world: users reach a site whose application runs over a serving database."""

    def __init__(self, world: World) -> None:
        self.world = world

    @verb(Verb.VERIFY)
    async def verify(self, request: StepRequest, _pulse: Pulse) -> StepResult:
        await self.world.strike(Verb.VERIFY, "before")
        site = self.world.route
        if ("db", site) in self.world.serving and ("app", site) in self.world.running:
            return StepResult(changed=False, detail="users are served")
        raise PermanentError(Code.CHECK_FAILED, f"Users reach {site}, which does not serve.")


@dataclass
class Bed:
    """One test's world, workers and client."""

    client: Client
    world: World
    runbook: Runbook
    state_dir: Path
    books: SimBookkeeping = field(init=False)
    workers: dict[str, Worker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.books = SimBookkeeping(self.runbook)

    def make_worker(self, site: str) -> Worker:
        """The worker of a site over the simulated world."""
        bench = Bench(Registry(kinds(self.world)), site, self.state_dir)
        activities = [a for a in product.verb_activities(bench) if _name(a) != Verb.VERIFY.value]
        activities.append(SimVerify(self.world).verify)
        control = site == "control"
        if control:
            leases = Leases(self.client)
            activities += [
                self.books.load_runbook,
                self.books.write_report,
                leases.acquire_lease,
                leases.release_lease,
            ]
        return Worker(
            self.client,
            task_queue=CONTROL_QUEUE if control else site_queue(site),
            workflows=list(product.WORKFLOWS) if control else [],
            activities=activities,
            workflow_runner=runner(),
        )

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
async def bed(
    client: Client, state_dir: Path, world: World | None = None, sites: tuple[str, ...] = (), **changes: Any
) -> AsyncIterator[Bed]:
    """A bed whose application has a name of its own, with workers for control and for the sites."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    made = Bed(client, world or World.healthy(), sim_runbook(application=name, **changes), state_dir)
    async with contextlib.AsyncExitStack() as stack:
        for site in ("control", *(sites or ("primary", "recovery"))):
            made.workers[site] = await stack.enter_async_context(made.make_worker(site))
        yield made
