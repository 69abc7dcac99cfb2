"""What people and the platform do to a run besides answering it: at a gate, at its end, or with a call in flight."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError

from tests.torture.scenario import BEFORE_THE_ANSWER, Act, Leg
from tests.torture.started import Started
from workflows.model.entity import ApplicationState, application_workflow_id
from workflows.model.report import Report
from workflows.model.requests import Answer, FreeRequest

if TYPE_CHECKING:
    from tests.torture.driver import Play

_FLOOD = 10_001
"""One more than the server takes of a kind by default."""

_BESIDE = ("gate", "parked", "end", "frozen")


class Deeds:
    """Does what the acts of a leg say."""

    def __init__(self, play: "Play") -> None:
        self._play = play
        self._open: list[Act] = []

    def prepare(self, leg: Leg, started: Started) -> None:
        """Lay the acts of a leg where they will be met."""
        world = self._play.world
        self._open = [act for act in leg.acts if act.at in _BESIDE]
        for act in leg.acts:
            if act.at == "frozen":
                self._play.spawn(self._when_frozen(act, started))
            elif act.at not in _BESIDE:
                world.interrupts.setdefault((act.at, act.when), []).append(self._bound(act, started))
        if world.thawed.is_set() or self._asleep():
            world.interrupts.setdefault(("flip_dns", "before"), []).append(self._thaw)
        world.interrupts.setdefault(("promote", "after"), []).append(self._land)

    async def at(self, moment: str, started: Started) -> None:
        """Do what was laid at the gate, at a parked step, or at the end."""
        for act in [act for act in self._open if act.at == moment]:
            self._open.remove(act)
            await self.do(act, started)

    async def afterwards(self, leg: Leg, started: Started) -> None:
        """Once the run is over: the acts at its end; and where it was terminated, people free its lease."""
        await self.at("end", started)
        if any(act.deed == "terminate" for act in leg.acts) and started.terminated:
            await self._free(started)

    async def do(self, act: Act, started: Started) -> None:
        """One deed."""
        await getattr(self, "_" + act.deed.replace("-", "_"))(act, started)

    def _bound(self, act: Act, started: Started) -> Callable[[], Awaitable[None]]:
        async def later() -> None:
            await self.do(act, started)

        return later

    def _asleep(self) -> bool:
        return any(act.at == "frozen" for leg in self._play.scenario.legs[: self._play.leg_number] for act in leg.acts)

    async def _thaw(self) -> None:
        self._play.world.thawed.set()

    async def _land(self) -> None:
        self._play.world.landing.set()

    async def _when_frozen(self, act: Act, started: Started) -> None:
        await self._play.world.hanging.wait()
        self._open.remove(act)
        await self.do(act, started)

    # --- Asking it to stop ---

    async def _cancel(self, act: Act, started: Started) -> None:
        with contextlib.suppress(RPCError):
            await started.handle.cancel()
            self._play.note("cancel", "ok", run=started.run)

    async def _cancel_twice(self, act: Act, started: Started) -> None:
        await self._cancel(act, started)

        async def again() -> None:
            await self._cancel(act, started)

        for verb in ("unfence", "stop_instances"):
            self._play.world.interrupts.setdefault((verb, "before"), []).append(again)

    async def _abort(self, act: Act, started: Started) -> None:
        await self._play.ask(started, "abort", Answer(by="anna", reason="enough"), by="anna")

    async def _pause(self, act: Act, started: Started) -> None:
        await self._play.ask(started, "pause", Answer(by="anna"), by="anna")
        await self._play.ask(started, "resume", Answer(by="anna"), by="anna")

    async def _terminate(self, act: Act, started: Started) -> None:
        with contextlib.suppress(RPCError):
            started.terminated = True
            await started.handle.terminate("a scenario says so")
            self._play.note("terminate", "ok", run=started.run)

    # --- Resetting it ---

    async def _reset(self, act: Act, started: Started) -> None:
        """A deed in the middle of a step is nobody's task; the old execution ends before the new one is known, and the
        leg must not be over between them."""
        await asyncio.wait({self._play.spawn(self._reset_now(act, started))})

    async def _reset_now(self, act: Act, started: Started) -> None:
        """What the Web UI's Reset does, with its default of re-applying signals and updates."""
        client = self._play.client
        events = (await started.handle.fetch_history()).events
        done = [e.event_id for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
        asked = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
        answers = [e.event_id for e in events if e.event_type == asked]
        if act.where == BEFORE_THE_ANSWER and answers:
            done = [task for task in done if task < answers[0]]
        point = done[-1] if act.where == BEFORE_THE_ANSWER else done[min(int(act.where * len(done)), len(done) - 1)]
        try:
            answer = await client.workflow_service.reset_workflow_execution(
                ResetWorkflowExecutionRequest(
                    namespace=client.namespace,
                    workflow_execution=WorkflowExecution(workflow_id=started.handle.id, run_id=started.run),
                    reason="a scenario says so",
                    workflow_task_finish_event_id=point,
                    request_id=str(uuid.uuid4()),
                )
            )
            again_run = answer.run_id
        except RPCError as error:
            # The server is under load, and may have done what it does not tell of.
            await asyncio.sleep(1.0)
            newest = (await client.get_workflow_handle(started.handle.id).describe()).run_id
            if newest == started.run:
                self._play.note("reset", "fail", run=started.run, said=error.message)
                return
            again_run = newest
        started.terminated = True
        self._play.note("reset", "ok", run=started.run, said=f"to event {point} of {len(events)}")
        again = self._play.register(started.handle, again_run, started.kind, reset_from=started.run)
        again.old_codes = [*started.codes]
        self._play.spawn(self._play.people.attend(again))

    # --- Beside it ---

    async def _rival(self, act: Act, started: Started) -> None:
        """Another run of the same application: refused, save where it is real and the first one a drill."""
        leg = Leg(workflow="Failover", ends=("REFUSED",))
        rival = await self._play.begin(leg, rival=True)
        if started.kind == "Drill":
            self._play.spawn(self._play.people.attend(rival))
            return
        await self._told_busy(rival, "a run beside another")

    async def _drill(self, act: Act, started: Started) -> None:
        drill = await self._play.begin(Leg(workflow="Drill", ends=("REFUSED",)), rival=True)
        await self._told_busy(drill, "a drill beside a run")

    async def _told_busy(self, rival: Started, why: str) -> None:
        code = ""
        with contextlib.suppress(WorkflowFailureError):
            report: Report = await rival.handle.result()
            code = report.code if report.end_state == "REFUSED" else report.end_state.value
        outcome = "fail" if code == "APPLICATION_BUSY" else "ok"
        self._play.note("start", outcome, said=code, run=rival.run, must_fail=True, why=why)

    async def _junk(self, act: Act, started: Started) -> None:
        for number in range(5):
            with contextlib.suppress(RPCError):
                await started.handle.signal(f"nonsense-{number % 2}", {"approve": True, "code": "ZZZZ"})
        await self._play.ask(started, "nonsense", {"by": "x"}, why="no such update")
        await self._play.ask(started, "approve", {"approver": "anna", "cod": 3}, why="no code")
        await self._play.ask(started, "skip", {"by": "anna", "step": "moon"}, why="no such step")

    async def _flood(self, act: Act, started: Started) -> None:
        for first in range(0, _FLOOD, 50):
            numbers = range(first, min(first + 50, _FLOOD))
            signals = (started.handle.signal("nonsense", {"number": number}) for number in numbers)
            told = await asyncio.gather(*signals, return_exceptions=True)
            refused = [str(error) for error in told if isinstance(error, BaseException)]
        self._play.note("signals", "fail" if refused else "ok", run=started.run, said=" ".join(refused[:1]))

    async def _write(self, act: Act, started: Started) -> None:
        row = f"row-{len(self._play.written)}"
        if any(component == "db" for component, _ in self._play.world.serving):
            self._play.world.write(row)
            self._play.written.append(row)

    async def _kill_primary(self, act: Act, started: Started) -> None:
        self._play.world.kill("primary")
        self._play.world.look()

    # --- The workers ---

    async def _stop_control(self, act: Act, started: Started) -> None:
        self._play.spawn(self._restart("control"))

    async def _stop_primary(self, act: Act, started: Started) -> None:
        self._play.spawn(self._restart("primary"))

    async def _stop_recovery(self, act: Act, started: Started) -> None:
        self._play.spawn(self._restart("recovery"))

    async def _restart(self, site: str) -> None:
        crew = self._play.bed.crew
        options = crew.options.get(site, {})
        await crew.stop(site)
        await crew.start(site, **options)

    # --- After a terminate ---

    async def _free(self, started: Started) -> None:
        """A second run is refused; then a person looks where the application serves, and frees the lease."""
        play = self._play
        rival = await play.begin(Leg(workflow="Failover", ends=("REFUSED",)), rival=True)
        await self._told_busy(rival, "a run after one that was terminated")
        entity = play.client.get_workflow_handle(application_workflow_id(play.bed.runbook.application))
        state: ApplicationState = await entity.query("state", result_type=ApplicationState)
        if state.lease is None:
            return
        await play.bed.orphan()
        site = play.world.crowned["db"]
        for epoch, why in ((state.lease.epoch + 7, "another epoch"), (state.lease.epoch, "")):
            request = FreeRequest(by="anna", epoch=epoch, active_site=site, reason="looked at both sites")
            outcome, said = "ok", ""
            try:
                await entity.execute_update("free_lease", request)
            except WorkflowUpdateFailedError as error:
                outcome, said = "fail", str(error.cause)
            play.note("free_lease", outcome, said=said, by="anna", must_fail=bool(why), why=why)
