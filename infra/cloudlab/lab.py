"""Starts, ends and breaks a cloud lab."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from infra.awssim.faults import Kind, Rule
from infra.awssim.handle import SimulatorControl
from infra.lab import boot, proctree
from infra.lab.client import ask
from infra.lab.info import Outcome
from infra.lab.layout import ROOT, clear
from infra.lab.postgres import LabError

from . import layout
from .info import CloudInfo

RUNBOOK = ROOT / "runbooks" / "cloud-shop.yaml"
APPLICATION = RUNBOOK.stem
Say = Callable[[str], None]


def up(folder: Path, say: Say) -> CloudInfo:
    """Start a cloud lab; it goes on after this process ends.

    Raises:
        LabError: something is missing or in the way; nothing is left running.
    """
    folder = folder.resolve()
    with boot.alone(folder):
        proctree.kill_survivors(folder)
        try:
            return _start(layout.prepare(folder), say)
        except BaseException:
            boot.end(folder)
            raise


def down(folder: Path, say: Say, *, everything: bool = False) -> None:
    """End every process and remove the folder; the reports stay unless `everything`."""
    folder = folder.resolve()
    with boot.alone(folder):
        boot.end(folder)
        clear(folder, reports_too=everything)
    say(f"The cloud lab in {folder} has ended.")


def control(info: CloudInfo) -> SimulatorControl:
    """The simulator's own interface: faults, the effect ledger, counts of calls."""
    return SimulatorControl(info.simulator)


def lose(info: CloudInfo, site: str) -> Outcome:
    """A whole region is gone: its control planes, the shop that ran there, and Seawall's own worker."""
    region = info.sites[site].region
    ask(info, "POST", "/break", {"what": "kill", "site": site})
    control(info).set_faults([Rule(kind=Kind.REGION_GONE, region=region, with_global=True)])
    return Outcome(changed=True, sentence=f"{region} is gone: nothing in it answers any more.")


def bring_back(info: CloudInfo, site: str) -> Outcome:
    """The region comes back, its networks last. Its database still takes itself for the primary; a person shuts it in
    before anybody can reach it, as the runbook says, since nothing could do that while the region was gone."""
    from infra.awssim.shop.resources import isolate  # boto3 takes its time to load

    region = info.sites[site].region
    control(info).set_faults([Rule(kind=Kind.REGION_GONE, region=region, service="elbv2")])
    group = _values(info)[f"{site}_isolation_group"]
    isolate(info.simulator, region, group)
    control(info).clear_faults()
    ask(info, "POST", "/repair", {"what": "kill", "site": site})
    sentence = f"{region} is back. A person has given its old database the isolation group alone: nobody reaches it."
    return Outcome(changed=True, sentence=sentence)


class Held(NamedTuple):
    """What a site holds, past everything."""

    orders: set[tuple[str, int]]
    receipts: set[str]
    samples: dict[str, int]
    """Of two writers; the same at both sites."""


def held(info: CloudInfo, site: str) -> Held:
    """Every order in the database of a site, and every receipt in its bucket."""
    found = httpx.get(f"{info.front(site)}/audit", timeout=10.0, trust_env=False).json()
    orders = {(client, seq) for client, seq in found["orders"] or ()}
    return Held(orders, set(found["receipts"]), found["samples"])


def _start(info: CloudInfo, say: Say) -> CloudInfo:
    started = time.monotonic()
    boot.launch(info)
    boot.wait_for_chassis(info)
    boot.wait_for_port(urlsplit(info.simulator).netloc, "The simulator", info.logs / "cloud.log")
    from infra.awssim.shop.resources import build  # boto3 takes its time to load

    values = build(info.simulator, layout.config(info)) | {"public_url": info.public_url, "resolver": info.resolver}
    _write_runbook(info, values)
    boot.wait_for_port(info.temporal_address, "Temporal", info.logs / "temporal.log")
    for name in info.sites:
        ask(info, "PUT", f"/hosts/{name}/power", {"power": "on", "epoch": 0, "key": "up"})
    boot.wait_for_workers(info, [info.control_state, *(site.worker_state for site in info.sites.values())])
    _wait_for_shop(info)
    say(f"Temporal: {info.temporal_address}, Web UI {info.temporal_ui_url}")
    regions = " and ".join(site.region for site in info.sites.values())
    say(f"The cloud lab is up after {time.monotonic() - started:.1f} s: simulated AWS, regions {regions}.")
    return info


def _write_runbook(info: CloudInfo, values: dict[str, Any]) -> None:
    (info.runbooks / RUNBOOK.name).write_text(RUNBOOK.read_text(encoding="utf-8"), encoding="utf-8")
    lines = (f"{name}: {json.dumps(value)}" for name, value in values.items())
    (info.runbooks / f"{APPLICATION}.values.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _values(info: CloudInfo) -> dict[str, Any]:
    lines = (info.runbooks / f"{APPLICATION}.values.yaml").read_text(encoding="utf-8").splitlines()
    return {name: json.loads(value) for name, _, value in (line.partition(": ") for line in lines)}


def _wait_for_shop(info: CloudInfo) -> None:
    home = next(iter(info.sites))
    deadline = time.monotonic() + boot.START_SECONDS
    while True:
        try:
            if httpx.get(f"{info.front(home)}/readyz", timeout=1.0, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise LabError(f"The shop does not serve. Read {info.logs / 'cloud.log'}.")
        time.sleep(0.05)
