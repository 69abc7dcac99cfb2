"""Plays one scenario over a bed: starts its runs, is the people and the platform, and keeps a record.

Nothing here judges. What a client is told is written down; whether it should have been told so is the checker's word.
"""

import asyncio
import contextlib
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.history.v1 import History
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from tests.support.bed import Bed, bed, eventually
from tests.support.sim import Fault, World
from tests.support.sim_world import SECRET
from tests.torture.collect import effects_of, events_of
from tests.torture.deeds import Deeds
from tests.torture.devices import Devices
from tests.torture.people import People
from tests.torture.record import Operation, Record, RunRecord, Wanted, WritersAt
from tests.torture.scenario import Leg, Scenario
from tests.torture.started import Started
from tests.torture.worlds import SHAPES
from workflows.model.progress import ProgressView
from workflows.model.report import Report

_TRIES = 3
_PATIENCE = timedelta(seconds=30)

LIMIT = 300.0
"""Seconds after which a leg that has not ended is left as it is; the checker calls it stuck."""

_WAKING = 2.0
_NUDGE = 0.2

APPROVERS = ("anna", "ben", "carl")
REQUESTER = "carl"

_CHAT = "SEAWALL_TORTURE_CHAT"
DEAD_CHANNELS = {
    "channels": {
        "chat": {"url": {"env": _CHAT}, "fallback": "mail"},
        "mail": {"url": {"env": "SEAWALL_TORTURE_THAT_IS_NOT_SET"}},
    },
    "audiences": {"responders": ["chat"]},
    "escalation": [{"after": "1s", "to": ["mail"]}],
    "repeat_last": "5s",
}


