"""What the provider tests share: requests, contexts, free ports, and a real PostgreSQL pair that can be copied."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg

from activities.providers.base import Context
from activities.providers.postgres import PROVIDER as POSTGRES
from activities.providers.postgres.provider import PostgresProvider
from activities.providers.postgres.server import command_as
from infra.lab import memory
from infra.lab.layout import Ports
from workflows.model.messages import Ref, StepRequest, Target
from workflows.model.runbook import Component

PASSWORD_NAME = "SEAWALL_TEST_DB_PASSWORD"
PASSWORD = "canary-7c0ffee"
OLD, NEW = "primary", "recovery"
RUN_AS = "userns" if os.geteuid() == 0 else ""

TABLES = """
create table orders (client text, seq bigint, primary key (client, seq));
create schema seawall;
create table seawall.epoch (epoch bigint not null, run text not null, at timestamptz not null);
create table seawall.marker (number bigint primary key, at timestamptz not null, origin text not null);
insert into seawall.epoch values (0, 'lab', clock_timestamp());
"""
DATA = Component.model_validate(
    {
        "role": "data",
        "kind": "postgres",
        "replication": {"mode": "continuous"},
        "marker": {"interval": "100ms", "sequence": {"table": "orders", "writer": "client", "number": "seq"}},
    }
)


def bin_dir() -> Path | None:
    """The newest PostgreSQL of this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return found[-1] if found else None


_PORTS = Ports()


def free_port() -> int:
    """A port that nobody uses now, by TCP or UDP, and that no outgoing connection can take in the meantime."""
    return _PORTS.take("127.0.0.1")


def context(here: str, folder: Path, mine: Callable[[], None] = lambda: None) -> Context:
    """A worker's context."""
    return Context(here=here, state_dir=folder, still_mine=mine)


def request(site: str, step: str = "db.do", epoch: int = 5, component: Component = DATA, **more: Any) -> StepRequest:
    """A step's request of the run `failover/shop/1`."""
    return StepRequest(
        ref=Ref(workflow_id="failover/shop/1", application="shop", step=step, epoch=epoch),
        target=Target(name="db", component=component, site=site, source=OLD, target=NEW),
        **more,
    )


