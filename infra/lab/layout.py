"""Where a lab's things are: folders, free ports and secrets."""

import base64
import random
import secrets
import shutil
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from workflows.model.runbook import Tier

from .info import SITES, LabInfo, SiteInfo, write_env
from .postgres import LabError, find_binaries, identity

ROOT = Path(__file__).resolve().parents[2]
"""The folder from which `infra`, `workers` and the rest are imported."""

MARKER = ".seawall-lab"
"""A folder with this file in it is a lab's, and may be emptied."""

LOOPBACK = "127.0.0.1"
ADDRESSES = {"primary": "127.0.10.1", "recovery": "127.0.20.1"}
ZONE = "lab.test"
NAME = "shop.lab.test"
APPLICATION = "shop"

# Below the range from which the kernel takes the ports of outgoing connections, which could take one of ours.
FIRST_PORT, LAST_PORT = 15000, 30000


class Ports:
    """Hands out ports that are free on every address asked for, each once.

    They are consecutive from a random one on: of two processes that do this at once, both would else now and then take
    a port that the other has been given and does not listen on yet.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        self._next = random.randint(FIRST_PORT, LAST_PORT)

    def want(self, port: int | None, host: str, what: str) -> int:
        """That port, or a free one when none is named.

        Raises:
            LabError: it is taken.
        """
        if port is None:
            return self.take(host)
        if not _is_free(host, port):
            raise LabError(
                f"The port {port} on {host}, wanted for {what}, is taken. Stop what uses it (`ss -ltnp` tells), name "
                "another one, or name none."
            )
        self._given.add(port)
        return port

    def take(self, *hosts: str) -> int:
        """A port that nothing uses on any of the hosts.

        Raises:
            LabError: none was found.
        """
        for _ in range(500):
            port = self._next
            self._next = port + 1 if port < LAST_PORT else FIRST_PORT
            if port not in self._given and all(_is_free(host, port) for host in hosts):
                self._given.add(port)
                return port
        raise LabError("No free port was found. Stop what uses ports 15000 to 30000, then start the lab again.")


def _is_free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as attempt:
            try:
                attempt.bind((host, port))
            except OSError:
                return False
    return True


class WantedPorts(NamedTuple):
    """Ports that somebody wants to know beforehand; None takes any free one."""

    temporal: int | None = None
    ui: int | None = None


def prepare(folder: Path, *, synchronous: bool, workers: bool, wanted: WantedPorts, tier: Tier = Tier.HOT) -> LabInfo:
    """Make the folders, secrets, ports and environment files of a new lab; starts nothing.

    Raises:
        LabError: the folder holds something else, or PostgreSQL is missing.
    """
    bin_dir, run_as = find_binaries(), identity()
    clear(folder)
    for name in ("state", "logs", "reports", "runbooks", "temporal", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    info = _assign(folder, bin_dir, run_as, wanted).model_copy(
        update={"synchronous": synchronous and tier is not Tier.COLD, "workers": workers, "tier": tier}
    )
    tsig = base64.b64encode(secrets.token_bytes(32)).decode()
    keys = {"SEAWALL_LAB_POWER_TOKEN": secrets.token_urlsafe(24), "SEAWALL_LAB_TSIG_SECRET": tsig}
    write_env(info.secrets_file, {**keys, "SEAWALL_SHOP_DB_PASSWORD": secrets.token_urlsafe(18)})
    for site in info.sites.values():
        site.worker_state.mkdir(parents=True, exist_ok=True)
        _write_app_env(info, site)
    write_zone(info.state / "zone.db", info.dns_zone, info.public_name, ADDRESSES[SITES[0]])
    info.save()
    return info


def clear(folder: Path, *, reports_too: bool = False) -> None:
    """Empty a lab's folder; reports stay unless told.

    Raises:
        LabError: the folder is not a lab's.
    """
    if not folder.exists():
        return
    found = {path.name for path in folder.iterdir()}
    if MARKER not in found and found - {"reports"}:
        raise LabError(f"The folder {folder} holds something that is not a lab. Name another folder.")
    for path in folder.iterdir():
        if path.name == "reports" and not reports_too:
            continue
        if path.is_dir():
            _make_removable(path)
            shutil.rmtree(path)
        elif path.name != MARKER:
            path.unlink()
    # Last: a removal that is interrupted can be taken up again only while the marker says whose folder this is.
    (folder / MARKER).unlink(missing_ok=True)
    for empty in (folder / "reports", folder):
        if empty.exists() and not any(empty.iterdir()):
            empty.rmdir()


def _make_removable(folder: Path) -> None:
    """An ordinary user cannot remove what is in a folder that the break `no-promote` has closed."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def _assign(folder: Path, bin_dir: Path, run_as: str, wanted: WantedPorts) -> LabInfo:
    ports = Ports()
    temporal_port = ports.want(wanted.temporal, LOOPBACK, "Temporal")
    ui_port = ports.want(wanted.ui, LOOPBACK, "the Temporal Web UI")
    public_port = ports.take(*ADDRESSES.values())
    dns_port, resolver_port, power_port = (ports.take(LOOPBACK) for _ in range(3))
    return LabInfo(
        folder=folder,
        created=datetime.now(UTC),
        synchronous=False,
        workers=False,
        temporal_address=f"{LOOPBACK}:{temporal_port}",
        temporal_ui_url=f"http://{LOOPBACK}:{ui_port}",
        dns_host=LOOPBACK,
        dns_port=dns_port,
        dns_zone=ZONE,
        resolver=f"{LOOPBACK}:{resolver_port}",
        public_name=NAME,
        public_port=public_port,
        public_url=f"http://{NAME}:{public_port}",
        power_url=f"http://{LOOPBACK}:{power_port}",
        pg_bin_dir=bin_dir,
        run_as=run_as,
        database="shop",
        db_user="seawall",
        reports=folder / "reports",
        runbooks=folder / "runbooks",
        state=folder / "state",
        logs=folder / "logs",
        secrets_file=folder / "secrets.env",
        sites={name: _site(folder, name, public_port, ports) for name in SITES},
    )


