"""The provider of the kind `process`: start, stop and look at a service on the worker's own machine."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import psutil

from activities.bubble.place import Place
from activities.providers.base import Context, Provider, now
from activities.providers.by_hand import ByHand
from workflows.model.base import Strict
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import by_hand, pid_file
from .env_file import environment
from .pid_file import Note
from .settings import ProcessSettings, ProcessSite

LAUNCH_SECONDS = 10.0
LOCK_SECONDS = 30.0


class ProcessProvider(Provider):
    """Invariant: under the lock of the pid file, what it names is the only instance that this provider started."""

    kind: ClassVar[str] = "process"
    role: ClassVar[Role | None] = Role.COMPUTE
    verbs: ClassVar[frozenset[Verb]] = frozenset(
        {Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES, Verb.HEALTH_CHECK}
    )
    Settings: ClassVar[type[Strict]] = ProcessSettings

    settings: ProcessSettings

    def __init__(self, settings: ProcessSettings, context: Context) -> None:
        super().__init__(settings, context)

    def _site(self, name: str) -> ProcessSite:
        found = self.settings.sites.get(name)
        if found is None:
            raise PermanentError(
                Code.CONFIGURATION, f"The service has no settings for the site {name!r}.", "Add them to the runbook."
            )
        if place := self._place():
            # A clone has notes of its own: under those of the component, a drill would stop the component.
            update = {"pid_file": place.file(found.pid_file), "log_file": place.file(found.log_file)}
            return found.model_copy(update=update)
        return found

    def _place(self) -> Place | None:
        return Place.of(self.context.state_dir, self.context.bubble) if self.context.bubble else None

    def _local(self, name: str) -> ProcessSite:
        found = self._site(name)
        self.insist_on_being_at(name)
        if self.context.bubble:
            self.insist_on_being_at(self.context.bubble.site)
        return found

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        settings = self._site(site)
        bubble = self.context.bubble
        if self.context.here != site or (bubble and bubble.site != site):
            reach, detail, facts = Reach.UNKNOWN, f"Only the worker at {site} can see its processes.", {}
        else:
            note = pid_file.read(settings.pid_file)
            process = pid_file.running(note, settings.argv)
            reach = Reach.SERVING if process else Reach.STANDBY
            detail, facts = ("Runs." if process else "Does not run."), _facts(note, process)
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        return by_hand.by_hand(self._site(request.target.site), verb)

    async def start_instances(self, request: StepRequest) -> StepResult:
        site = self._local(request.target.site)
        async with self._lock(site):
            note = pid_file.read(site.pid_file)
            process = pid_file.running(note, site.argv)
            _not_stale(request, note)
            before = _facts(note, process)
            if process and note:
                # The epoch rises with every run that wants it, so that a late stop of an older run is refused.
                pid_file.write(site.pid_file, note.model_copy(update={"epoch": request.ref.epoch}))
                ours = note.key == request.ref.key
                before |= {"running": not ours}
                return StepResult(
                    detail="It runs already.", changed=False, before=before, after=before | {"running": True}
                )
            self.context.still_mine()
            note = await self._launch(site, request)
        return StepResult(
            detail=f"Started as process {note.pid}.", before=before, after={"running": True} | note.model_dump()
        )

    async def _launch(self, site: ProcessSite, request: StepRequest) -> Note:
        note = {"key": request.ref.key, "epoch": request.ref.epoch}
        env = environment(site.env_file)
        order = {
            "argv": (*self._entrance(site, env), *site.argv),
            "cwd": site.cwd,
            "env": env,
            "log_file": site.log_file,
            "pid_file": site.pid_file,
            "note": note,
        }
        answer = await _run_launcher(json.dumps(order))
        if "pid" not in answer:
            pid_file.remove(site.pid_file)
            raise PermanentError(
                Code.CONFIGURATION,
                f"The service cannot be started ({answer.get('error', 'the launcher gave no reason')}).",
                "Check `argv`, `cwd` and `log_file` in the runbook.",
            )
        found = Note(pid=answer["pid"], **note)
        with contextlib.suppress(psutil.Error):
            found = found.model_copy(update={"create_time": psutil.Process(found.pid).create_time()})
        pid_file.write(site.pid_file, found)
        return found

    def _entrance(self, site: ProcessSite, env: dict[str, str]) -> tuple[str, ...]:
        place = self._place()
        if place is None:
            return ()
        entrance = place.enter()
        # What is started here is the way in; that the program behind it is missing would show in its log only.
        if shutil.which(site.argv[0], path=env.get("PATH")) is None:
            raise PermanentError(
                Code.CONFIGURATION, f"There is no program {site.argv[0]} to start.", "Check `argv` in the runbook."
            )
        return entrance

    async def stop_instances(self, request: StepRequest) -> StepResult:
        site = self._local(request.target.site)
        if request.result is not None and not request.result.changed and request.result.before.get("running", True):
            return StepResult(detail="It ran before this run; left running.", changed=False)
        async with self._lock(site):
            note = pid_file.read(site.pid_file)
            process = pid_file.running(note, site.argv)
            _not_stale(request, note)
            before = _facts(note, process)
            if process is None:
                return StepResult(detail="It does not run.", changed=False, before=before, after={"running": False})
            if request.undo and request.result is None and note and note.key != request.ref.key:
                # The start was never answered, and what runs was not started by it.
                return StepResult(detail="It ran before this run; left running.", changed=False, before=before)
            self.context.still_mine()
            await self._stop(process, site)
            pid_file.remove(site.pid_file)
        return StepResult(detail="Stopped.", before=before, after={"running": False})

    async def _stop(self, process: psutil.Process, site: ProcessSite) -> None:
        limit = site.stop_timeout.total_seconds()
        for word, seconds in ((signal.SIGTERM, limit), (signal.SIGKILL, 5.0)):
            _send(process, word)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                if not _alive(process):
                    return
                self.context.heartbeat("waiting for the service to stop")
                await asyncio.sleep(0.005)
        raise OutcomeUnknownError(
            f"Process {process.pid} was killed and still shows.", "Look at it on the machine, then retry."
        )

    @contextlib.asynccontextmanager
    async def _lock(self, site: ProcessSite) -> AsyncIterator[None]:
        """Two attempts of one step can overlap; only one at a time looks and acts."""
        if self.context.bubble is None:  # The folder of a bubble is made by its opening, and by nothing after its end.
            Path(site.pid_file).parent.mkdir(parents=True, exist_ok=True)
        elif not Path(site.pid_file).parent.exists():
            raise PermanentError(Code.NOT_FOUND, "The bubble is not open.", "Close what is left, and drill again.")
        handle = os.open(f"{site.pid_file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        raise TemporaryError(
                            Code.UNREACHABLE, "Another attempt is at work on this service.", "Wait, then retry."
                        ) from None
                self.context.heartbeat("waiting for another attempt to end")
                await asyncio.sleep(0.02)
            yield
        finally:
            os.close(handle)


def _facts(note: Note | None, process: psutil.Process | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"running": process is not None}
    if note:
        facts |= {"pid": note.pid, "key": note.key, "epoch": note.epoch}
    return facts


def _not_stale(request: StepRequest, note: Note | None) -> None:
    if note and note.epoch > request.ref.epoch:
        raise PermanentError(
            Code.STALE_EPOCH,
            f"The service at {request.target.site} was started under epoch {note.epoch}, above epoch"
            f" {request.ref.epoch} of this run: a later run has taken over.",
            "Look at the later run; this one must not go on.",
        )


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _send(process: psutil.Process, word: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        if process.is_running() and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, word)
        else:
            process.send_signal(word)


async def _run_launcher(order: str) -> dict[str, Any]:
    """The launcher's answer; OutcomeUnknownError when it gave none."""
    launcher = Path(__file__).with_name("launch.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(launcher)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(LAUNCH_SECONDS):
            output, _ = await process.communicate(order.encode())
            answer: dict[str, Any] = json.loads(output)
    except (TimeoutError, ValueError, OSError) as error:
        raise OutcomeUnknownError(
            "It is not known whether the service was started.", "The next attempt looks before it acts."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer
