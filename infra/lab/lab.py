"""Starts, ends, breaks and describes a lab."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from workflows.model.runbook import Tier

from . import boot, layout, postgres, proctree
from .client import NotRunning, ask
from .info import SITES, HostStatus, LabInfo, LabStatus, Outcome, load_info
from .plan import boot_plan, has_workers
from .postgres import LabError
from .runbook_files import write_runbook

HOME, STANDBY = SITES

Say = Callable[[str], None]


def up(
    folder: Path,
    *,
    synchronous: bool = True,
    workers: bool = True,
    tier: Tier = Tier.HOT,
    wanted: layout.WantedPorts = layout.WantedPorts(),  # noqa: B008  frozen
    say: Say,
) -> LabInfo:
    """Start a lab, or find the one that runs in the folder. It goes on after this process ends.

    Raises:
        LabError: something is missing or in the way; nothing is left running.
    """
    folder = folder.resolve()
    with boot.alone(folder):
        running = find(folder)
        if running:
            say(f"The lab in {folder} is running.")
            return running
        killed = proctree.kill_survivors(folder)
        if killed:
            say(f"Ended {killed} processes that an earlier lab had left.")
        if workers and not has_workers():
            say("Workers are not part of this installation: the lab starts without them.")
            workers = False
        try:
            info = layout.prepare(folder, synchronous=synchronous, workers=workers, wanted=wanted, tier=tier)
            write_runbook(info)
            return _start(info, say)
        except BaseException:
            boot.end(folder)
            raise


def down(folder: Path, say: Say, *, everything: bool = False) -> None:
    """End every process of the lab and remove its folder; its reports stay unless `everything`."""
    folder = folder.resolve()
    if not folder.exists():
        say(f"There is no lab in {folder}.")
        return
    with boot.alone(folder):
        boot.end(folder)
        layout.clear(folder, reports_too=everything)
    say(f"The lab in {folder} has ended.")


def find(folder: Path) -> LabInfo | None:
    """The lab that runs in the folder."""
    try:
        info = load_info(folder.resolve())
        ask(info, "GET", "/status")
    except (OSError, ValueError, NotRunning):
        return None
    return info


def status(folder: Path) -> LabStatus:
    """What the lab is doing now."""
    info = find(folder)
    if info is None:
        return LabStatus(running=False)
    seen = ask(info, "GET", "/status")
    hosts = {name: HostStatus.model_validate(host) for name, host in seen["hosts"].items()}
    with ThreadPoolExecutor(len(hosts)) as pool:
        roles = dict(zip(hosts, pool.map(lambda name: _role(info, name, hosts[name]), hosts), strict=True))
    return LabStatus(
        running=True,
        hosts={name: host.model_copy(update={"postgres": roles[name]}) for name, host in hosts.items()},
        links=seen["links"],
        services=seen["services"],
        active_site=active_site(info),
        info=info,
    )


def break_(folder: Path, what: str, site: str) -> Outcome:
    """Break something; see `breaks.BREAKS`.

    Raises:
        LabError: no lab runs there, or it cannot be done now.
    """
    return _change(folder, "/break", what, site)


def repair(folder: Path, what: str, site: str) -> Outcome:
    """Mend what `break_` broke.

    Raises:
        LabError: see `break_`.
    """
    return _change(folder, "/repair", what, site)


def active_site(info: LabInfo) -> str | None:
    """The site to which the authoritative server sends users; None when it says nothing."""
    from .load import ask_address  # dnspython is not cheap to load

    try:
        address, _ = ask_address(info.public_name, info.dns_host, info.dns_port)
    except OSError:
        return None
    return next((site.name for site in info.sites.values() if site.address == address), None)


def _change(folder: Path, path: str, what: str, site: str) -> Outcome:
    try:
        info = load_info(folder.resolve())
    except FileNotFoundError as error:
        raise NotRunning(f"There is no lab in {folder}. Start one with: seawall lab up") from error
    return Outcome.model_validate(ask(info, "POST", path, {"what": what, "site": site}))


def _role(info: LabInfo, name: str, host: HostStatus) -> str:
    if host.postgres != "running":
        return host.postgres
    site = info.sites[name]
    try:
        with postgres.connect(site.db_host, site.db_port, info) as connection:
            row = connection.execute("select pg_is_in_recovery()").fetchone()
    except psycopg.Error:
        return "silent"
    return "standby" if row and row[0] else "primary"


def _start(info: LabInfo, say: Say) -> LabInfo:
    home, standby = info.sites[HOME], info.sites[STANDBY]
    say(f"PostgreSQL: {info.pg_bin_dir}")
    boot_plan(info).save()
    started = time.monotonic()
    boot.launch(info)
    postgres.make_data_dir(info, home)
    boot.wait_for_chassis(info)
    boot.wait_for_port(info.temporal_address, "Temporal", info.logs / "temporal.log")
    say(f"Temporal: {info.temporal_address}, Web UI {info.temporal_ui_url}")
    _power_on(info, HOME)
    postgres.wait_until(info, home, "select true")
    postgres.fill(info, home)
    _start_recovery_site(info)
    _wait_for_name(info)
    boot.wait_for_port(f"{home.address}:{info.public_port}", "The shop", home.app_log)
    if info.tier is Tier.HOT:
        boot.wait_for_port(f"{standby.address}:{info.public_port}", "The shop", standby.app_log)
    if info.workers:
        boot.wait_for_workers(info, [info.control_state, *(site.worker_state for site in info.sites.values())])
    say(f"Shop: {info.public_url}, served by {HOME} ({home.app_url}); {_STANDS_BY[info.tier]}")
    if info.tier is not Tier.HOT:
        from .copies import first_copy  # the client of Temporal is not cheap to load

        say(first_copy(info))
    say(f"The lab is up after {time.monotonic() - started:.1f} s.")
    return info


_STANDS_BY = {
    Tier.HOT: f"{STANDBY} follows.",
    Tier.WARM: f"the database of {STANDBY} follows, its shop is stopped.",
    Tier.COLD: f"nothing of it runs at {STANDBY}.",
}


def _start_recovery_site(info: LabInfo) -> None:
    home, standby = info.sites[HOME], info.sites[STANDBY]
    if info.tier is Tier.COLD:
        _power_on(info, STANDBY)
        return
    postgres.make_standby(info, home, standby)
    _power_on(info, STANDBY)
    postgres.wait_until(info, home, "select exists (select from pg_stat_replication where state = 'streaming')")
    if info.synchronous:
        postgres.commit_synchronously(info, home, standby)
        in_sync = "select exists (select from pg_stat_replication where sync_state = 'sync')"
        postgres.wait_until(info, home, in_sync)


def _power_on(info: LabInfo, site: str) -> None:
    ask(info, "PUT", f"/hosts/{site}/power", {"power": "on", "epoch": 0, "key": "up"})


def _wait_for_name(info: LabInfo) -> None:
    deadline = time.monotonic() + boot.START_SECONDS
    while active_site(info) is None:
        if time.monotonic() > deadline:
            raise LabError(f"The name server does not answer. Read {info.logs / 'dns.log'}.")
        time.sleep(0.02)
