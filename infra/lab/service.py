"""What the chassis and the hosts run: plain data, written by `up` and read without any dependency.

The chassis and the hosts start often and must start fast, so they import nothing but the standard library.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BOOT_FILE = "state/boot.json"


@dataclass(frozen=True)
class Service:
    """One process to start. No secret: those come from `env_files`, which are private to their owner."""

    name: str
    argv: list[str]
    log: str
    env: dict[str, str] = field(default_factory=dict)
    env_files: list[str] = field(default_factory=list)
    restart: bool = False
    """Started again when it dies."""
    boot: bool = True
    """Started when its site boots; otherwise only when somebody starts it."""
    pid_file: str = ""


@dataclass(frozen=True)
class Site:
    """One site's machine."""

    name: str
    folder: str
    data_dir: str
    dsn: str
    services: list[Service]


@dataclass(frozen=True)
class Boot:
    """All of a lab."""

    folder: str
    power_host: str
    power_port: int
    links: list[str]
    """`NAME=HOST:PORT>HOST:PORT`; a link's name is `KIND:SITE`."""
    link_log: str
    services: list[Service]
    sites: dict[str, Site]

    def save(self) -> None:
        """Write it where `load` finds it."""
        (Path(self.folder) / BOOT_FILE).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def load(folder: Path) -> Boot:
    """What `up` wrote for that folder."""
    raw: dict[str, Any] = json.loads((folder / BOOT_FILE).read_text(encoding="utf-8"))
    sites = {name: Site(**{**site, "services": _services(site)}) for name, site in raw["sites"].items()}
    return Boot(**{**raw, "sites": sites, "services": _services(raw)})


def _services(raw: Mapping[str, Any]) -> list[Service]:
    return [Service(**service) for service in raw["services"]]


def environment(service: Service) -> dict[str, str]:
    """The environment of a service: ours, its files', its own."""
    env = dict(os.environ)
    for name in service.env_files:
        for line in Path(name).read_text(encoding="utf-8").splitlines():
            key, found, value = line.partition("=")
            if found:
                env[key] = value
    return env | service.env


def start(service: Service) -> int:
    """Start it in a session of its own; its process id. The caller reaps it."""
    with open(service.log, "ab") as log:
        process = subprocess.Popen(
            service.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(service),
            cwd="/",
        )
    pid = process.pid
    # The process is reaped by pid, by whoever is its parent then; Popen must not try as well.
    process.returncode = 0
    return pid
