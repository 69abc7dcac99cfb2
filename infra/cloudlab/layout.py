"""Folders, ports, secrets and processes of a cloud lab."""

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from infra.awssim.handle import KEY
from infra.awssim.shop.config import Config, Site
from infra.lab.info import write_env
from infra.lab.layout import ADDRESSES, LOOPBACK, MARKER, ROOT, Ports, clear
from infra.lab.plan import resolver_service, temporal_service, worker_service
from infra.lab.service import Boot, Service
from infra.lab.service import Site as Machine

from .info import CloudInfo, CloudSite

REGIONS = {"primary": "eu-west-1", "recovery": "eu-central-1"}
"""Neither hosts a global service, so that the loss of one takes nothing else with it."""
NAME = "shop.cloud.test"


def prepare(folder: Path) -> CloudInfo:
    """Make the folders, ports and secrets, and write the plan of all processes; starts nothing.

    Raises:
        LabError: the folder holds something else, or the Temporal server is missing.
    """
    clear(folder)
    for name in ("state", "logs", "reports", "runbooks", "temporal"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    info = _assign(folder)
    write_env(
        info.secrets_file,
        {
            "SEAWALL_LAB_POWER_TOKEN": secrets.token_urlsafe(24),
            "AWS_ENDPOINT_URL": info.simulator,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
    info.config.write_text(config(info).model_dump_json(indent=1), encoding="utf-8")
    info.save()
    _plan(info).save()
    return info


def config(info: CloudInfo) -> Config:
    """What the shop in the simulator is told."""
    return Config(
        port=urlsplit(info.simulator).port or 0,
        dns=info.dns,
        public_name=info.public_name,
        public_port=info.public_port,
        sites={name: Site(region=site.region, address=site.address) for name, site in info.sites.items()},
    )


def _assign(folder: Path) -> CloudInfo:
    ports = Ports()
    public = ports.take(*ADDRESSES.values())
    temporal, ui, resolver, power, simulator, dns = (ports.take(LOOPBACK) for _ in range(6))
    return CloudInfo(
        folder=folder,
        created=datetime.now(UTC),
        temporal_address=f"{LOOPBACK}:{temporal}",
        temporal_ui_url=f"http://{LOOPBACK}:{ui}",
        resolver=f"{LOOPBACK}:{resolver}",
        public_name=NAME,
        public_port=public,
        public_url=f"http://{NAME}:{public}",
        power_url=f"http://{LOOPBACK}:{power}",
        reports=folder / "reports",
        runbooks=folder / "runbooks",
        state=folder / "state",
        logs=folder / "logs",
        secrets_file=folder / "secrets.env",
        simulator=f"http://{LOOPBACK}:{simulator}",
        dns=f"{LOOPBACK}:{dns}",
        sites={
            name: CloudSite(name=name, region=region, address=ADDRESSES[name], worker_state=folder / name / "worker")
            for name, region in REGIONS.items()
        },
    )


def _plan(info: CloudInfo) -> Boot:
    power = urlsplit(info.power_url)
    host, _, port = info.dns.rpartition(":")
    control = worker_service(info, "control", info.temporal_address, info.control_state)
    return Boot(
        folder=str(info.folder),
        power_host=str(power.hostname),
        power_port=power.port or 0,
        links=[],
        link_log=str(info.logs / "link.log"),
        services=[temporal_service(info), _cloud(info), resolver_service(info, host, int(port)), control],
        sites={site.name: _site(info, site) for site in info.sites.values()},
    )


def _site(info: CloudInfo, site: CloudSite) -> Machine:
    """A machine in the region, for its worker; it is lost with it."""
    folder = site.worker_state.parent
    worker = worker_service(info, site.name, info.temporal_address, site.worker_state)
    return Machine(name=site.name, folder=str(folder), data_dir=str(folder / "none"), dsn="", services=[worker])


def _cloud(info: CloudInfo) -> Service:
    # Never started again: its state is in its memory, and an empty cloud would be another one.
    argv = [sys.executable, "-m", "infra.awssim.shop", str(info.config)]
    return Service("cloud", argv, str(info.logs / "cloud.log"), env={"PYTHONPATH": str(ROOT)})
