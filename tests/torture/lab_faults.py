"""Real faults on a lab, each for a seeded time, and the mending of all of them."""

import asyncio
import contextlib
import os
import signal
import time
from datetime import UTC, datetime

from temporalio.client import Client
from temporalio.service import RPCError

from infra.lab import lab, proctree
from infra.lab.postgres import LabError
from tests.integration.rig import STARTED, Rig
from workflows.model.base import Message

from .lab_story import CONTROL, SOURCE, Strike

_BREAKS = ("cut", "cut-replication", "isolate-orchestrator", "pause", "disk-full", "kill-postgres")
_BACK_WITHIN = 60.0
_WITH_A_STEP = 0.05
"""A worker whose strike has a longer delay is killed with a step in its hands, as far as one comes."""


class Struck(Message):
    """A fault that struck."""

    words: str
    what: str
    run: str
    at: datetime
    back: datetime | None = None
    """When the Temporal server answered again, where it was what was struck."""


class Faults:
    """Breaks one lab, whose application moves from `source` to `target`."""

    def __init__(self, rig: Rig, source: str, target: str) -> None:
        self.rig = rig
        self.source = source
        self.target = target
        self.struck: list[Struck] = []
        self._broken: set[tuple[str, str]] = set()

    async def strike(self, strike: Strike, run: str) -> None:
        """Break, and mend after its time. What is not there to be broken is left alone."""
        await asyncio.sleep(strike.delay)
        back = None
        site = {SOURCE: self.source, CONTROL: CONTROL}.get(strike.where, self.target)
        try:
            at = datetime.now(UTC)
            if strike.what == "kill-temporal":
                os.kill(self.rig.temporal(), signal.SIGKILL)
                back = await answers_again(self.rig.client)
            elif strike.what in ("cancel", "terminate"):
                await self._end(strike.what, run)
            elif strike.what in _BREAKS:
                await self._break(strike.what, site, strike.seconds)
            else:
                at = await self._signal(strike, site, run)
        except (LabError, ValueError, ProcessLookupError, RPCError):
            return  # It is off, restarting, or over: another fault was there first.
        self.struck.append(Struck(words=strike.words(), what=strike.what, run=run, at=at, back=back))

    async def _end(self, how: str, run: str) -> None:
        handle = self.rig.client.get_workflow_handle(run)
        await (handle.cancel(reason="torture") if how == "cancel" else handle.terminate(reason="torture"))

    async def _break(self, what: str, site: str, seconds: float) -> None:
        self._broken.add((what, site))
        await asyncio.to_thread(lab.break_, self.rig.info.folder, what, site)
        await asyncio.sleep(seconds)
        with contextlib.suppress(LabError):
            await asyncio.to_thread(lab.repair, self.rig.info.folder, what, site)

    async def _signal(self, strike: Strike, site: str, run: str) -> datetime:
        """Kill or freeze a process; when."""
        words = {"temporal": ("server", "start-dev"), "dns": ("infra.lab.dns_server",)}
        part = strike.what.partition("-")[2]
        (pid,) = self.rig.processes(*words.get(part, ("workers.cli.main", "worker", site)))
        if strike.what.startswith("kill"):
            if part == "worker":
                self.rig.ready_file(site).unlink(missing_ok=True)
                if strike.delay > _WITH_A_STEP:
                    os.kill(pid, signal.SIGSTOP)
                    await self._holds_a_step(run)
            os.kill(pid, signal.SIGKILL)
            return datetime.now(UTC)
        at = datetime.now(UTC)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(strike.seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        return at

    async def _holds_a_step(self, run: str) -> None:
        """Wait a while until the server has handed a step to a worker: the frozen one cannot begin it."""
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            described = await self.rig.client.get_workflow_handle(run).describe()
            if any(found.state == STARTED for found in described.raw_description.pending_activities):
                return
            await asyncio.sleep(0.02)

    def mend(self) -> None:
        """Whatever was broken is whole again; a site that is off stays off, and nothing else is started anywhere."""
        folder = self.rig.info.folder
        for what, site in sorted(self._broken):
            with contextlib.suppress(LabError):
                lab.repair(folder, what, site)
        self._broken.clear()
        for pid in proctree.survivors(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def answers_again(client: Client) -> datetime:
    """Wait until the Temporal server answers; when it did.

    Raises:
        AssertionError: not within a minute.
    """
    deadline = time.monotonic() + _BACK_WITHIN
    await asyncio.sleep(0.1)  # its death takes a moment too
    while time.monotonic() < deadline:
        with contextlib.suppress(RPCError):
            if await client.service_client.check_health():
                return datetime.now(UTC)
        await asyncio.sleep(0.05)
    raise AssertionError("the Temporal server did not come back")
