"""The runbook of a lab's shop, as its tier wants it, and the values that it refers to."""

import json
from pathlib import Path
from typing import Any

from workflows.model.runbook import Tier

from .info import LabInfo, SiteInfo
from .layout import APPLICATION, ROOT, app_argv
from .postgres import LabError


def write_runbook(info: LabInfo) -> None:
    """The shop's runbook and the values that it refers to. JSON is YAML, and keeps types and quoting certain."""
    source = _runbook_source(info.tier)
    # A runbook is named as its file is, and in a lab it is always the shop's.
    text = source.read_text(encoding="utf-8").replace(f"application: {source.stem}\n", f"application: {APPLICATION}\n")
    (info.runbooks / f"{APPLICATION}.yaml").write_text(text, encoding="utf-8")
    lines = (f"{name}: {json.dumps(value)}" for name, value in values(info).items())
    (info.runbooks / f"{APPLICATION}.values.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _runbook_source(tier: Tier) -> Path:
    source = ROOT / "runbooks" / (f"{APPLICATION}.yaml" if tier is Tier.HOT else f"{APPLICATION}-{tier.value}.yaml")
    if not source.exists():
        raise LabError(f"The runbook {source} is missing. Run the lab from a checkout of Seawall.")
    return source


_COPIES = {"snapshot_every": "30s", "snapshot_keep_for": "10m"}
_REPLICATION_VALUES: dict[Tier, dict[str, str]] = {
    Tier.HOT: {},
    Tier.WARM: _COPIES,
    Tier.COLD: {**_COPIES, "copy_period": "10s"},
}
"""Short, since nobody wants to watch a lab for a day."""


def values(info: LabInfo) -> dict[str, Any]:
    """Every `${name}` of the shop's runbook."""
    found: dict[str, Any] = {
        "power_url": info.power_url,
        "pg_bin_dir": str(info.pg_bin_dir),
        "pg_run_as": info.run_as,
        "dns_host": info.dns_host,
        "dns_port": info.dns_port,
        "dns_zone": info.dns_zone,
        "dns_name": info.public_name,
        "resolver": info.resolver,
        "public_url": info.public_url,
        "dns_canary": f"{info.dns_host}:{info.dns_port}",
    } | _REPLICATION_VALUES[info.tier]
    if info.tier is not Tier.COLD:
        found["synchronous"] = info.synchronous
    for site in info.sites.values():
        found |= {f"{site.name}_{key}": value for key, value in _site_values(site).items()}
    return found


def _site_values(site: SiteInfo) -> dict[str, Any]:
    return {
        "db_host": site.management_host,
        "db_port": site.management_db_port,
        "db_local_host": site.db_host,
        "db_local_port": site.db_port,
        "replication_host": site.replication_host,
        "replication_port": site.replication_port,
        "data_dir": str(site.data_dir),
        "snapshot_dir": str(site.data_dir.parent / "points"),
        # Kept when the lab ends, as the reports are: it is all that is left of those rows.
        "archive_dir": str(site.data_dir.parents[1] / "reports" / "diverged" / site.name),
        "pg_log": str(site.pg_log),
        "pg_options": list(site.pg_options),
        "app_argv": app_argv(),
        "app_pid_file": str(site.app_pid_file),
        "app_log": str(site.app_log),
        "app_env_file": str(site.app_env_file),
        "app_url": site.management_app_url,
        "local_app_url": site.app_url,
        "canary": f"{site.management_host}:{site.management_db_port}",
        "address": site.address,
    }
