"""The demo's dealings with one run: start it, show it live, answer its gate, and bring its report."""

import asyncio
import sys
from datetime import datetime
from urllib.parse import quote

from rich.console import Console
from rich.live import Live
from rich.prompt import Confirm
from temporalio.client import Client

from infra.lab.info import LabInfo
from workers import control
from workers.cli.watch_view import render
from workers.connect import connect
from workers.demo.scenario import Scenario
from workers.settings import Settings
from workflows.model.messages import FailoverRequest, GateView, RunState
from workflows.model.report import Report

APPLICATION = "shop"
_APPROVER = "anna"


def settings_of(info: LabInfo) -> Settings:
    """The settings that point at this lab, whatever the environment says."""
    return Settings(
        temporal_address=info.temporal_address,
        namespace="default",
        runbooks=info.runbooks,
        reports=info.reports,
        state=info.state,
        site="control",
        origin="the demo's lab",
    )


async def conduct(info: LabInfo, scenario: Scenario, detected: datetime | None, yes: bool, screen: Console) -> Report:
    """Start the scenario's failover and follow it to its end.

    A person at a terminal is asked; with no terminal, or with `yes`, the demo approves by itself and says so.
    """
    client = await connect(settings_of(info))
    request = FailoverRequest(
        runbook=APPLICATION,
        reason=scenario.reason,
        planned=scenario.planned,
        requested_by="demo",
        detected_at=detected,
    )
    run = await control.start_failover(client, request)
    page = f"{info.temporal_ui_url}/namespaces/default/workflows/{quote(run, safe='')}"
    screen.print(f"Started [bold]{run}[/bold]; in the Web UI: {page}", soft_wrap=True)
    answered = False
    with Live(console=screen, refresh_per_second=8, transient=not screen.is_terminal) as live:
        async for view in control.watch(client, run):
            live.update(render(view, screen.width))
            if view.gate is not None and not answered:
                live.refresh()
                live.stop()
                answered = True
                await _answer(client, run, view.gate, yes, screen)
                live.start(refresh=True)
            if view.state is RunState.PARKED:
                break
    return await control.wait(client, run)


async def _answer(client: Client, run: str, gate: GateView, yes: bool, screen: Console) -> None:
    if yes or not sys.stdin.isatty():
        screen.print(f"[yellow]Nobody is asked (no terminal, or --yes): the demo approves as {_APPROVER}.[/yellow]")
        agreed = True
    else:
        agreed = await asyncio.to_thread(Confirm.ask, f"{gate.question} Approve as {_APPROVER}?", console=screen)
    decide = control.approve if agreed else control.reject
    screen.print(await decide(client, run, _APPROVER, gate.code))