class Play:
    """One scenario on its way."""

    def __init__(self, made: Bed, scenario: Scenario, limit: float = LIMIT) -> None:
        self._limit = limit
        self.bed = made
        self.world: World = made.world
        self.scenario = scenario
        self.operations: list[Operation] = []
        self.histories: dict[str, bytes] = {}
        self.started: list[Started] = []
        self.written: list[str] = ["1", "2", "3"]
        self.epochs: dict[str, int] = {}
        self.leg_number = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.devices = Devices(made.crew)
        self.people = People(self)
        self.deeds = Deeds(self)

    @property
    def client(self) -> Client:
        return self.bed.client

    @property
    def leg(self) -> Leg:
        """The leg that is being played."""
        return self.scenario.legs[self.leg_number]

    def note(self, name: str, outcome: str, **fields: Any) -> None:
        """Write down what was asked and what became of it."""
        self.operations.append(Operation(name=name, at=datetime.now(UTC), outcome=outcome, **fields))

    async def ask(
        self, started: Started, name: str, request: Any, *, by: str = "", why: str = "", code: str = ""
    ) -> bool:
        """Send an update; `why` says what is wrong with it, when it must be refused. Whether it was taken.

        Who gets no answer says it again, as people do: it may have been taken, and is then refused as given already.
        """
        for _ in range(_TRIES):
            outcome = await self._ask_once(started, name, request, by=by, why=why, code=code)
            if outcome != "info":
                break
        return outcome == "ok"

    async def _ask_once(self, started: Started, name: str, request: Any, *, by: str, why: str, code: str) -> str:
        said, outcome = "", "ok"
        try:
            said = str(await started.handle.execute_update(name, request, rpc_timeout=_PATIENCE))
        except RPCError as error:
            said, outcome = error.message, "info"
        except TemporalError as error:
            said, outcome = str(error.__cause__ or error), "fail"
        self.note(name, outcome, said=said, by=by, run=started.run, code=code, must_fail=bool(why), why=why)
        return outcome

    async def begin(self, leg: Leg, *, rival: bool = False, id: str = "") -> Started:
        """Start one run."""
        fields = {"requested_by": REQUESTER} | leg.fields
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE
        handle = await self.bed.launch(leg.workflow, id=id, reuse=reuse, **fields)
        return self.register(handle, handle.result_run_id or "", leg.workflow, rival=rival)

    def register(self, handle: WorkflowHandle[Any, Any], run: str, kind: str, **fields: Any) -> Started:
        """Take an execution into the record."""
        pinned = self.client.get_workflow_handle(handle.id, run_id=run, result_type=Report)
        made = Started(pinned, run, kind, self.leg_number, **fields)
        self.started.append(made)
        return made

    def spawn(self, work: Any) -> asyncio.Task[None]:
        """Do something beside everything else, and wait for it at the end of the leg."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def view(self, started: Started) -> ProgressView | None:
        """What the run shows now; None when nobody answers."""
        try:
            view: ProgressView = await started.handle.query("progress", result_type=ProgressView, rpc_timeout=_PATIENCE)
        except (RPCError, TemporalError):
            return None
        return view

    async def play(self) -> None:
        """All legs, one after the other."""
        for shape in self.scenario.world:
            SHAPES[shape](self.world)
        if "behind" in self.scenario.world or "diverged" in self.scenario.world:
            self.written += [row for row in self.world.rows[("db", "primary")] if row not in self.written]
        self.world.look()
        self.epochs = {**self.world.epochs}
        for number in range(len(self.scenario.legs)):
            self.leg_number = number
            await self._play_leg(self.leg)

    async def _play_leg(self, leg: Leg) -> None:
        world = self.world
        for shape in leg.before:
            SHAPES[shape](world)
        world.look()
        world.faults = {t.at: Fault(t.how, t.times, Fault(t.then, -1) if t.then else None) for t in leg.troubles}
        world.interrupts.clear()
        id = self.started[-1].handle.id if leg.repeats else ""
        first = [await self.begin(leg, id=id) for _ in range(leg.starts)]
        self.deeds.prepare(leg, first[0])
        for started in first:
            self.spawn(self.people.attend(started))
        await self._settled()
        await self.deeds.afterwards(leg, first[0])
        await self._settled()
        await self._tidy(leg)

    async def _settled(self) -> None:
        end = time.monotonic() + self._limit
        while self.tasks and time.monotonic() < end:
            await asyncio.wait(self.tasks, timeout=end - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
        while left := [*self.tasks]:
            # Again and again: the client turns a cancel that strikes in the middle of a call into an error of the call.
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_NUDGE)

    async def _tidy(self, leg: Leg) -> None:
        """What slept wakes up, and what was on its way lands, before the next leg; save what is to wake up in it."""
        world = self.world
        if any(act.at == "frozen" for act in leg.acts):
            return
        world.released.set()
        world.landing.set()
        world.thawed.set()
        await self._awake()
        world.released, world.landing, world.thawed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        world.hanging = asyncio.Event()

    async def _awake(self) -> None:
        """Wait until what slept has woken up, and what was on its way has landed; what its worker lost never will."""
        world = self.world
        with contextlib.suppress(AssertionError):
            await eventually(lambda: (len(world.woken), len(world.landed)) == (world.asleep, world.taken), _WAKING)

    # --- The record ---

    async def record(self, wall: float) -> Record:
        """Everything that is known now."""
        runs = [await self._run(started) for started in self.started]
        known = {run.run for run in runs}
        for report in self.bed.reports:
            if report.run_id not in known:
                known.add(report.run_id)
                handle = self.client.get_workflow_handle(report.workflow_id, run_id=report.run_id)
                child = Started(handle, report.run_id, report.operation.value.capitalize(), -1, rival=True)
                runs.append(await self._run(child))
        entity = None
        with contextlib.suppress(RPCError, TemporalError):
            entity = await self.bed.state()
        leaks = tuple(f"the history of {run.handle.id}" for run in self.started if run.leaked)
        world, scenario = self.world, self.scenario
        return Record(
            seed=scenario.seed,
            scenario=scenario.name,
            kind=scenario.kind,
            approvers=APPROVERS,
            required=scenario.required,
            requester=REQUESTER,
            proofs=self._proofs(),
            told=self.scenario.told,
            rpo_seconds=self.bed.runbook.objectives.rpo.total_seconds(),
            effects=effects_of(world.effects),
            rehearsed=effects_of(world.rehearsed),
            writers=tuple(WritersAt(at=at, pairs=pairs, verb=verb) for at, pairs, verb in world.writers),
            stood=self.epochs,
            routes=tuple(world.routes),
            operations=tuple(self.operations),
            runs=tuple(runs),
            entity=entity,
            wanted=tuple(
                Wanted(leg=n, ends=leg.ends, codes=leg.codes, refusal=leg.refusal, starts=leg.starts)
                for n, leg in enumerate(scenario.legs)
            ),
            serving=tuple(sorted(world.serving)),
            standby=tuple(sorted(world.standby)),
            running=tuple(sorted(world.running)),
            rows={f"{name}@{site}": tuple(rows) for (name, site), rows in world.rows.items()},
            written=tuple(self.written),
            archived=tuple(row for rows in world.archived.values() for row in rows),
            wiped=tuple(world.wiped),
            bubbles=tuple(world.bubbles),
            leaks=leaks,
            histories=self.histories,
            wall_seconds=wall,
        )

    def _proofs(self) -> dict[str, tuple[str, ...]] | None:
        if not self.bed.runbook.approvals.proofs:
            return None
        return {name: tuple(made) for name, made in self.devices.made.items()}

    async def _run(self, started: Started) -> RunRecord:
        history = await started.handle.fetch_history()
        raw = History(events=history.events).SerializeToString()
        started.leaked = SECRET.encode() in raw
        self.histories[started.run] = raw
        found = await started.handle.describe()
        status = found.status or WorkflowExecutionStatus.RUNNING
        view = await self.view(started)
        report = next((r for r in self.bed.reports if r.run_id == started.run), None)
        if report is None and status is WorkflowExecutionStatus.COMPLETED:
            report = await started.handle.result(follow_runs=False)
        return RunRecord(
            workflow=started.handle.id,
            run=started.run,
            kind=started.kind,
            leg=started.leg,
            status=status.name,
            events=events_of(history.events),
            view=view,
            report=report,
            codes=tuple(started.codes),
            since=found.start_time,
            reset_from=started.reset_from,
            terminated_by_us=started.terminated,
            rival=started.rival,
        )

    async def close(self) -> None:
        """Leave nothing running: neither what was left parked, nor the application's entity."""
        for started in self.started:
            with contextlib.suppress(RPCError):
                await started.handle.terminate("the scenario is over")
        with contextlib.suppress(RPCError):
            entity = self.client.get_workflow_handle(f"application/{self.bed.runbook.application}")
            await entity.terminate("the scenario is over")


async def played(client: Client, scenario: Scenario, state_dir: Any, limit: float = LIMIT) -> Record:
    """Play a scenario, and tell what is known of it."""
    world = World.healthy(hot=scenario.hot)
    begun = time.monotonic()
    os.environ[_CHAT] = "json://127.0.0.1:9/"  # where nobody listens
    rule = {"approvers": list(APPROVERS), "required": scenario.required}
    changes = {
        "approvals": {"proofs": ["otp", "ssh"] if scenario.proofs else [], "failover": rule},
        **({"notices": DEAD_CHANNELS} if scenario.told else {}),
        **scenario.changes,
    }
    async with bed(client, state_dir, world, **changes) as made:
        play = Play(made, scenario, limit)
        try:
            await play.play()
            return await play.record(time.monotonic() - begun)
        finally:
            await play.close()
            hall = made.crew.hall
            for shelf in (hall.worlds, hall.runbooks, hall.reports):
                shelf.pop(made.runbook.application, None)
