"""Simulators by the dozen: a process that has loaded moto once, and forks one that serves for each that is asked for.

To load it takes four seconds, and each module of tests wants a simulator of its own. A child shares nothing with the
others but what was loaded: all its state is made after the fork.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from functools import cache
from typing import Any

from infra.awssim.handle import ROOT, AwssimError, Simulator


class Nursling(Simulator):
    """A simulator, from `with` to the end of `with`."""

    def __init__(self) -> None:
        super().__init__()
        self._pid = 0

    def _begin(self) -> str:
        found = _born()
        self._pid = int(found["pid"])
        return str(found["url"])

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        return self._pid


@cache
def _nurse() -> "subprocess.Popen[str]":
    """One for this process of tests; it ends with its standard input."""
    argv = [sys.executable, "-m", __name__]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def _born() -> dict[str, Any]:
    nurse = _nurse()
    assert nurse.stdin is not None
    assert nurse.stdout is not None
    nurse.stdin.write("\n")
    nurse.stdin.flush()
    for line in nurse.stdout:
        if line.startswith('{"url"'):  # other lines are what an earlier one had to say
            found: dict[str, Any] = json.loads(line)
            return found
    raise AwssimError("The simulators' nursery has ended; its words are above.")


def main() -> None:
    """Fork a simulator for each line; end all of them with the input."""
    from infra.awssim import server  # all that takes its time to load

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    children = []
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            server.serve(0, stock_images=False, leashed=False)
        children.append(child)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
