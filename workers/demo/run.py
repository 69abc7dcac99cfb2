"""Runs a demo: lab up, load on, break it, recover it, compare, clean up."""

import asyncio
import random
import time
from datetime import datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from infra.lab import lab
from infra.lab.audit import Audit, audit
from infra.lab.info import LabInfo
from infra.lab.load import Load
from infra.lab.postgres import LabError
from infra.lab.watcher import Watcher
from workers.demo.cockpit import conduct
from workers.demo.detector import wait_for_outage
from workers.demo.outcome import ClientView, DemoOutcome, outcome, together
from workers.demo.scenario import Scenario, find_scenario
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import RunState
from workflows.model.report import Report

FOLDER = Path(".seawall/demo")
_WARM_UP = 2.0
_COOL_DOWN = 2.0


def run_demo(name: str, yes: bool, json_file: Path | None, cycles: int, seed: int) -> int:
    """Tell a story, `cycles` times; 0 when every one ended as it must.

    Args:
        name: which scenario.
        yes: approve without asking.
        json_file: where the outcome is written.
        cycles: how many times, each on a fresh lab.
        seed: varies the moment of the disaster.
    """
    scenario, screen = find_scenario(name), Console(highlight=False)
    dice = random.Random(seed)  # noqa: S311  the moment of a break, nothing secret
    screen.print(f"[bold]{scenario.name}[/bold]: {scenario.story}\n")
    found = []
    for number in range(1, cycles + 1):
        if cycles > 1:
            screen.rule(f"cycle {number} of {cycles}")
        found.append(_one(scenario, yes, dice.random(), screen))
    result = together(found)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        screen.print(f"Outcome written to {json_file}")
    return 0 if result.as_expected else 1


def _one(scenario: Scenario, yes: bool, jitter: float, screen: Console) -> DemoOutcome:
    info = lab.up(FOLDER, synchronous=scenario.synchronous, say=screen.print)
    try:
        report, client = _live(info, scenario, yes, jitter, screen)
        found = outcome(scenario.name, scenario.ends, report, client)
        _compare(scenario, report, found, screen)
        return found
    finally:
        lab.down(FOLDER, say=screen.print)
        screen.print(f"The reports are kept in {FOLDER / 'reports'}")


def _live(info: LabInfo, scenario: Scenario, yes: bool, jitter: float, screen: Console) -> tuple[Report, ClientView]:
    load, watcher = Load(info), Watcher(info)
    load.start()
    watcher.start()
    try:
        time.sleep(_WARM_UP + jitter)
        detected = _disaster(info, scenario, screen)
        report = asyncio.run(conduct(info, scenario, detected, yes, screen))
        time.sleep(_COOL_DOWN)
    finally:
        summary, seen = load.stop(), watcher.stop()
    checked = _audit(info, load)
    view = ClientView(
        acknowledged=summary.acknowledged,
        lost=checked.lost,
        duplicated=checked.duplicated,
        outage_seconds=summary.outage_seconds,
        two_writer_samples=seen.two_writer_samples,
        watcher_samples=seen.samples,
    )
    return report, view


def _audit(info: LabInfo, load: Load) -> Audit:
    """What the data holds of the acknowledged writes, read at the site to which users are sent.

    Raises:
        PermanentError: UNREACHABLE when nobody serves there: then the run has not recovered the application.
    """
    try:
        return audit(info, load.acks)
    except (psycopg.Error, LabError) as error:
        raise PermanentError(
            Code.UNREACHABLE,
            f"The database to which users are sent does not answer ({type(error).__name__}), so nothing was recovered.",
            f"Read the run's report in {info.reports}.",
        ) from error


def _disaster(info: LabInfo, scenario: Scenario, screen: Console) -> datetime | None:
    for one in scenario.breaks:
        screen.print(f"[red]break[/red]: {lab.break_(info.folder, one.what, one.site).sentence}")
        time.sleep(one.then_wait)
    if not scenario.outage:
        return None
    detected = wait_for_outage(info)
    screen.print(f"[red]outage detected[/red] at {detected:%H:%M:%S.%f} UTC: three failed requests")
    return detected


def _compare(scenario: Scenario, report: Report, found: DemoOutcome, screen: Console) -> None:
    client = found.client
    table = Table(title="The run's own report, beside what the clients measured", title_justify="left")
    for column in ("", "orchestrator", "clients"):
        table.add_column(column)
    lost = "not measured" if report.lost_transactions is None else str(report.lost_transactions)
    table.add_row("ended", report.end_state.value, f"{client.acknowledged} acknowledged writes")
    table.add_row("time to recover (RTA)", in_words(report.rta_seconds), f"{in_words(client.outage_seconds)} outage")
    table.add_row("lost transactions", lost, str(client.lost))
    table.add_row("lost, by marker (RPA)", in_words(report.rpa_seconds), "")
    table.add_row("duplicated", "", str(client.duplicated))
    table.add_row("two writers at once", "", f"{client.two_writer_samples} of {client.watcher_samples} samples")
    screen.print(table)
    screen.print(report.summary)
    if report.end_state is RunState.REFUSED:
        screen.print(f"[bold]Refused, as it must be[/bold]: {report.code}")
    verdict = "[green]as it must end[/green]" if found.as_expected else "[red]NOT as it must end[/red]"
    screen.print(f"{scenario.name}: {verdict}")
