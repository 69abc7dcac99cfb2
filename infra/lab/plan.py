"""Everything that a lab runs, as command lines."""

import importlib.util
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from workflows.model.runbook import Tier

from .info import SITES, Grounds, LabInfo, SiteInfo
from .layout import ROOT, app_argv
from .postgres import LabError, server_argv
from .service import Boot, Service, Site

SEARCH_ATTRIBUTES = (
    "SeawallApplication=Keyword",
    "SeawallState=Keyword",
    "SeawallOperation=Keyword",
    "SeawallSite=Keyword",
    "SeawallEpoch=Int",
)

# The development server's own limits make a step wait 50 ms for nothing.
DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    "history.maximumBufferedEventsBatch=100000",
)


def has_workers() -> bool:
    """Whether the worker's command is installed."""
    try:
        return importlib.util.find_spec("workers.cli.main") is not None
    except ModuleNotFoundError:
        return False


def boot_plan(info: LabInfo) -> Boot:
    """What the chassis and the hosts start.

    Raises:
        LabError: the Temporal server is missing.
    """
    power = urlsplit(info.power_url)
    services = [temporal_service(info), _dns(info), resolver_service(info, info.dns_host, info.dns_port)]
    if info.workers:
        services.append(worker_service(info, "control", info.temporal_address, info.control_state))
    return Boot(
        folder=str(info.folder),
        power_host=str(power.hostname),
        power_port=power.port or 0,
        links=[link for site in info.sites.values() for link in _links(info, site)],
        link_log=str(info.logs / "link.log"),
        services=services,
        sites={site.name: _site(info, site) for site in info.sites.values()},
    )


def _links(info: LabInfo, site: SiteInfo) -> list[str]:
    database, app = f"{site.db_host}:{site.db_port}", f"{site.address}:{info.public_port}"
    return [
        f"replication:{site.name}={site.replication_host}:{site.replication_port}>{database}",
        f"management:{site.name}={site.management_host}:{site.management_db_port}>{database}",
        f"management:{site.name}={urlsplit(site.management_app_url).netloc}>{app}",
        f"temporal:{site.name}={site.worker_temporal}>{info.temporal_address}",
    ]


def _site(info: LabInfo, site: SiteInfo) -> Site:
    # What a tier keeps stopped at the recovery site does not come up with the machine either.
    home = site.name == SITES[0]
    services = [
        Service("postgres", server_argv(info, site), str(site.pg_log), boot=home or info.tier is not Tier.COLD),
        Service(
            "app",
            app_argv(),
            str(site.app_log),
            env_files=[str(site.app_env_file)],
            boot=home or info.tier is Tier.HOT,
            pid_file=str(site.app_pid_file),
        ),
    ]
    if info.workers:
        services.append(worker_service(info, site.name, site.worker_temporal, site.worker_state))
    return Site(
        name=site.name,
        folder=str(site.data_dir.parent),
        data_dir=str(site.data_dir),
        dsn=f"{site.dsn} dbname={info.database} user={info.db_user}",
        services=services,
    )


def worker_service(info: Grounds, name: str, temporal: str, state: Path) -> Service:
    """The worker of a site, or of control."""
    state.mkdir(parents=True, exist_ok=True)
    return Service(
        "control-worker" if name == "control" else "worker",
        [sys.executable, "-m", "workers.cli.main", "worker", "--site", name],
        str(info.logs / f"{name}-worker.log"),
        env={
            "PYTHONPATH": str(ROOT),
            "SEAWALL_TEMPORAL_ADDRESS": temporal,
            "SEAWALL_RUNBOOKS": str(info.runbooks),
            "SEAWALL_REPORTS": str(info.reports),
            "SEAWALL_PEOPLE": str(info.people),
            "SEAWALL_STATE": str(state),
            "SEAWALL_SITE": name,
        },
        env_files=[str(info.secrets_file)],
        restart=True,
    )


def temporal_program() -> str | None:
    """The Temporal command: beside this Python, as its wheel installs it, else on PATH; None when there is none."""
    beside = Path(sys.executable).parent / "temporal"
    return str(beside) if beside.exists() else shutil.which("temporal")


def temporal_service(info: Grounds) -> Service:
    """The Temporal server.

    Raises:
        LabError: it is missing.
    """
    program = temporal_program()
    if program is None:
        raise LabError("The Temporal server is not installed. Install it with: pip install 'seawall[lab]'")
    host, _, port = info.temporal_address.rpartition(":")
    argv = [program, "server", "start-dev", "--ip", host, "--port", port]
    argv += ["--ui-port", str(urlsplit(info.temporal_ui_url).port), "--log-level", "error"]
    argv += ["--db-filename", str(info.folder / "temporal" / "temporal.db")]
    for pragma in ("journal_mode=wal", "synchronous=normal"):
        argv += ["--sqlite-pragma", pragma]
    for setting in DYNAMIC_CONFIG:
        argv += ["--dynamic-config-value", setting]
    for attribute in SEARCH_ATTRIBUTES:
        argv += ["--search-attribute", attribute]
    return Service("temporal", argv, str(info.logs / "temporal.log"), restart=True)


def _dns(info: LabInfo) -> Service:
    argv = [sys.executable, "-m", "infra.lab.dns_server", "--listen", f"{info.dns_host}:{info.dns_port}"]
    argv += ["--zone", info.dns_zone, "--file", str(info.state / "zone.db")]
    return Service("dns", argv, str(info.logs / "dns.log"), env_files=[str(info.secrets_file)], restart=True)


def resolver_service(info: Grounds, host: str, port: int) -> Service:
    """The caching resolver that users ask, in front of an authoritative server."""
    argv = [sys.executable, "-m", "infra.lab.resolver", "--listen", info.resolver, "--upstream", f"{host}:{port}"]
    return Service("resolver", argv, str(info.logs / "resolver.log"), restart=True)
