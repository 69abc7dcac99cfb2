"""What a report says of a drill: how real it was, what it showed, and what is left of it."""

from workflows.model.base import in_words
from workflows.model.entity import DrillSummary
from workflows.model.progress import RunState
from workflows.model.report import Report, Scorecard

from . import words
from .content import Cell, Section, facts, table

_REACHED = "reached"
"""What a probe inside the bubble says of an endpoint that answered it; every other word is why it did not."""


def scorecard(report: Report, card: Scorecard) -> Section:
    """The drill at a glance."""
    rows = [
        (
            "Kind",
            "live: users are moved there and back" if words.is_live(report) else "isolated: on clones in a bubble",
        ),
        ("Fidelity", fidelity(card)),
        *((f"{name} against its promise", _promise(report, name)) for name in ("RTO", "RPO")),
        ("Leftovers", _leftovers(card, live=words.is_live(report))),
        *_compared(card),
    ]
    return facts("scorecard", "Scorecard of the drill", rows)


def fidelity(card: Scorecard) -> str:
    """`9 of 10 steps done for real, 1 simulated`."""
    total = card.real + card.simulated + card.skipped
    if not total:
        return "not measured: the drill had no step"
    more = [f"{card.simulated} simulated"] if card.simulated else []
    more += [f"{card.skipped} not done"] if card.skipped else []
    return ", ".join([f"{card.real} of {total} steps done for real", *more])


def canaries(card: Scorecard) -> Section:
    """For each production endpoint, what the bubble met when it tried to reach it."""
    return table(
        "canaries",
        "Could the bubble reach production?",
        ("Production endpoint", "From inside the bubble"),
        ((name, _verdict(said)) for name, said in card.canaries.items()),
        empty="Not measured: no production endpoint was tried from inside.",
    )


def _verdict(said: str) -> Cell:
    if not said:
        return Cell(words.NOT_MEASURED, "idle")
    return Cell("REACHED", "bad") if said == _REACHED else Cell(f"not reached ({said})", "good")


def _promise(report: Report, name: str) -> Cell:
    found = words.objective(report, name)
    if found is None:
        return Cell("no promise in the report", "idle")
    kept, tone = words.verdict(found.met)
    if found.met is None:
        return Cell(kept, tone)
    took = words.lost(found.measured_seconds) if name == "RPO" else in_words(found.measured_seconds)
    return Cell(f"{kept}: {took} of {in_words(found.promised_seconds)}", tone)


def _leftovers(card: Scorecard, *, live: bool) -> Cell:
    if card.leftovers is None:
        return Cell("a live drill makes none" if live else words.NOT_MEASURED, "idle")
    return Cell(str(card.leftovers), "bad" if card.leftovers else "good")


def _compared(card: Scorecard) -> list[tuple[str, str | Cell]]:
    last = card.compared_with
    if last is None:
        return [("Last drill", "none of this sort before")]
    return [("Last drill", _last(last)), ("Against the last drill", _change(card.rta_change_seconds))]


def _last(last: DrillSummary) -> str:
    outcome = "passed" if last.end_state == RunState.RECOVERED else last.end_state.replace("_", " ").lower()
    share = "fidelity not measured" if last.fidelity is None else f"{last.fidelity:.0%} for real"
    return f"{last.workflow_id}, {words.stamp(last.ended)}: {outcome}, {in_words(last.rta_seconds)}, {share}"


def _change(seconds: float | None) -> Cell:
    if seconds is None:
        return Cell(words.NOT_MEASURED, "idle")
    # Shorter than a person could tell; and rounded, no change would read as "0 ms slower".
    if abs(seconds) < 0.0005:
        return Cell("as fast")
    return Cell(f"{in_words(abs(seconds))} {'slower' if seconds > 0 else 'faster'}", "warn" if seconds > 0 else "good")
