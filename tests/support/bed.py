"""A test bed: a real Temporal server, real workflows and verbs, over a simulated world."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker import Worker

from activities.bench import Bench
from activities.hold_schedules import HeldSchedules
from activities.lease import Leases
from activities.people.register import KEY_VARIABLE, new_key
from activities.people.register import Register as PeopleRegister
from activities.people.signatures import ALLOWED_SIGNERS
from activities.preflight import Preflight
from activities.prove import Prove
from activities.providers.registry import Registry
from activities.send_notice import SendNotice
from activities.watch_holder import Watch
from tests.support.runbooks import sim_runbook
from tests.support.sim import World, kinds
from tests.support.sim_books import Hall, SimBookkeeping, SimBubbles, SimVerify
from workers import worker as product
from workers.sandbox import plain_runner
from workflows.model.entity import ApplicationState, Orphan, application_workflow_id
from workflows.model.messages import CONTROL_QUEUE, site_queue
from workflows.model.progress import PostureReport, ProgressView, ReplicationReport, RunState
from workflows.model.report import Report
from workflows.model.requests import Answer, Approval
from workflows.model.runbook import Runbook

_RESULTS = {"Replicate": ReplicationReport, "Posture": PostureReport}
_REPLACED = ("verify", "open_bubble", "prove_isolation", "close_bubble")
"""Activities that touch what a simulated world does not have."""


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


class Crew:
    """The workers of control and of both sites, shared by all beds of a module: starting them is most of a test."""

    def __init__(self, client: Client, state_dir: Path) -> None:
        self.client = client
        self.hall = Hall()
        self._state_dir = state_dir
        self.people_file = state_dir / "people.json"
        self.people = PeopleRegister(self.people_file, {KEY_VARIABLE: new_key()})
        self.folder = state_dir
        """Where the policy would stand."""
        self.signers = state_dir / ALLOWED_SIGNERS
        self._workers: dict[str, contextlib.AsyncExitStack] = {}
        self.options: dict[str, dict[str, Any]] = {}
        """With what each site's worker was started last."""

    async def start(self, site: str, name: str = "", **options: Any) -> None:
        """Start the worker of a site; `options` are the SDK's. A second one beside it has a name of its own."""
        self.options[site] = options
        stack = contextlib.AsyncExitStack()
        await stack.enter_async_context(self._make(site, options))
        self._workers[name or site] = stack

    async def stop(self, name: str) -> None:
        """Stop it; what it was doing is cut off."""
        await self._workers.pop(name).aclose()

    @property
    def standing(self) -> frozenset[str]:
        """The sites whose workers run."""
        return frozenset(self._workers)

    async def stop_all(self) -> None:
        """End of the module."""
        await asyncio.gather(*(self.stop(site) for site in [*self._workers]))

    def _make(self, site: str, options: dict[str, Any]) -> Worker:
        bench = Bench(Registry(kinds(self.hall.worlds)), site, self._state_dir)
        bubbles = SimBubbles(self.hall, site)
        activities = [a for a in product.verb_activities(bench) if _name(a) not in _REPLACED]
        activities += [SimVerify(self.hall).verify, Preflight(bench).preflight]
        activities += [bubbles.open_bubble, bubbles.prove_isolation, bubbles.close_bubble]
        control = site == "control"
        if control:
            leases, books = Leases(self.client), SimBookkeeping(self.hall, self._state_dir)
            activities += [
                books.load_runbook,
                books.write_report,
                books.write_page,
                leases.acquire_lease,
                leases.release_lease,
            ]
            activities += [leases.application_state, leases.note_drill, leases.note_replication, leases.is_live_drill]
            activities += [SendNotice(self._state_dir, seconds=1.0).send_notice]
            activities += [Prove(self.client, self.people, self._state_dir).prove]
            schedules = HeldSchedules(self.client)
            activities += [schedules.hold_schedules, schedules.is_scheduled]
            activities += [Watch(self.client, every=0.5).watch_holder]
        return Worker(
            self.client,
            task_queue=CONTROL_QUEUE if control else site_queue(site),
            activities=activities,
            max_heartbeat_throttle_interval=timedelta(seconds=1),
            default_heartbeat_throttle_interval=timedelta(seconds=1),
            **{
                "workflows": list(product.WORKFLOWS) if control else [],
                "workflow_runner": plain_runner(),
                # A machine that is busy with something else is not taken for a workflow that does not yield.
                "debug_mode": True,
                **options,
            },
        )


_CREWS: dict[int, Crew] = {}


@contextlib.asynccontextmanager
async def crew(client: Client, state_dir: Path, **options: Any) -> AsyncIterator[Crew]:
    """The workers that every bed over this client uses for as long as they stand; `options` are those of control's."""
    made = Crew(client, state_dir)
    await made.start("control", **options)
    for site in ("primary", "recovery"):
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
        return await self.launch("Failover", planned=planned, **fields)

    async def launch(
        self,
        kind: str,
        *,
        id: str = "",
        reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.REJECT_DUPLICATE,
        **fields: Any,
    ) -> WorkflowHandle[Any, Any]:
        """Start any workflow, with `fields` of its request."""
        request = {"runbook": self.runbook.application, "reason": "a test", "requested_by": "carl"} | fields
        if kind in _RESULTS:
            request = {"runbook": self.runbook.application} | fields
        return await self.client.start_workflow(
            kind,
            request,
            id=id or f"{kind.lower()}/{self.runbook.application}/{uuid.uuid4()}",
            task_queue=CONTROL_QUEUE,
            result_type=_RESULTS.get(kind, Report),
            id_reuse_policy=reuse,
        )

    async def complete(self, kind: str, **fields: Any) -> Report:
        """Start a run that people agree to, and see it through."""
        run = await self.launch(kind, **fields)
        await self.approve(run)
        report: Report = await run.result()
        return report

    async def state(self) -> ApplicationState:
        """What the application's entity knows."""
        handle = self.client.get_workflow_handle(application_workflow_id(self.runbook.application))
        state: ApplicationState = await handle.query("state", result_type=ApplicationState)
        return state

    async def orphan(self) -> Orphan:
        """Wait until the entity has noticed that the run that held the lease has ended."""

        async def found() -> Orphan | None:
            return (await self.state()).orphan

        noticed: Orphan = await eventually(found)
        return noticed

    def change(self, **fields: Any) -> None:
        """Edit the runbook, for runs that begin from now on; `lacking` names verbs that its data cannot do."""
        hall, name = self.crew.hall, self.runbook.application
        hall.lacking[name] = fields.pop("lacking", hall.lacking.get(name, set()))
        self.runbook = hall.runbooks[name] = sim_runbook(**{"application": name, **fields}) if fields else self.runbook

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
