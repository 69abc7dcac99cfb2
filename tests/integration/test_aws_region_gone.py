"""A whole region of AWS is lost, and the failover completes without it: judged by what the simulator was asked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from infra.awssim.ledger import Entry, Outcome
from infra.cloudlab import lab
from infra.cloudlab.info import CloudInfo
from infra.lab.copies import settings_of
from infra.lab.load import ask_address
from workers import control
from workers.connect import connect
from workflows.model.progress import ParkedStep, ProgressView, RunState
from workflows.model.report import Report
from workflows.model.requests import FailoverRequest

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(240)]

STATEMENT = "The whole region is lost and no device can prove it; its users are sent away from it."
EVIDENCE = "Everything in the region was cut off by this very test, the feed of the replica included."


@pytest_asyncio.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudInfo]:
    """A shop in two simulated regions."""
    info = await asyncio.to_thread(lab.up, tmp_path / "lab", print)
    try:
        yield info
    finally:
        await asyncio.to_thread(lab.down, tmp_path / "lab", print, everything=True)


class Account:
    """What the simulator says of one region."""

    def __init__(self, info: CloudInfo, site: str) -> None:
        self._control, self._region = lab.control(info), info.sites[site].region
        self._mark = len(self._control.ledger())
        self._before = self._counts()

    def mutating(self) -> list[Entry]:
        """Calls since the beginning that would have changed something there."""
        return [line for line in self._control.ledger(self._mark) if line.region == self._region]

    def calls(self) -> dict[str, int]:
        """How often each operation was asked for there since the beginning."""
        return {name: more for name, now in self._counts().items() if (more := now - self._before.get(name, 0))}

    def effects(self) -> list[Entry]:
        """What took effect anywhere since the beginning, the notes in the register aside."""
        lines = self._control.ledger(self._mark)
        return [line for line in lines if line.outcome is Outcome.TOOK_EFFECT and line.service != "dynamodb"]

    def _counts(self) -> dict[str, int]:
        counts = self._control.calls()
        return {f"{one.service} {one.operation}": one.count for one in counts if one.region == self._region}


async def fail_over(info: CloudInfo, account: Account) -> tuple[Report, dict[str, int], dict[str, int]]:
    """To the end; with the calls to the lost region until people had agreed, and until a person took the risk."""
    client = await connect(settings_of(info))
    asked = FailoverRequest(
        runbook=lab.APPLICATION, reason="the region is lost", requested_by="ben", despite_evidence=EVIDENCE
    )
    run = await control.start(client, asked)
    seen: dict[str, dict[str, int]] = {}
    async for view in control.watch(client, run):
        if view.gate and "gate" not in seen and _prepared(view):
            seen["gate"] = account.calls()
            await control.approve(client, run, "anna", view.gate.code)
        if "risk" not in seen and (step := _at_risk(view)):
            seen["risk"] = account.calls()
            await control.accept_risk(client, run, "anna", step.risk_code, STATEMENT)
    return await control.wait(client, run), seen["gate"], seen["risk"]


def _prepared(view: ProgressView) -> bool:
    return view.state is RunState.AWAITING_APPROVAL


def _at_risk(view: ProgressView) -> ParkedStep | None:
    return next((step for step in view.parked if step.risk_code), None)


async def test_a_failover_calls_nothing_in_the_region_that_is_lost(cloud: CloudInfo) -> None:
    await asyncio.to_thread(lab.lose, cloud, "primary")
    account = Account(cloud, "primary")
    report, gate, risk = await fail_over(cloud, account)
    assert report.end_state is RunState.RECOVERED, report.summary
    assert account.mutating() == [], "nothing there was even asked to change"
    looks = {"rds DescribeDBInstances", "autoscaling DescribeAutoScalingGroups"}
    assert "rds DescribeDBInstances" in gate, "it was looked at, so that calls there are seen"
    assert set(gate) <= looks
    behind_the_gate = {name: risk[name] - gate.get(name, 0) for name in risk if risk[name] != gate.get(name)}
    assert set(behind_the_gate) <= {"rds DescribeDBInstances"}, "the fence looks whether a write would be taken there"
    assert account.calls() == risk, "and nothing once a person took the risk"
    west = cloud.sites["recovery"].region
    assert sorted((line.region, line.operation) for line in account.effects()) == [
        (west, "PromoteReadReplica"),
        (west, "UpdateAutoScalingGroup"),
        ("us-east-1", "ChangeResourceRecordSets"),
    ]
    host, _, port = cloud.dns.rpartition(":")
    assert ask_address(cloud.public_name, host, int(port))[0] == cloud.sites["recovery"].address