def eventually(probe: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first true answer of `probe`; fails the test when there is none in time."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return found


def gone(process: psutil.Process) -> bool:
    """Whether it has ended, reaped or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Pair:
    """A primary and its streaming standby in one folder, on ports of their own."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.tools = tools
        self.ports = {OLD: free_port(), NEW: free_port()}

    def data(self, site: str) -> Path:
        return self.folder / site

    def options(self, site: str) -> list[str]:
        other = self.ports[OLD if site == NEW else NEW]
        return [
            f"port={self.ports[site]}",
            "listen_addresses=127.0.0.1",
            f"cluster_name={site}",
            f"primary_conninfo=host=127.0.0.1 port={other} user=seawall password={PASSWORD} application_name={site}",
        ]

    def run(self, program: str, *args: str) -> None:
        argv = command_as(RUN_AS, [str(self.tools / program), *args])
        done = subprocess.run(argv, capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, site: str) -> None:
        options = " ".join(f"-c '{option}'" for option in self.options(site))
        log, said = self.folder / f"{site}.log", self.folder / "pg_ctl.out"
        argv = [str(self.tools / "pg_ctl"), "start", "-w", "-t", "180", "-D", str(self.data(site)), "-l", str(log)]
        with said.open("ab") as out:
            done = subprocess.run(
                command_as(RUN_AS, [*argv, "-o", options]), stdout=out, stderr=out, cwd="/", check=False
            )
        assert done.returncode == 0, said.read_text() + log.read_text()

    def ask(self, site: str, query: str, *args: Any) -> Any:
        """The first value of a query, asked past the provider."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.ports[site],
            dbname="postgres",
            user="seawall",
            password=PASSWORD,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(query.encode(), args or None)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def processes(self, site: str) -> list[psutil.Process]:
        """The postmaster first, then its children; empty when it does not run."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            pid = int((self.data(site) / "postmaster.pid").read_text().split("\n", 1)[0])
            parent = psutil.Process(pid)
            if parent.status() != psutil.STATUS_ZOMBIE and Path(parent.cwd()) == self.data(site):
                return [parent, *parent.children(recursive=True)]
        return []

    def worker(self, site: str, name: str) -> list[psutil.Process]:
        """The server's helper processes whose title holds `name`."""
        found = []
        for process in self.processes(site)[1:]:
            with contextlib.suppress(psutil.Error):
                if name in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def signal(self, site: str, word: signal.Signals) -> None:
        for process in self.processes(site):
            with contextlib.suppress(psutil.Error):
                process.send_signal(word)

    def kill(self, site: str) -> None:
        """The machine loses power: nothing of the server is left."""
        processes = self.processes(site)
        self.signal(site, signal.SIGKILL)
        for process in processes:
            eventually(functools.partial(gone, process))
        # Here as after a real power cut: no process of that number, although init may be slow to reap it.
        (self.data(site) / "postmaster.pid").unlink(missing_ok=True)

    def in_step(self) -> bool:
        """Whether the standby has replayed all of the primary."""
        position = self.ask(OLD, "select pg_current_wal_lsn()::text")
        return bool(self.ask(NEW, "select pg_last_wal_replay_lsn() >= %s::pg_lsn", position))

    def settings(self, **more: Any) -> Any:
        sites = {
            site: {
                "host": "127.0.0.1",
                "port": self.ports[site],
                "bin_dir": str(self.tools),
                "data_dir": str(self.data(site)),
                "log_file": str(self.folder / f"{site}.log"),
                "run_as": RUN_AS,
                "start_options": self.options(site),
                "snapshot_dir": str(self.folder / "backups"),
            }
            for site in (OLD, NEW)
        }
        base = {"database": "postgres", "user": "seawall", "password": {"env": PASSWORD_NAME}, "sites": sites}
        return POSTGRES.Settings.model_validate(base | more)

    def provider(self, here: str, mine: Callable[[], None] = lambda: None, **more: Any) -> PostgresProvider:
        return PostgresProvider(self.settings(**more), context(here, self.folder / f"state-{here}", mine))

    def make(self) -> None:
        """Both clusters from nothing, then stopped."""
        password_file = self.folder / "pw"
        password_file.write_text(PASSWORD)
        self.run(
            *("initdb", "-D", str(self.data(OLD)), "-U", "seawall", "-k", "--pwfile", str(password_file)),
            *("--wal-segsize=1", "--no-sync", "--locale=C", "-E", "UTF8", "--auth=scram-sha-256"),
        )
        with (self.data(OLD) / "postgresql.conf").open("a") as file:
            file.write(
                "wal_log_hints=on\nshared_buffers=8MB\nunix_socket_directories=''\nwal_retrieve_retry_interval=100ms\n"
                "wal_receiver_status_interval=1s\nwal_sender_timeout=5s\nwal_receiver_timeout=5s\nfsync=off\n"
                "wal_keep_size=64MB\ndynamic_shared_memory_type=mmap\n"
            )
        self.start(OLD)
        self.ask(OLD, TABLES)
        os.environ["PGPASSWORD"] = PASSWORD
        try:
            self.run(
                *("pg_basebackup", "-D", str(self.data(NEW)), "-h", "127.0.0.1", "-p", str(self.ports[OLD])),
                *("-U", "seawall", "-X", "stream", "-c", "fast", "-R", "--no-sync"),
            )
        finally:
            del os.environ["PGPASSWORD"]
        self.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data(OLD)))

    def copy(self, folder: Path, sites: Sequence[str] = (OLD, NEW)) -> "Pair":
        """The same two clusters elsewhere, running and in step."""
        twin = Pair(folder, self.tools)
        for site in sites:
            shutil.copytree(self.data(site), twin.data(site))
        twin.start(OLD)
        twin.start(NEW)
        eventually(lambda: twin.ask(OLD, "select count(*) = 1 from pg_stat_replication where state = 'streaming'"))
        return twin

    def close(self) -> None:
        for site in (OLD, NEW):
            self.signal(site, signal.SIGCONT)
            self.kill(site)
        memory.free_abandoned()


async def looked_at(pair: Pair, site: str) -> StepRequest:
    """A request whose `before` is what stands now."""
    return request(site, before=await pair.provider("control").observe("db", site, "control"))
