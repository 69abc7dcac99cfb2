"""The demo's dealings with one run: start it, show it live, answer its gate, and bring its report."""

import asyncio
import sys
from datetime import datetime
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.prompt import Confirm

from infra.lab.copies import settings_of
from infra.lab.info import Grounds
from workers import control
from workers.cli.follow import Screen, screen_for
from workers.connect import connect
from workers.demo.scenario import Move
from workflows.model.plan import Operation
from workflows.model.progress import GateView, ParkedStep
from workflows.model.report import Report
from workflows.model.requests import (
    DrillRequest,
    FailbackRequest,
    FailoverRequest,
    ReprotectRequest,
    RunRequest,
    SwitchoverRequest,
)

APPROVER = "anna"


async def conduct(
    info: Grounds, application: str, move: Move, detected: datetime | None, yes: bool, screen: Console
) -> Report:
    """Start what is asked for and follow it to its end.

    A person at a terminal is asked; with no terminal, or with `yes`, the demo approves by itself and says so.
    """
    client = await connect(settings_of(info))
    run = await control.start(client, _request(application, move, detected))
    page = f"{info.temporal_ui_url}/namespaces/default/workflows/{quote(run, safe='')}"
    screen.print(f"Started [bold]{run}[/bold]; in the Web UI: {page}", soft_wrap=True)
    answered, accepted = False, set[str]()
    shown = screen_for(screen)
    try:
        async for view in control.watch(client, run):
            shown.show(view)
            if view.gate is not None and not answered:
                answered = True
                agreed = await asyncio.to_thread(_ask, view.gate, yes, shown, screen)
                decide = control.approve if agreed else control.reject
                await decide(client, run, APPROVER, view.gate.code)
            unasked = [step for step in view.parked if step.step not in accepted]
            if any(not (step.risk_code and move.accepts_risk) for step in unasked):
                break
            for step in unasked:
                accepted.add(step.step)
                if not await asyncio.to_thread(_ask_risk, step, move.accepts_risk, yes, shown, screen):
                    return await control.wait(client, run)
                await control.accept_risk(client, run, APPROVER, step.risk_code, move.accepts_risk)
    finally:
        shown.close()
    return await control.wait(client, run)


def _request(application: str, move: Move, detected: datetime | None) -> RunRequest:
    asked: dict[str, Any] = {"runbook": application, "reason": move.reason, "requested_by": "demo"}
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
    return _asked(f"{gate.question} Approve as {APPROVER}?", f"the demo approves as {APPROVER}.", yes, shown, screen)


def _ask_risk(step: ParkedStep, statement: str, yes: bool, shown: Screen, screen: Console) -> bool:
    """The same for a risk that only a person may take."""
    screen.print(f"[yellow]{step.reason}[/yellow]")
    instead = f'the demo accepts the risk of two writers as {APPROVER}: "{statement}"'
    return _asked(f'Accept the risk of two writers as {APPROVER}: "{statement}"?', instead, yes, shown, screen)


def _asked(question: str, instead: str, yes: bool, shown: Screen, screen: Console) -> bool:
    agreed = True

    def speak() -> None:
        nonlocal agreed
        if yes or not sys.stdin.isatty():
            screen.print(f"[yellow]Nobody is asked (--yes, or no terminal): {instead}[/yellow]")
        else:
            agreed = Confirm.ask(question, console=screen)

    shown.aside(speak)
    return agreed
