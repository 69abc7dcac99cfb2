"""What the tests of bubbles share: a site's worker with its bubble, a listener outside, and a look at leftovers."""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.bench import Bench
from activities.bubble import closing, members
from activities.bubble.place import Place
from activities.bubbles import Bubbles
from activities.providers.registry import Registry
from tests.provider.support import DATA, NEW, OLD, request
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.runbook import Component

NAMESPACE = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]


def skip_without_namespaces() -> None:
    """Some kernels and containers give none."""
    done = subprocess.run(["unshare", *NAMESPACE, "true"], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("This kernel gives no network namespace to us.")


class Listener:
    """A TCP server of production, which counts who comes."""

    def __init__(self) -> None:
        self.came = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._socket.accept()
                self.came += 1
                peer.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Drill:
    """A worker at the recovery site, and the bubble of one run there."""

    def __init__(self, state: Path, name: str = "drill-shop-1", seconds: float = 300.0, **more: Any) -> None:
        self.state = state
        self.bubble = Bubble(name=name, site=NEW, expires=datetime.now(UTC) + timedelta(seconds=seconds), **more)
        self.bench = Bench(Registry(), NEW, state)
        self.bubbles = Bubbles(self.bench)
        self.place = Place.of(state, self.bubble)

    def request(
        self, step: str = "bubble.open", epoch: int = 5, component: Component = DATA, **more: Any
    ) -> StepRequest:
        asked = request(NEW, step, epoch, component, **more)
        return asked.model_copy(update={"target": asked.target.model_copy(update={"bubble": self.bubble})})

    async def open(self, epoch: int = 5) -> StepResult:
        return await ActivityEnvironment().run(self.bubbles.open_bubble, self.request(epoch=epoch))

    async def prove(self) -> StepResult:
        return await ActivityEnvironment().run(self.bubbles.prove_isolation, self.request("bubble.prove"))

    async def close(self) -> StepResult:
        return await ActivityEnvironment().run(self.bubbles.close_bubble, self.request("bubble.close"))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A program inside, to its end."""
        return subprocess.run([*self.place.enter(), *argv], capture_output=True, text=True, check=False)

    def left(self) -> list[str]:
        """What stands of it, and in the folder of all bubbles."""
        folders = [path.name for path in self.place.folder.parent.iterdir() if path.name != ".lock"]
        return closing.leftovers(self.place) + folders

    def inside(self) -> list[int]:
        return members.inside(self.place.mark)


def drills(state: Path) -> Iterator[Drill]:
    """For fixtures: a drill that leaves nothing, whatever the test does."""
    skip_without_namespaces()
    drill = Drill(state)
    yield drill
    closing.close(drill.place)


def code(error: ApplicationError) -> str:
    """Why."""
    return str(error.type)


__all__ = ["NEW", "OLD", "Drill", "Listener", "code", "drills", "skip_without_namespaces"]
