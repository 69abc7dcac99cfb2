"""One site's operating system: boots its services, adopts and reaps what they leave, restarts its worker.

    python -m infra.lab.host LAB_FOLDER SITE [on|rescue]

Only the worker is started again when it dies. PostgreSQL and the application stay dead until somebody starts them or
the site is booted again: then PostgreSQL comes back as whatever its data directory says it is, so an old primary that
nobody fenced comes back as a primary. In `rescue` only the worker is started, so that the site can be mended before
anything of the application runs. Commands come on standard input: `start NAME`.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from infra.lab import memory
from infra.lab.proctree import SITE_MARK, become_subreaper
from infra.lab.service import Service, Site, load, start

FIRST_DELAY, LONGEST_DELAY, STEADY = 0.2, 5.0, 10.0


class Host:
    """The services of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._by_name = {service.name: service for service in site.services}
        self._pids: dict[int, tuple[Service, float]] = {}
        self._due: dict[str, float] = {}
        self._delay = dict.fromkeys(self._by_name, FIRST_DELAY)

    def boot(self, rescue: bool) -> None:
        """Start what is to run (in rescue only what mends), on a machine on which nothing of this site runs."""
        # Its process id may belong to a stranger by now, and PostgreSQL would then refuse to start.
        memory.free_of(Path(self._site.data_dir))
        (Path(self._site.data_dir) / "postmaster.pid").unlink(missing_ok=True)
        for service in self._site.services:
            if service.restart or (service.boot and not rescue):
                self.start(service)

    def start(self, service: Service) -> None:
        """Start one service, unless it runs."""
        if any(running.name == service.name for running, _ in self._pids.values()):
            return
        pid = start(service)
        self._pids[pid] = (service, time.monotonic())
        if service.pid_file:
            write_pid_file(Path(service.pid_file), pid)

    def reap(self) -> None:
        """Take the dead away, ours and the adopted."""
        for pid in _dead():
            service, since = self._pids.pop(pid, (None, 0.0))
            if service is None or not service.restart:
                continue
            if time.monotonic() - since > STEADY:
                self._delay[service.name] = FIRST_DELAY
            delay = self._delay[service.name]
            self._due[service.name] = time.monotonic() + delay
            self._delay[service.name] = min(2 * delay, LONGEST_DELAY)

    def restart_due(self) -> float | None:
        """Start what is due again; seconds until the next is, None when none is."""
        now = time.monotonic()
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            self.start(self._by_name[name])
        return max(0.0, min(self._due.values()) - now) if self._due else None

    def obey(self, line: str) -> None:
        """Carry out a command of the chassis."""
        verb, _, name = line.strip().partition(" ")
        if verb == "start" and name in self._by_name:
            self.start(self._by_name[name])


def write_pid_file(path: Path, pid: int) -> None:
    """Say which process it is, in the form of the `process` provider, so that it knows what it did not start."""
    import psutil  # here, so that the services are under way before it is loaded

    with contextlib.suppress(psutil.NoSuchProcess):
        created = psutil.Process(pid).create_time()
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps({"pid": pid, "create_time": created, "key": "", "epoch": 0}), encoding="utf-8")
        draft.replace(path)


def _dead() -> Iterator[int]:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid


def run(folder: Path, name: str, power: str) -> None:
    """Be the site until killed."""
    become_subreaper()
    site = load(folder).sites[name]
    os.environ[SITE_MARK] = site.folder
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    os.set_blocking(readable, False)
    signal.set_wakeup_fd(writable)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    host = Host(site)
    host.boot(power == "rescue")
    sources = [readable, sys.stdin.fileno()]
    while True:
        host.reap()
        ready, _, _ = select.select(sources, [], [], host.restart_due())
        if readable in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(readable, 4096)
        if sys.stdin.fileno() in ready:
            line = os.read(sys.stdin.fileno(), 4096).decode()
            if not line:
                sources.remove(sys.stdin.fileno())
            host.obey(line)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "on")
