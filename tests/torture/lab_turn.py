"""One turn of the torture: a story is told in a lab, people answer what is asked, and the world is put right again."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from infra.lab import lab
from infra.lab.audit import Audit, audit, checksums
from infra.lab.load import Load, LoadSummary
from infra.lab.postgres import LabError
from infra.lab.watcher import Watcher, WatchSummary
from tests.integration.rig import APPROVER, Rig
from workers import control
from workflows.model.base import Message
from workflows.model.entity import ApplicationState
from workflows.model.failure import Code, PermanentError
from workflows.model.progress import ProgressView, RunState, StepState
from workflows.model.report import Report
from workflows.model.requests import (
    DrillRequest,
    FailoverRequest,
    ReprotectRequest,
    RunRequest,
    SwitchoverRequest,
)

from .lab_faults import Faults, Struck
from .lab_story import Story, Strike

T = TypeVar("T")

_MOVE_SECONDS = 150.0
_TRIES = 3
"""How often a person tries a parked step again, with everything mended, before they give up."""
_OVER = (StepState.DONE, StepState.SKIPPED, StepState.UNDONE, StepState.FAILED)


class Move(Message):
    """How one move went."""

    kind: str
    run: str
    report: Report | None
    """None for a run that was terminated, or that did not end in time."""
    status: str
    cancelled: bool = False
    """A cancel was sent, and the server took it."""
    terminated: bool = False


class Turn(Message):
    """Everything that is judged."""

    story: Story
    moves: tuple[Move, ...]
    struck: tuple[Struck, ...]
    load: LoadSummary
    watched: WatchSummary
    audited: Audit | None
    """None when nobody serves at the end."""
    served: bool
    application: ApplicationState | None
    leftovers: tuple[str, ...]
    checksums: dict[str, str]
    """Of both sites where one follows the other; empty otherwise."""
    seconds: float


async def patiently(ask: Callable[[], Awaitable[T]], within: float = 60.0) -> T:
    """Ask until there is an answer: the server or a worker may be down just now."""
    deadline = time.monotonic() + within
    while True:
        try:
            return await ask()
        except (PermanentError, RPCError) as error:
            known = isinstance(error, RPCError) or error.code is Code.UNREACHABLE
            if not known or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.05)


class Teller:
    """Tells one story in one lab, whose application is protected and served at `source`."""

    def __init__(self, rig: Rig, story: Story, source: str) -> None:
        self.rig = rig
        self.story = story
        self.source = source
        self.faults = self._faults()
        self.struck: list[Struck] = []
        self.moves: list[Move] = []

    def _faults(self) -> Faults:
        return Faults(self.rig, self.source, self.rig.info.other(self.source).name)

    async def tell(self) -> Turn:
        """The turn as it went; the lab is mended, and reprotected where that can be done."""
        began = time.monotonic()
        load, watcher = Load(self.rig.info), Watcher(self.rig.info)
        load.start()
        watcher.start()
        try:
            await self._first_orders(load)
            for number, kind in enumerate(self.story.moves):
                if not await self._move(number, kind):
                    break
            await asyncio.to_thread(self.faults.mend)
            served = await self._put_right(load)
        finally:
            summary, seen = await asyncio.to_thread(load.stop), await asyncio.to_thread(watcher.stop)
        return Turn(
            story=self.story,
            moves=tuple(self.moves),
            struck=tuple(self.struck),
            load=summary,
            watched=seen,
            audited=await asyncio.to_thread(self._audit, load),
            served=served,
            application=await self._application(),
            leftovers=tuple(self._leftovers()),
            checksums=await self._checksums(),
            seconds=time.monotonic() - began,
        )

    # --- Moves ---

    async def _move(self, number: int, kind: str) -> bool:
        """One move; whether the story may go on."""
        self.faults = self._faults()
        await asyncio.to_thread(self.faults.mend)
        if kind == "failover":
            await asyncio.to_thread(lab.break_, self.rig.info.folder, "kill", self.source)
        run = await patiently(lambda: control.start(self.rig.client, self._request(kind)))
        strikes = [strike for strike in self.story.strikes if strike.move == number]
        view = await self._follow(run, strikes)
        self.struck += self.faults.struck
        struck = {found.what for found in self.faults.struck}
        status = await self._status(run)
        ended = status in ("COMPLETED", "CANCELED")
        report = await patiently(lambda: control.report(self.rig.client, run)) if ended or view else None
        self.moves.append(
            Move(
                kind=kind,
                run=run,
                report=report,
                status=status,
                cancelled="cancel" in struck,
                terminated="terminate" in struck,
            )
        )
        if report is None or report.end_state is not RunState.RECOVERED:
            return False
        if kind in ("failover", "planned", "switchover"):
            self.source = report.target
        return True

    @staticmethod
    def _request(kind: str) -> RunRequest:
        asked: dict[str, Any] = {"runbook": "shop", "reason": "torture", "requested_by": "ben"}
        requests: dict[str, RunRequest] = {
            "failover": FailoverRequest(**asked),
            "planned": FailoverRequest(planned=True, **asked),
            "switchover": SwitchoverRequest(**asked),
            "reprotect": ReprotectRequest(**asked),
            "drill": DrillRequest(**asked),
        }
        return requests[kind]

    async def _follow(self, run: str, strikes: list[Strike]) -> ProgressView | None:
        """Strike when it is time, and answer what is asked, until the run ends or can go neither way."""
        due, tasks, tries, last = list(strikes), [], 0, None
        deadline = time.monotonic() + _MOVE_SECONDS
        while time.monotonic() < deadline:
            try:
                last = await control.progress(self.rig.client, run)
            except (PermanentError, RPCError):
                if await self._gone(run):
                    break
                await asyncio.sleep(0.05)
                continue
            done = sum(record.state in _OVER for record in last.steps)
            now = [strike for strike in due if done >= strike.after or last.gate is not None]
            due = [strike for strike in due if strike not in now]
            tasks += [asyncio.create_task(self.faults.strike(strike, run)) for strike in now]
            if last.state.ended:
                break
            if last.state is RunState.PARKED and all(task.done() for task in tasks):
                if tries >= _TRIES:
                    break
                tries += 1
                await self._answer_parked(run, last)
            elif last.gate is not None and last.state is RunState.AWAITING_APPROVAL:
                with contextlib.suppress(PermanentError, RPCError):
                    await control.approve(self.rig.client, run, APPROVER, last.gate.code)
            await asyncio.sleep(0.02)
        await asyncio.gather(*tasks)
        return last

    async def _answer_parked(self, run: str, view: ProgressView) -> None:
        """As a person would: mend what is broken, try again, and if that does not help, stop the run."""
        await asyncio.to_thread(self.faults.mend)
        await asyncio.sleep(1.0)
        for parked in view.parked:
            with contextlib.suppress(PermanentError, RPCError):
                await control.answer(self.rig.client, run, "retry", APPROVER, parked.step)

    async def _gone(self, run: str) -> bool:
        """Whether nobody will answer for the run any more."""
        try:
            return await self._status(run) in ("TERMINATED", "FAILED", "TIMED_OUT")
        except (PermanentError, RPCError):
            return False

    async def _status(self, run: str) -> str:
        described = await patiently(lambda: self.rig.client.get_workflow_handle(run).describe())
        if described.status is WorkflowExecutionStatus.RUNNING:
            with contextlib.suppress(Exception):  # the last steps of a run that has its end state: lease and report
                await asyncio.wait_for(self.rig.client.get_workflow_handle(run).result(), 15.0)
            described = await patiently(lambda: self.rig.client.get_workflow_handle(run).describe())
        return described.status.name if described.status else ""

    # --- After the story ---

    async def _put_right(self, load: Load) -> bool:
        """Protect the application again, where the story left it unprotected; whether users are served."""
        last = self.moves[-1]
        if last.report is None or last.report.end_state is RunState.PARKED:
            return False
        state = await self._application()
        if state is not None and state.active_site:
            self.source = state.active_site
        with contextlib.suppress(LabError):
            await asyncio.to_thread(lab.repair, self.rig.info.folder, "kill", self.source)
        if state is not None and not state.protected:
            run = await patiently(lambda: control.start(self.rig.client, self._request("reprotect")))
            await self._follow(run, [])
            status = await self._status(run)
            report = await patiently(lambda: control.report(self.rig.client, run))
            self.moves.append(Move(kind="put right", run=run, report=report, status=status))
        else:
            other = self.rig.info.other(self.source).name
            with contextlib.suppress(LabError):
                await asyncio.to_thread(lab.repair, self.rig.info.folder, "kill", other)
        return await self._first_orders(load)

    @staticmethod
    async def _first_orders(load: Load, within: float = 30.0) -> bool:
        wanted, deadline = len(load.acks) + 20, time.monotonic() + within
        while len(load.acks) < wanted:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _audit(self, load: Load) -> Audit | None:
        try:
            return audit(self.rig.info, load.acks)
        except (psycopg.Error, LabError):
            return None

    async def _application(self) -> ApplicationState | None:
        return await patiently(lambda: control.application_state(self.rig.client, "shop"))

    def _leftovers(self) -> list[str]:
        """What stands of any drill's bubble: folders, and processes that run out of one."""
        found = []
        for site in self.rig.info.sites.values():
            bubbles = site.worker_state / "bubbles"
            found += [path.name for path in bubbles.iterdir() if path.is_dir()] if bubbles.is_dir() else []
            found += [str(pid) for pid in self.rig.processes() if str(bubbles) in " ".join(self.rig.words(pid))]
        return found

    async def _checksums(self) -> dict[str, str]:
        """Of both sites, once they are equal, or as they are after a while."""
        state, deadline = await self._application(), time.monotonic() + 20.0
        if state is None or not state.protected or state.lease is not None:
            return {}
        found: dict[str, str] = {}
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.Error):
                found = await asyncio.to_thread(checksums, self.rig.info)
                if len(set(found.values())) == 1:
                    return found
            await asyncio.sleep(0.2)
        return found or {"both sites": "not read", "in": "20 s"}
