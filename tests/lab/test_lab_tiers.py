"""A lab's recovery site runs what its tier says, and no more: at the start, after a reboot, and in its runbook."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from activities.providers.registry import Registry
from activities.runbook_file import check_runbook
from infra.lab import lab
from infra.lab.info import HostStatus, LabInfo, load_info
from infra.lab.layout import ROOT
from infra.lab.postgres import connect
from workflows.model.runbook import Tier

from .conftest import eventually, silent

pytestmark = [pytest.mark.deep, pytest.mark.lab]


@pytest.fixture(params=[Tier.WARM, Tier.COLD])
def tiered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LabInfo]:
    folder = tmp_path / "lab"
    found = lab.up(folder, tier=request.param, workers=False, say=silent)
    try:
        yield found
    finally:
        lab.down(folder, silent, everything=True)


def recovery(info: LabInfo) -> HostStatus:
    return lab.status(info.folder).hosts["recovery"]


def slots(info: LabInfo) -> list[str]:
    site = info.sites["primary"]
    with connect(site.db_host, site.db_port, info) as database:
        return [str(row[0]) for row in database.execute("select slot_name from pg_replication_slots").fetchall()]


def test_only_what_the_tier_says_runs_at_the_recovery_site(tiered: LabInfo) -> None:
    warm = tiered.tier is Tier.WARM
    assert load_info(tiered.folder).tier is tiered.tier
    database = "standby" if warm else "stopped"
    seen = recovery(tiered)
    assert (seen.power, seen.postgres, seen.app) == ("on", database, "stopped")
    assert tiered.sites["recovery"].data_dir.exists() is warm
    assert slots(tiered) == (["recovery"] if warm else [])
    assert tiered.synchronous is warm

    assert lab.break_(tiered.folder, "kill", "recovery").changed
    assert recovery(tiered).postgres == "stopped"
    assert lab.repair(tiered.folder, "kill", "recovery").changed
    eventually(lambda: recovery(tiered).postgres == database)
    assert recovery(tiered).app == "stopped"

    assert lab.break_(tiered.folder, "kill", "primary").changed
    assert lab.repair(tiered.folder, "kill", "primary").changed
    eventually(lambda: lab.status(tiered.folder).hosts["primary"].app == "running")


def test_the_runbook_of_the_tier_is_the_shops_and_is_right(tiered: LabInfo) -> None:
    path = tiered.runbooks / "shop.yaml"
    found = [problem for problem in check_runbook(path, Registry()) if not problem.field.startswith("review")]
    assert [str(problem) for problem in found] == []
    wanted = set(re.findall(r"\$\{(\w+)\}", path.read_text().split("application:", 1)[1]))
    assert set(yaml.safe_load((tiered.runbooks / "shop.values.yaml").read_text())) == wanted
    assert yaml.safe_load(path.read_text())["tier"] == tiered.tier


@pytest.mark.parametrize("name", ["shop-warm", "shop-cold"])
def test_the_shipped_runbook_of_the_tier_is_right_with_its_example_values(name: str, tmp_path: Path) -> None:
    for file in (f"{name}.yaml", f"{name}.values.example.yaml"):
        (tmp_path / file).write_bytes((ROOT / "runbooks" / file).read_bytes())
    found = check_runbook(tmp_path / f"{name}.yaml", Registry(), examples=True)
    assert [problem.field for problem in found if not problem.field.startswith("review")] == [""]
