"""Follows every open run, wherever it was started, and keeps one thread for it.

It reads, and writes to Slack; no run knows of it. Whatever fails is tried again with the newest state, so that a thread
is late at the worst.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client
from temporalio.exceptions import TemporalError

from workers import control
from workflows.engine.authority import START
from workflows.engine.sentences import clock
from workflows.model.failure import PermanentError
from workflows.model.progress import ProgressView, RunState
from workflows.model.report import Report

from .blocks import Shown
from .card import Asked, card
from .channel import Channel, Message, SlackTrouble
from .files import report_file
from .happenings import Happening, deeds, ending, happenings
from .settings import ChatSettings

_NEWEST = 100
_BACK = timedelta(hours=24)
"""How far a gateway that comes back looks for threads without an end."""
_MISSED = timedelta(hours=1)
"""A run that began and ended while no gateway ran, so long ago at most, still gets its thread."""
_SILENT = 15.0
_DESCRIBED = 5.0
_LONGEST_WAIT = 30.0
_REPORT_PATIENCE = 600.0
_SILENCE = (TemporalError, RuntimeError, PermanentError)
"""RuntimeError is what the SDK raises when it cannot connect."""
log = logging.getLogger("seawall.chat")


class Follower:
    """All threads of this gateway."""

    def __init__(self, client: Client, channel: Channel, settings: ChatSettings) -> None:
        self._client = client
        self._channel = channel
        self._settings = settings
        self._threads: dict[str, RunThread] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._final: set[str] | None = None
        self._silent = False

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                try:
                    await self._look()
                    self._silent = False
                except _SILENCE as error:
                    if not self._silent:
                        log.warning("Temporal does not answer (%s); threads stand still meanwhile.", error)
                    self._silent = True
                except SlackTrouble as trouble:
                    log.warning("%s; threads are late meanwhile.", trouble.what)
                    await asyncio.sleep(trouble.wait)
                await asyncio.sleep(self._settings.look_seconds * 2)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        now = datetime.now(UTC)
        rows = {row["run"]: row for row in reversed(await control.list_runs(self._client, None, _NEWEST))}
        open_threads: set[str] = set()
        if self._final is None:
            told = await self._channel.told((now - _BACK).timestamp())
            self._final = {one.key for one in told if one.final}
            open_threads = {one.key for one in told if not one.final}
        for run, row in rows.items():
            if self._settings.applications and row["application"] not in self._settings.applications:
                continue
            if run in self._threads:
                continue
            missed = row["ended"] is not None and now - row["started"] < _MISSED
            wanted = row["ended"] is None or _execution(row) in open_threads or missed
            if wanted and _execution(row) not in self._final:
                self._follow(row)

    def _follow(self, row: dict[str, Any]) -> None:
        thread = self._threads[row["run"]] = RunThread(self._client, self._channel, self._settings, row)
        task = asyncio.create_task(self._see_through(thread))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _see_through(self, thread: "RunThread") -> None:
        try:
            await thread.follow()
            assert self._final is not None
            self._final.add(_execution(thread.row))
        except Exception:
            log.exception("The thread of %s is given up until it is looked at again.", thread.run)
            await asyncio.sleep(_LONGEST_WAIT)
        finally:
            self._threads.pop(thread.run, None)


def _execution(row: dict[str, Any]) -> str:
    """Names the run's thread. A reset or an id that was used again is another execution, and another thread."""
    return f"{row['run']} {row['run_id']}"


