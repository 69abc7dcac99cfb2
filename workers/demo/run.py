"""Runs a demo: lab up, load on, break it, recover it, compare, clean up."""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from infra.lab.audit import Audit
from infra.lab.load import Load
from infra.lab.postgres import LabError
from workers.demo.cockpit import conduct
from workers.demo.detector import wait_for_outage
from workers.demo.effects import effects_of, effects_table
from workers.demo.outcome import ClientView, DemoMove, DemoOutcome, judged, outcome, together
from workers.demo.scenario import Move, Scenario, find_scenario
from workers.demo.stages import Stage, stage_of
from workers.demo.tables import moves_table, scorecard_table
from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.plan import Operation
from workflows.model.progress import RunState
from workflows.model.report import Report

FOLDER = Path(".seawall/demo")
_WARM_UP = 2.0
_COOL_DOWN = 2.0
_BETWEEN = 1.0
_EACH = 20.0
"""Orders a second that one client sends at most."""


@dataclass(frozen=True)
class Show:
    """One telling of a story."""

    scenario: Scenario
    yes: bool
    dice: random.Random
    screen: Console
    rate: float


def run_demo(name: str, yes: bool, json_file: Path | None, cycles: int | None, seed: int, rate: float) -> int:
    """Tell a story, `cycles` times; 0 when every one ended as it must.

    Args:
        name: which scenario.
        yes: approve without asking.
        json_file: where the outcome is written.
        cycles: how many times, each on a fresh lab unless the story goes on; as the story says when None.
        seed: varies the moment of the disaster.
        rate: orders a second that the clients send.
    """
    scenario, screen = find_scenario(name), Console(highlight=False)
    dice = random.Random(seed)  # noqa: S311  the moment of a break, nothing secret
    screen.print(f"[bold]{scenario.name}[/bold]: {scenario.story}\n")
    times, show = cycles or scenario.cycles, Show(scenario, yes, dice, screen, rate)
    if scenario.goes_on:
        result = _in_one_lab(show, times)
    else:
        result = together([_in_a_fresh_lab(show, number, times) for number in range(times)])
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        screen.print(f"Outcome written to {json_file}")
    return 0 if result.as_expected else 1


def _in_a_fresh_lab(show: Show, number: int, times: int) -> DemoOutcome:
    if times > 1:
        show.screen.rule(f"cycle {number + 1} of {times}")
    return _in_one_lab(show, 1)


def _in_one_lab(show: Show, times: int) -> DemoOutcome:
    """All cycles one after the other in one lab, under one load; audited at the end, over all that it wrote."""
    scenario, screen = show.scenario, show.screen
    stage = stage_of(scenario, FOLDER, screen.print)
    try:
        moves, reports, client = _live(stage, show, times)
        found = outcome(scenario.name, moves, reports, client)
        _compare(reports[-1], found, screen)
        return found
    finally:
        stage.down()
        screen.print(f"The reports are kept in {FOLDER / 'reports'}")


def _live(stage: Stage, show: Show, times: int) -> tuple[list[DemoMove], list[Report], ClientView]:
    load, watcher = Load(stage.info, clients=max(4, round(show.rate / _EACH)), rate=show.rate), stage.watch()
    moves: list[DemoMove] = []
    reports: list[Report] = []
    load.start()
    watcher.start()
    try:
        for number in range(times):
            if times > 1:
                show.screen.rule(f"cycle {number + 1} of {times}")
            time.sleep(_WARM_UP + show.dice.random())
            for move in show.scenario.moves:
                report, judgement = _make(stage, move, load, show)
                reports.append(report)
                moves.append(judgement)
                if not judgement.as_expected:
                    break
            if not moves[-1].as_expected:
                break
        time.sleep(_COOL_DOWN)
    finally:
        summary, seen = load.stop(), watcher.stop()
    checked = _audit(stage, load)
    protected = reports[-1].protected is True or reports[-1].operation is Operation.DRILL
    view = ClientView(
        acknowledged=summary.acknowledged,
        lost=checked.lost,
        lost_seconds=_span(load, checked),
        duplicated=checked.duplicated,
        outage_seconds=summary.outage_seconds,
        two_writer_samples=seen.two_writer_samples,
        watcher_samples=seen.samples,
        errors=summary.errors,
        checksums=stage.checksums() if protected else {},
    )
    return moves, reports, view