def _site(folder: Path, name: str, public_port: int, ports: Ports) -> SiteInfo:
    address, base = ADDRESSES[name], folder / name
    db_port = ports.take(address)
    options = {"listen_addresses": address, "port": db_port, "cluster_name": name}
    return SiteInfo(
        name=name,
        address=address,
        app_url=f"http://{address}:{public_port}",
        db_host=address,
        db_port=db_port,
        management_host=LOOPBACK,
        management_db_port=ports.take(LOOPBACK),
        management_app_url=f"http://{LOOPBACK}:{ports.take(LOOPBACK)}",
        replication_host=LOOPBACK,
        replication_port=ports.take(LOOPBACK),
        worker_temporal=f"{LOOPBACK}:{ports.take(LOOPBACK)}",
        data_dir=base / "pgdata",
        pg_options=tuple(f"{key}={value}" for key, value in options.items()),
        pg_log=folder / "logs" / f"{name}-postgres.log",
        app_env_file=base / "app.env",
        app_pid_file=folder / "run" / f"{name}-app.pid",
        app_log=folder / "logs" / f"{name}-app.log",
        worker_state=base / "worker",
    )


def _write_app_env(info: LabInfo, site: SiteInfo) -> None:
    write_env(
        site.app_env_file,
        {
            "SHOP_HOST": site.address,
            "SHOP_PORT": str(info.public_port),
            "SHOP_SITE": site.name,
            "SHOP_DSN": f"{site.dsn} dbname={info.database} user={info.db_user} application_name=shop",
            "SHOP_DB_PASSWORD": info.secrets()["SEAWALL_SHOP_DB_PASSWORD"],
            "PYTHONPATH": str(ROOT),
        },
    )


def write_zone(path: Path, origin: str, name: str, address: str) -> None:
    """The zone as it stands at the start: `name` points at `address`, under epoch 0."""
    path.write_text(
        f"$ORIGIN {origin}.\n"
        f"@ 60 IN SOA ns.{origin}. hostmaster.{origin}. 1 60 60 3600 1\n"
        f"@ 60 IN NS ns.{origin}.\n"
        "ns 60 IN A 127.0.0.1\n"
        f"{name}. 1 IN A {address}\n"
        f'_seawall.{name}. 1 IN TXT "epoch=0"\n',
        encoding="utf-8",
    )


def app_argv() -> list[str]:
    """The command line of the shop; everything else is in its environment file."""
    return [sys.executable, "-m", "infra.lab.shop_app"]