class RunThread:
    """One run's thread: its first message, what is said below it, and the report at the end."""

    def __init__(self, client: Client, channel: Channel, settings: ChatSettings, row: dict[str, Any]) -> None:
        self.row = row
        """As it was listed, and described since."""
        self.run: str = row["run"]
        self._client, self._channel, self._settings = client, channel, settings
        self._since = row["started"].timestamp()
        self._root: Message | None = None
        self._shown: Shown | None = None
        self._said: set[str] = set()
        self._asked: Asked | None = None
        self._answered = time.monotonic()
        self._last: ProgressView | None = None
        self._closed: float | None = None
        self._waits: object = None
        self._described = time.monotonic()

    async def follow(self) -> None:
        """Until it has ended and all of that is told."""
        wait = self._settings.look_seconds
        while True:
            try:
                if await self._turn():
                    return
                wait = self._settings.look_seconds
            except SlackTrouble as trouble:
                if wait == self._settings.look_seconds:
                    log.warning("%s: %s; its thread is late meanwhile.", self.run, trouble.what)
                self._waits = None
                wait = min(max(wait * 2, trouble.wait), max(_LONGEST_WAIT, trouble.wait))
            await asyncio.sleep(wait)

    async def _turn(self) -> bool:
        """Tell what is new; whether that was the last of it."""
        # Before the view: what is seen then is at least as new.
        await self._describe()
        view, trouble = await self._view()
        if view is None:
            return False
        row = self.row
        closed = row["ended"] is not None
        lost = row["status"].lower().replace("_", " ") if closed and not view.state.ended else ""
        if lost:
            trouble = f"It was {lost} from outside; what it did may stand. See: seawall status {view.application}"
        await self._show(card(view, self._asked, trouble))
        said = list(happenings(view, self._asked))
        at = 1 if said and said[0].key == "begun" else 0
        for one in (*said[:at], *await self._deeds(view), *said[at:]):
            await self._say(one)
        if not closed:
            return False
        return await self._finish(view, lost, trouble)

    async def _describe(self) -> None:
        """Look whether it still runs: now and then, and each time when it seems to have ended."""
        ended = self._last is not None and self._last.state.ended
        if self.row["ended"] or (not ended and time.monotonic() - self._described < _DESCRIBED):
            return
        handle = self._client.get_workflow_handle(self.run, run_id=self.row["run_id"])
        try:
            found = await handle.describe(rpc_timeout=control.PATIENCE)
        except _SILENCE:
            return
        self._described = time.monotonic()
        self.row = {**self.row, "ended": found.close_time, "status": found.status.name if found.status else ""}

    async def _view(self) -> tuple[ProgressView | None, str]:
        """The newest view; and what to say when nobody answers for the run."""
        try:
            view = await control.progress(self._client, self.run)
            if self._asked is None and (view.state.ended or view.gate is None or view.gate.step != START):
                # Before that it is not proved who asks.
                report = await control.report(self._client, self.run)
                self._asked = Asked(report.requested_by, report.reason)
            self._answered, self._last = time.monotonic(), view
        except _SILENCE as error:
            last = self._last
            silent = time.monotonic() - self._answered
            if last is None or silent < _SILENT:
                return None, ""
            log.info("%s: %s", self.run, error)
            said = f"Nobody has answered for this run since about {clock(last.now)} UTC. It goes on where it can; "
            return last, f"{said}what stands here may be old."
        return view, ""

    async def _deeds(self, view: ProgressView) -> list[Happening]:
        """What people answered, read anew when what is asked of them has changed."""
        gate = view.gate and (view.gate.step, view.gate.code, view.gate.approved_by)
        waits = (gate, tuple((one.step, one.since) for one in view.parked), view.state is RunState.PAUSED)
        if waits == self._waits:
            return []
        try:
            found = list(deeds(await control.report(self._client, self.run)))
        except _SILENCE:
            return []
        self._waits = waits
        return found

    async def _show(self, message: Shown, final: bool = False) -> None:
        key = _execution(self.row)
        if self._root is None:
            self._root, new = await self._channel.post_once(key, message, self._since)
            self._shown = message if new else None
        if message != self._shown or final:
            try:
                await self._channel.edit(key, self._root.ts, message, final)
            except SlackTrouble as trouble:
                if trouble.what == "message_not_found":
                    self._root, self._said, self._waits = None, set(), None
                raise
            self._shown = message

    async def _say(self, one: Happening) -> bool:
        """Say it, unless it was said; whether it is new."""
        if one.key in self._said:
            return False
        assert self._root is not None
        _, new = await self._channel.post_once(one.key, one.message, self._since, self._root.ts, one.loud)
        self._said.add(one.key)
        return new

    async def _finish(self, view: ProgressView, lost: str, trouble: str) -> bool:
        """The end, the report, and the mark that all is told; False while the report cannot be read."""
        assert self._root is not None
        self._closed = self._closed or time.monotonic()
        try:
            report = await control.report(self._client, self.run)
        except _SILENCE as error:
            if time.monotonic() - self._closed < _REPORT_PATIENCE:
                return False
            trouble = f"Its report could not be read: {error}"
        else:
            await self._deliver(report, lost)
        await self._show(card(view, self._asked, trouble), final=True)
        return True

    async def _deliver(self, report: Report, lost: str) -> None:
        assert self._root is not None
        for one in deeds(report):
            await self._say(one)
        if not await self._say(ending(report, lost)):
            # Another gateway says it, and may be about to put the file there.
            await asyncio.sleep(self._settings.look_seconds * 2)
        file = report_file(report, self._settings.form)
        await self._channel.upload(self._root.ts, file)
