"""Where everything stands in the timeline picture: a time axis that folds long waits.

An approval that takes an hour would squash ten seconds of recovery into one pixel; so a stretch in which no step worked
(mostly because people were waited for) is drawn at a fixed width, marked as folded and labelled with its duration. Work
is never folded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from workflows.model.progress import StepRecord, StepState
from workflows.model.report import Report
from workflows.model.verbs import Verb

from .words import seconds_between

FOLD_WIDTH = 92.0
_FOLD_SHARE = 0.2
_SHORTEST_FOLD = 2.0
_TOUCHING = 0.05
"""Seconds between two steps that still count as "began when the other ended"."""
_MOST_FOLDS = 5

_UNDOING = (StepState.UNDOING, StepState.UNDONE, StepState.UNDO_FAILED)

Span = tuple[float, float]


@dataclass(frozen=True)
class Piece:
    """A stretch of the axis, in seconds since its beginning and in drawing units."""

    start: float
    end: float
    left: float
    right: float
    folded: bool


@dataclass(frozen=True)
class Axis:
    """The axis, from `origin`."""

    origin: datetime
    pieces: tuple[Piece, ...]

    def seconds(self, moment: datetime) -> float:
        """Seconds from the origin to the moment."""
        return seconds_between(self.origin, moment) or 0.0

    def x(self, seconds: float) -> float:
        """Where that second is drawn; beyond the ends, the end."""
        for piece in self.pieces:
            if seconds <= piece.end:
                share = (max(seconds, piece.start) - piece.start) / max(piece.end - piece.start, 1e-9)
                return piece.left + share * (piece.right - piece.left)
        return self.pieces[-1].right

    @property
    def folds(self) -> tuple[Piece, ...]:
        """The folded stretches."""
        return tuple(piece for piece in self.pieces if piece.folded)


def is_gate(step: StepRecord) -> bool:
    """Whether the step waits for people, or for the agreed time."""
    return step.kind in (Verb.GATE, Verb.WINDOW) or step.state is StepState.WAITING


def last_moment(report: Report) -> datetime:
    """The latest time that the report knows."""
    clock = report.clock
    known = [clock.declared, clock.approved, clock.pivot, clock.verified, clock.ended]
    known += [moment for step in report.steps for moment in (step.started, step.ended)]
    known += [one.since for one in report.parked]
    return max((moment for moment in known if moment), key=lambda moment: seconds_between(clock.declared, moment) or 0)


def axis(report: Report, left: float, right: float) -> Axis:
    """The axis of a report between two drawing positions."""
    starts = [report.clock.declared, *(step.started for step in report.steps if step.started)]
    origin = min(starts, key=lambda moment: seconds_between(report.clock.declared, moment) or 0)
    length = max(seconds_between(origin, last_moment(report)) or 0.0, 0.001)
    folds = _folds(_merged(_working(report, origin)), length)
    scale = (right - left - FOLD_WIDTH * len(folds)) / max(length - sum(end - start for start, end in folds), 0.001)
    # Differences of large numbers lose their last digits: what they add up to is held within the drawing.
    pieces: list[Piece] = []
    at, x = 0.0, left
    for start, end in [*folds, (length, length)]:
        if start > at:
            pieces.append(Piece(at, start, x, min(x + (start - at) * scale, right), folded=False))
            x = pieces[-1].right
        if end > start:
            pieces.append(Piece(start, end, x, min(x + FOLD_WIDTH, right), folded=True))
            x = pieces[-1].right
        at = end
    return Axis(origin, tuple(pieces))


def _working(report: Report, origin: datetime) -> Iterable[Span]:
    stuck = {one.step: one.since for one in report.parked}
    # How long a step was parked before a retry is not recorded; what came before the last retry counts as waiting.
    retried = {one.step: one.at for one in report.actions if one.action == "retry" and one.step}
    for step in report.steps:
        if step.started is None or is_gate(step):
            continue
        start = seconds_between(origin, max(step.started, retried.get(step.id, step.started))) or 0.0
        end = stuck.get(step.id) or step.ended or last_moment(report)
        yield start, max(seconds_between(origin, end) or 0.0, start)
    # Undos have no times of their own: they ran after the last step.
    ends = [step.ended for step in report.steps if step.ended]
    if ends and report.clock.ended and any(step.state in _UNDOING for step in report.steps):
        spans = [seconds_between(origin, moment) or 0.0 for moment in (max(ends), report.clock.ended)]
        yield min(spans), max(spans)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _folds(working: list[Span], length: float) -> list[Span]:
    """The quiet stretches that are worth folding, in order."""
    edges = [0.0, *(edge for span in working for edge in span), length]
    quiet = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]
    work = sum(end - start for start, end in working)
    shortest = max(_SHORTEST_FOLD, _FOLD_SHARE * work)
    longest_first = sorted((span for span in quiet if span[1] - span[0] > shortest), key=lambda span: span[0] - span[1])
    return sorted(longest_first[:_MOST_FOLDS])


def ticks(piece: Piece, spacing: float = 86.0) -> list[float]:
    """Round seconds at which an unfolded stretch is labelled, at least `spacing` apart."""
    if piece.right - piece.left < spacing:
        return []
    per_unit = (piece.end - piece.start) / (piece.right - piece.left)
    steps = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
    step = next((one for one in (*steps, 3600, 7200, 21600, 86400) if one >= per_unit * spacing), 604800)
    first = int(piece.start / step) + (1 if piece.start % step else 0)
    return [number * step for number in range(first, int(piece.end / step) + 1)]


def critical_path(report: Report) -> tuple[str, ...]:
    """Ids of the steps on the longest chain, first to last.

    The run's own list (`extra.critical_path`) when there is one; else read from the times: back from the step that
    ended last, always to the step whose end came last before it began.
    """
    given = report.extra.get("critical_path")
    if isinstance(given, list | tuple):
        return tuple(str(one) for one in given)
    ended = [step for step in report.steps if step.started and step.ended and step.state is not StepState.SKIPPED]
    until = report.clock.verified
    current = max(
        (one for one in ended if not until or _at(report, one.ended) <= _at(report, until) + _TOUCHING),
        key=lambda one: _at(report, one.ended),
        default=None,
    )
    chain: list[str] = []
    while current:
        chain.append(current.id)
        begun = _at(report, current.started) + _TOUCHING
        before = [one for one in ended if one.id not in chain and _at(report, one.ended) <= begun]
        current = max(before, key=lambda one: _at(report, one.ended), default=None)
    return tuple(reversed(chain))


def _at(report: Report, moment: datetime | None) -> float:
    return seconds_between(report.clock.declared, moment) or 0.0
