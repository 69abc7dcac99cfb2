"""The physical world of a lab: parent of every process, and owner of power, cables and disks.

    python -m infra.lab.chassis LAB_FOLDER

It returns at once and goes on in the background. Its HTTP interface (`api.py`) is the independent path by which a
site is fenced, as a power controller or a cloud's API would be: nothing in it goes through the site.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from infra.lab import memory, proctree, service
from infra.lab.power import Entry, PowerBook
from infra.lab.service import Service

RESTART_SECONDS = 0.2
LINK = "link"


class Chassis:
    """Starts and ends things; every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boot = service.load(folder)
        self.power = PowerBook(folder / "state" / "power.json", list(self.boot.sites))
        self.cut: set[str] = set()
        self.hosts: dict[str, subprocess.Popen[bytes]] = {}
        self.running: dict[str, int] = {}
        self.over = threading.Event()
        self._lock = threading.RLock()
        self._link: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything that belongs to no site."""
        threading.Thread(target=self._reap, daemon=True).start()
        for item in self.boot.services:
            self._start(item)
        self._start_link()

    # --- Power ---

    def order(self, site: str, power: str, epoch: int, key: str, held: bool | None = None) -> Entry:
        """Switch a site on or off for good; see `PowerBook.order`."""
        entry = self.power.order(site, power, epoch, key, held)
        self._apply(site, power)
        return entry

    def by_hand(self, site: str, power: str) -> Entry:
        """Switch a site on or off without an epoch; see `PowerBook.by_hand`."""
        entry = self.power.by_hand(site, power)
        self._apply(site, power)
        return entry

    def host_pid(self, site: str) -> int | None:
        """The site's root process; None when it is off."""
        host = self.hosts.get(site)
        return host.pid if host and proctree.state_of(host.pid) not in ("", "Z", "X") else None

    def tell(self, site: str, command: str) -> None:
        """Give the site's host a command; nothing happens when it is off."""
        host = self.hosts.get(site)
        if host and host.stdin:
            with contextlib.suppress(BrokenPipeError):
                host.stdin.write(command.encode() + b"\n")
                host.stdin.flush()

    def _apply(self, site: str, power: str) -> None:
        with self._lock:
            if power == "off":
                host = self.hosts.pop(site, None)
                if host:
                    proctree.kill_tree(host.pid)
                    while proctree.state_of(host.pid) not in ("", "Z", "X"):
                        time.sleep(0.0005)
                    self.look(site)
            elif self.host_pid(site) is None and not self.over.is_set():
                argv = [sys.executable, "-m", "infra.lab.host", str(self.folder), site, power]
                self.hosts[site] = self._spawn(argv, self.folder / "logs" / f"{site}-host.log")

    # --- Cables ---

    def set_link(self, name: str, *, cut: bool) -> bool:
        """Cut or mend a link; False when it was so already."""
        with self._lock:
            if (name in self.cut) == cut:
                return False
            (self.cut.add if cut else self.cut.discard)(name)
            self._tell_link("cut" if cut else "mend", name)
            return True

    def look(self, site: str) -> None:
        """Something died at the site: its links refuse from now on, as its addresses do, and do not first accept."""
        with self._lock:
            for kind in ("management", "replication"):
                self._tell_link("look", f"{kind}:{site}")

    @property
    def link_names(self) -> list[str]:
        """Every link's name, sorted."""
        return sorted({word.partition("=")[0] for word in self.boot.links})

    def _tell_link(self, verb: str, name: str) -> None:
        link = self._link
        if link and link.stdin and link.stdout:
            # A link that died is started again, and is then told of every cut.
            with contextlib.suppress(BrokenPipeError):
                link.stdin.write(f"{verb} {name}\n".encode())
                link.stdin.flush()
                link.stdout.readline()

    def _start_link(self) -> None:
        with self._lock:
            if self.over.is_set():
                return
            argv = [sys.executable, "-m", "infra.lab.link", *self.boot.links]
            self._link = self._spawn(argv, Path(self.boot.link_log), answers=True)
            self.running[LINK] = self._link.pid
            for name in self.cut:
                self._tell_link("cut", name)

    # --- Processes ---

    def _start(self, item: Service) -> None:
        with self._lock:
            if not self.over.is_set():
                self.running[item.name] = service.start(item)

    @staticmethod
    def _spawn(argv: list[str], log: Path, *, answers: bool = False) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else file,
                stderr=file,
                start_new_session=True,
                cwd="/",
            )

    def _reap(self) -> None:
        while not self.over.is_set():
            try:
                pid, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.05)
                continue
            self._died(pid)

    def _died(self, pid: int) -> None:
        for item in self.boot.services:
            if item.restart and self.running.get(item.name) == pid:
                threading.Timer(RESTART_SECONDS, self._start, [item]).start()
        if self.running.get(LINK) == pid:
            threading.Timer(RESTART_SECONDS, self._start_link).start()
        for site, host in list(self.hosts.items()):
            if host.pid == pid and not self.over.is_set():
                # Somebody killed the host itself: what it leaves behind fell to us, and a site without its
                # operating system does not run.
                self.hosts.pop(site, None)
                self.power.by_hand(site, "off")
                proctree.kill_survivors(Path(self.boot.sites[site].folder), proctree.SITE_MARK)

    def end(self) -> None:
        """Kill everything, at once and for good."""
        with self._lock:
            self.over.set()
            for site in list(self.hosts):
                self._apply(site, "off")
            proctree.kill_below(os.getpid())
            for machine in self.boot.sites.values():
                memory.free_of(Path(machine.data_dir))


def main(folder: Path) -> None:
    """Go into the background and serve until `POST /down`."""
    if os.fork():
        os._exit(0)
    os.setsid()
    proctree.become_subreaper()
    os.environ[proctree.MARK] = str(folder)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from infra.lab.api import Api  # after the fork, so that whoever called is not kept waiting

    chassis = Chassis(folder)
    for line in (folder / "secrets.env").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key == "SEAWALL_LAB_POWER_TOKEN":
            api = Api(chassis, value)
    (folder / "state" / "chassis.pid").write_text(str(os.getpid()), encoding="utf-8")
    chassis.start()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: chassis.over.set())
    chassis.over.wait()
    chassis.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
