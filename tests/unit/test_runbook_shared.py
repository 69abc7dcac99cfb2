"""Settings that the components of a family share."""

from pathlib import Path

import pytest

from activities.runbook_file import check_runbook, read_runbook
from tests.unit.runbook_kit import changed, registry, settings_of, write

GROUPS = "{sites: {primary: {group: a, desired: 1}, recovery: {group: b, desired: 2, region: us-west-2}}}"
RUNBOOK = changed(("kind: sim.compute", "kind: aws.asg"), ("{argv: [run, --fast]}", GROUPS))
SHARED = """
providers:
  aws:
    settle: 5m
    sites:
      primary: {region: us-east-1}
      recovery: {region: eu-west-1}
"""


def test_they_are_laid_under_those_of_each_component_and_its_own_win(tmp_path: Path) -> None:
    settings = settings_of(read_runbook(write(tmp_path, RUNBOOK + SHARED), registry()).runbook, "app")
    assert settings["settle"] == "5m"
    assert settings["sites"]["primary"] == {"region": "us-east-1", "group": "a", "desired": 1}
    assert settings["sites"]["recovery"]["region"] == "us-west-2"


def test_a_fault_is_told_where_it_stands(tmp_path: Path) -> None:
    text = RUNBOOK + SHARED.replace("us-east-1", "Virginia")
    told = [str(problem) for problem in check_runbook(write(tmp_path, text), registry())]
    line = text.splitlines().index("      primary: {region: Virginia}") + 1
    assert any(f":{line}:" in one and "sites.primary.region" in one for one in told), told


def test_a_family_that_nobody_has_is_refused(tmp_path: Path) -> None:
    text = RUNBOOK + SHARED + "  asw: {sites: {}}\n  dns: 7\n"
    told = " ".join(str(problem) for problem in check_runbook(write(tmp_path, text), registry()))
    assert "providers.asw: expected one of" in told
    assert "providers.dns: expected a mapping of settings" in told


BUBBLE = """\
    bubble:
      kind: aws.vpc
      settings: {vpc: vpc-0a1b2c3d, subnets: [subnet-0a1b2c3d], security_group: sg-0a1b2c3d, most: 20}
"""
NAME = "    name: Site B\n"


def test_a_bubble_has_them_too(tmp_path: Path) -> None:
    runbook = read_runbook(write(tmp_path, RUNBOOK.replace(NAME, NAME + BUBBLE) + SHARED), registry()).runbook
    bubble = runbook.sites["recovery"].bubble
    assert bubble is not None
    assert bubble.settings["sites"]["recovery"] == {"region": "eu-west-1"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('{kind: sim.power, settings: {url: "http://power-b"', "{kind: aws.vpc, settings: {url: b", "hold a site off"),
        (NAME, NAME + BUBBLE.replace("aws.vpc", "sim.power"), "open a bubble"),
    ],
)
def test_a_device_is_of_a_kind_for_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    told = [str(problem) for problem in check_runbook(write(tmp_path, changed((old, new))), registry())]
    assert any(f"cannot {words}" in one for one in told), told
