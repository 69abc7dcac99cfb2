"""The demo's dealings with one run: start it, show it live, answer its gate, and bring its report."""

import asyncio
import sys
from datetime import datetime
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.prompt import Confirm

from infra.lab.copies import settings_of
from infra.lab.info import LabInfo
from workers import control
from workers.cli.follow import Screen, screen_for
from workers.connect import connect
from workers.demo.scenario import Move
from workflows.model.plan import Operation
from workflows.model.progress import GateView, RunState
from workflows.model.report import Report
from workflows.model.requests import (
    DrillRequest,
    FailbackRequest,
    FailoverRequest,
    ReprotectRequest,
    RunRequest,
    SwitchoverRequest,
)

APPLICATION = "shop"
APPROVER = "anna"


async def conduct(info: LabInfo, move: Move, detected: datetime | None, yes: bool, screen: Console) -> Report:
    """Start what is asked for and follow it to its end.

    A person at a terminal is asked; with no terminal, or with `yes`, the demo approves by itself and says so.
    """
    client = await connect(settings_of(info))
    run = await control.start(client, _request(move, detected))
    page = f"{info.temporal_ui_url}/namespaces/default/workflows/{quote(run, safe='')}"
    screen.print(f"Started [bold]{run}[/bold]; in the Web UI: {page}", soft_wrap=True)
    answered = False
    shown = screen_for(screen)
    try:
        async for view in control.watch(client, run):
            shown.show(view)
            if view.gate is not None and not answered:
                answered = True
                agreed = await asyncio.to_thread(_ask, view.gate, yes, shown, screen)
                decide = control.approve if agreed else control.reject
                await decide(client, run, APPROVER, view.gate.code)
            if view.state is RunState.PARKED:
                break
    finally:
        shown.close()
    return await control.wait(client, run)


def _request(move: Move, detected: datetime | None) -> RunRequest:
    asked: dict[str, Any] = {"runbook": APPLICATION, "reason": move.reason, "requested_by": "demo"}
    match move.operation:
        case Operation.REPROTECT:
            return ReprotectRequest(**asked)
        case Operation.FAILBACK:
            return FailbackRequest(**asked)
        case Operation.SWITCHOVER:
            return SwitchoverRequest(**asked)
        case Operation.DRILL:
            return DrillRequest(live=move.live, **asked)
        case _:
            return FailoverRequest(planned=move.planned, detected_at=detected, **asked)


def _ask(gate: GateView, yes: bool, shown: Screen, screen: Console) -> bool:
    """Ask the person at the terminal; True when there is none to ask."""
    agreed = True

    def speak() -> None:
        nonlocal agreed
        if yes or not sys.stdin.isatty():
            screen.print(f"[yellow]Nobody is asked (--yes, or no terminal): the demo approves as {APPROVER}.[/yellow]")
        else:
            agreed = Confirm.ask(f"{gate.question} Approve as {APPROVER}?", console=screen)

    shown.aside(speak)
    return agreed