def _span(load: Load, checked: Audit) -> float | None:
    lost = set(checked.lost_orders)
    moments = [ack.mono for ack in load.acks if (ack.client, ack.seq) in lost]
    return round(max(moments) - min(moments), 3) if moments else None


def _make(stage: Stage, move: Move, load: Load, show: Show) -> tuple[Report, DemoMove]:
    """One move, as Seawall reports it and as the clients saw it."""
    began, errors = time.monotonic(), load.errors
    detected = _disaster(stage, move, show.screen)
    line = len(stage.effects(0))
    report = asyncio.run(conduct(stage.info, stage.application, move, detected, show.yes, show.screen))
    effects = effects_of(stage.effects(line))
    time.sleep(_BETWEEN)
    found = judged(move, report, load.outage_since(began), load.errors - errors, effects)
    show.screen.print(
        f"{found.operation}: {found.end_state.value}, {in_words(found.outage_seconds)} without an answer for the "
        f"clients, {found.errors} orders repeated"
    )
    return report, found


def _audit(stage: Stage, load: Load) -> Audit:
    """What the data holds of the acknowledged writes, read at the site to which users are sent.

    Raises:
        PermanentError: UNREACHABLE when nobody serves there: then the run has not recovered the application.
    """
    try:
        return stage.audit(load.acks)
    except (psycopg.Error, LabError) as error:
        raise PermanentError(
            Code.UNREACHABLE,
            f"The database to which users are sent does not answer ({type(error).__name__}), so nothing was recovered.",
            f"Read the run's report in {stage.info.reports}.",
        ) from error


def _disaster(stage: Stage, move: Move, screen: Console) -> datetime | None:
    for one in move.repairs:
        screen.print(f"[green]repair[/green]: {stage.repair(one.what, one.site).sentence}")
    for one in move.breaks:
        screen.print(f"[red]break[/red]: {stage.break_(one.what, one.site).sentence}")
        time.sleep(one.then_wait)
    if not move.outage:
        return None
    detected = wait_for_outage(stage.info)
    screen.print(f"[red]outage detected[/red] at {detected:%H:%M:%S.%f} UTC: three failed requests")
    if move.evidence:
        screen.print(f"{move.evidence:.0f} s until it is beyond doubt for the standby too")
        time.sleep(move.evidence)
    return detected


def _compare(report: Report, found: DemoOutcome, screen: Console) -> None:
    client = found.client
    if len(found.moves) > 1:
        screen.print(moves_table(found.moves))
    if touched := [(move.operation, move.effects) for move in found.moves if move.effects]:
        screen.print(effects_table(touched))
    if report.scorecard is not None:
        screen.print(scorecard_table(report))
    table = Table(title="The run's own report, beside what the clients measured", title_justify="left")
    for column in ("", "orchestrator", "clients"):
        table.add_column(column)
    lost = "not measured" if found.lost_transactions is None else str(found.lost_transactions)
    table.add_row("ended", found.end_state.value, f"{client.acknowledged} acknowledged writes")
    table.add_row("time to recover (RTA)", in_words(found.rta_seconds), f"{in_words(client.outage_seconds)} outage")
    table.add_row("lost transactions", lost, str(client.lost))
    span = in_words(client.lost_seconds) if client.lost else ""
    table.add_row("lost, by marker (RPA)", in_words(found.rpa_seconds), span)
    table.add_row("duplicated", "", str(client.duplicated))
    table.add_row("two writers at once", "", f"{client.two_writer_samples} of {client.watcher_samples} samples")
    if client.checksums:
        same = "equal" if len(set(client.checksums.values())) == 1 else "DIFFERENT"
        table.add_row("both sites' orders", "", same)
    screen.print(table)
    screen.print(report.summary)
    if found.end_state is RunState.REFUSED:
        screen.print(f"[bold]Refused, as it must be[/bold]: {report.code}")
    verdict = "[green]as it must end[/green]" if found.as_expected else "[red]NOT as it must end[/red]"
    screen.print(f"{found.scenario}: {verdict}")
