"""The process provider, with real processes."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import activities.providers.process.provider as module
from activities.providers.process import PROVIDER, pid_file
from tests.provider.conformance import EPOCH, Conformance, Subject, over
from tests.provider.support import OLD, context, eventually, gone, request
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepResult
from workflows.model.observed import Reach
from workflows.model.runbook import Component

APP = Component.model_validate({"role": "compute", "kind": "process"})
CODE = (
    "import os,time; print(os.environ.get('COLOUR'), os.environ.get('SECRET_OF_WORKER'), flush=True); time.sleep(600)"
)


class Service(Subject):
    secrets = ("canary-env",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.word = f"word-{folder.name}"
        (folder / "env").write_text("# colours\nCOLOUR='blue'\nTOKEN=canary-env\n")

    def settings(self, **more: Any) -> Any:
        site = {
            "argv": [sys.executable, "-c", CODE, self.word],
            "pid_file": str(self.folder / "run" / "app.pid"),
            "log_file": str(self.folder / "app.log"),
            "env_file": str(self.folder / "env"),
            "stop_timeout": "500ms",
        }
        return PROVIDER.Settings.model_validate({"sites": {OLD: site | more}})

    def provider(self, here: str = OLD, *, over_: bool = False, **more: Any) -> Any:
        return PROVIDER(self.settings(**more), context(here, self.folder, over if over_ else lambda: None))

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        asked = request(where or OLD, "app.start", epoch, APP)
        found: StepResult = await self.provider(where or OLD, over_=over).start_instances(asked)
        return found

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        asked = request(OLD, "app.start.undo", epoch, APP, result=result)
        found: StepResult = await self.provider().stop_instances(asked)
        return found

    def running(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if self.word in process.cmdline() and not gone(process):
                    found.append(process)
        return found

    async def state(self) -> Any:
        return bool(self.running())

    async def count(self) -> int:
        return len(self.running())

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "LAUNCH_SECONDS", 0.0)
            yield

    async def disturb(self) -> None:
        pytest.skip("A service runs or does not: there is no third state to be surprised by.")


class TestProcess(Conformance):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Iterator[Service]:
        service = Service(tmp_path)
        yield service
        for process in service.running():
            process.kill()
        eventually(lambda: not service.running())

    async def test_cancelled_midway_and_asked_again_it_happens_once(self, subject: Service) -> None:  # type: ignore[override]
        task = asyncio.create_task(subject.do())
        await asyncio.wait({task}, timeout=0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await subject.do()
        assert await subject.count() == 1

    async def test_many_attempts_at_once_start_one(self, subject: Service) -> None:
        results = await asyncio.gather(*(subject.do() for _ in range(5)))
        assert sorted(result.changed for result in results) == [False] * 4 + [True]
        assert await subject.count() == 1

    async def test_it_is_nobodys_child_and_leaves_no_zombie(self, subject: Service) -> None:
        result = await subject.do()
        process = psutil.Process(result.after["pid"])
        assert process.ppid() != os.getpid()
        assert os.getsid(process.pid) == process.pid
        process.kill()
        eventually(lambda: gone(process))
        assert (await subject.provider().observe("app", OLD, OLD)).reach is Reach.STANDBY
        assert (await subject.do()).changed

    async def test_its_environment_is_its_own(self, subject: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_OF_WORKER", "canary-worker")
        await subject.do()
        log = subject.folder / "app.log"
        eventually(lambda: log.exists() and log.read_text().strip())
        assert log.read_text().split() == ["blue", "None"]

    async def test_what_ran_before_is_left_running_by_an_undo(self, subject: Service) -> None:
        await subject.do()
        asked = request(OLD, "app.other", EPOCH + 1, APP)
        result = await subject.provider().start_instances(asked)
        assert (result.changed, result.before["running"]) == (False, True)
        undone = await subject.provider().stop_instances(asked.model_copy(update={"result": result}))
        assert not undone.changed
        assert await subject.count() == 1

    async def test_a_retry_whose_answer_was_lost_can_still_be_undone(self, subject: Service) -> None:
        await subject.do()
        retried = await subject.do()
        assert (retried.changed, retried.before["running"]) == (False, False)
        assert (await subject.undo(result=retried)).changed
        assert await subject.count() == 0

    async def test_a_pid_that_was_used_again_is_somebody_elses(self, subject: Service) -> None:
        path = subject.settings().sites[OLD].pid_file
        Path(path).parent.mkdir()
        pid_file.write(path, pid_file.Note(pid=os.getpid(), create_time=1.0, key="old", epoch=1))
        assert (await subject.provider().observe("app", OLD, OLD)).reach is Reach.STANDBY
        assert not (await subject.undo()).changed

    async def test_one_that_ignores_the_polite_word_is_killed(self, subject: Service) -> None:
        code = "import signal,time; signal.signal(15, signal.SIG_IGN); open('ready','w'); time.sleep(600)"
        provider = subject.provider(argv=[sys.executable, "-c", code, subject.word], cwd=str(subject.folder))
        await provider.start_instances(request(OLD, "app.start", EPOCH, APP))
        eventually((subject.folder / "ready").exists)
        assert (await provider.stop_instances(request(OLD, "app.stop", EPOCH, APP))).changed
        assert await subject.count() == 0

    async def test_a_program_that_is_not_there_is_a_definite_refusal(self, subject: Service) -> None:
        provider = subject.provider(argv=["/nowhere/at-all"])
        with pytest.raises(PermanentError) as caught:
            await provider.start_instances(request(OLD, "app.start", EPOCH, APP))
        assert caught.value.code is Code.CONFIGURATION
        assert "canary" not in str(caught.value)
        assert not (await subject.provider().observe("app", OLD, OLD)).facts["running"]

    async def test_another_sites_worker_cannot_tell(self, subject: Service) -> None:
        assert (await subject.provider("recovery").observe("app", OLD, "recovery")).reach is Reach.UNKNOWN

    async def test_a_paused_service_still_counts_as_the_one(self, subject: Service) -> None:
        process = psutil.Process((await subject.do()).after["pid"])
        process.send_signal(signal.SIGSTOP)
        assert not (await subject.do()).changed
        assert await subject.count() == 1


def test_a_wrong_environment_file_is_named_by_line_only(tmp_path: Path) -> None:
    from activities.providers.process.env_file import environment

    (tmp_path / "env").write_text("A=1\ncanary-env\n")
    with pytest.raises(PermanentError, match="Line 2") as caught:
        environment(str(tmp_path / "env"))
    assert "canary" not in str(caught.value)


async def test_an_undo_of_a_start_that_was_never_answered_stops_only_what_it_started(tmp_path: Path) -> None:
    service = Service(tmp_path)
    try:
        await service.do(EPOCH - 1)
        lost = request(OLD, "app.start_instances", EPOCH, APP).model_copy(update={"undo": True})
        kept = await service.provider().stop_instances(lost)
        assert (kept.changed, len(service.running())) == (False, 1)
        await service.undo()
        await service.provider().start_instances(lost)
        assert (await service.provider().stop_instances(lost)).changed
        assert not service.running()
    finally:
        for process in service.running():
            process.kill()
