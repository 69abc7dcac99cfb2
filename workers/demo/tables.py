"""The demo's tables: each move of a story, and the scorecard of a drill."""

from collections.abc import Sequence

from rich.table import Table

from workers.demo.outcome import DemoMove
from workflows.model.base import in_words
from workflows.model.report import Report


def moves_table(moves: Sequence[DemoMove]) -> Table:
    """One line for each run."""
    table = Table(title="Each move, as the clients saw it", title_justify="left")
    for column in ("", "ended", "clients' outage", "lost", "both sites", "archived rows"):
        table.add_column(column)
    for move in moves:
        equal = {True: "equal", False: "DIFFERENT", None: ""}[move.equal]
        lost = "" if move.operation == "reprotect" else _count(move.lost_transactions)
        rows = str(move.archived_rows) if move.archived_rows else ""
        table.add_row(move.operation, move.end_state.value, in_words(move.outage_seconds), lost, equal, rows)
    return table


def scorecard_table(report: Report) -> Table:
    """What a drill showed."""
    card = report.scorecard
    assert card is not None, "only a drill has a scorecard"
    table = Table(title=f"Scorecard of the {card.kind} drill", title_justify="left", show_header=False)
    total = card.real + card.simulated + card.skipped
    table.add_row("steps", f"{card.real} of {total} for real, {card.simulated} simulated, {card.skipped} skipped")
    for objective in report.objectives:
        verdict = {True: "met", False: "NOT met", None: "not measured"}[objective.met]
        measured = in_words(objective.measured_seconds)
        table.add_row(objective.name, f"{measured} of {in_words(objective.promised_seconds)}: {verdict}")
    if card.canaries:
        table.add_row("production, from inside", "; ".join(sorted({*card.canaries.values()})))
    if card.kind == "isolated":
        table.add_row("leftovers", _count(card.leftovers))
    if card.compared_with is not None:
        table.add_row("last drill", f"{in_words(card.compared_with.rta_seconds)} to recover")
    for finding in card.findings:
        table.add_row(finding.code, finding.sentence)
    return table


def _count(number: int | None) -> str:
    return "not measured" if number is None else str(number)
