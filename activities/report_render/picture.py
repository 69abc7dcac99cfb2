"""The timeline as an SVG picture: one bar per step, grouped by component. Colours only repeat what the words say."""

from datetime import datetime
from html import escape

from workflows.model.base import in_words
from workflows.model.progress import StepRecord, StepState
from workflows.model.report import Report

from . import timeline
from .words import STATE_TONES, clean, is_simulated, to_the_second

_WIDTH, _LEFT, _RIGHT, _TOP = 1000.0, 270.0, 850.0, 64.0
_ROW, _BAR = 24.0, 14.0
_FILL = {
    "good": "#2f8f5b",
    "busy": "#3b76c4",
    "wait": "url(#waiting)",
    "bad": "#b3261e",
    "warn": "#c98a14",
    "idle": "#b9bec6",
}
_CLOCKS = (
    ("approved", "approved", "#5b6470"),
    ("verified", "verified", "#2f8f5b"),
    ("ended", "ended", "#5b6470"),
    ("pivot", "point of no return", "#b3261e"),
)
_PATTERNS = (
    '<defs><pattern id="waiting" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="7" height="7" fill="#eef0f3"/><rect width="2.5" height="7" fill="#7b8492"/></pattern></defs>'
)


def timeline_svg(report: Report) -> str:
    """The picture; empty when no step ever started."""
    shown = [step for step in report.steps if step.started]
    if not shown:
        return ""
    axis = timeline.axis(report, _LEFT, _RIGHT)
    path = set(timeline.critical_path(report))
    rows: list[str] = []
    y = _TOP
    for group, steps in _groups(shown):
        rows.append(_text(0, y + 16, group, weight="600", size=13))
        for step in steps:
            y += _ROW
            rows.append(_step(report, axis, step, y, step.id in path))
        y += _ROW + 6
    bottom = y - 4
    body = [_PATTERNS, *_folds(axis, bottom), *_ticks(report, axis, bottom), *rows, *_clocks(report, axis, bottom)]
    name = escape(clean(f"Timeline of {report.workflow_id}: one bar per step"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {bottom + 30:g}" role="img" '
        f'aria-label="{name}" font-family="inherit">{"".join(body)}</svg>'
    )


def _groups(steps: list[StepRecord]) -> list[tuple[str, list[StepRecord]]]:
    groups: dict[str, list[StepRecord]] = {}
    for step in steps:
        name = step.component or ("people, agreed time" if timeline.is_gate(step) else "the run")
        groups.setdefault(name, []).append(step)
    return list(groups.items())


def _step(report: Report, axis: timeline.Axis, step: StepRecord, y: float, on_path: bool) -> str:
    assert step.started is not None
    end = step.ended or timeline.last_moment(report)
    left, right = axis.x(axis.seconds(step.started)), axis.x(axis.seconds(end))
    gate = timeline.is_gate(step)
    tone, state = ("idle", "simulated") if is_simulated(step) else (STATE_TONES[step.state], step.state.value)
    fill = _FILL["wait" if gate and step.state is not StepState.FAILED else tone]
    width = max(right - left, 2.5)
    took = in_words((axis.seconds(end) - axis.seconds(step.started)) if step.ended else None)
    said = f"{took if step.ended else 'not ended'}" + ("" if state == StepState.DONE else f", {state}")
    label = step.words.removeprefix(f"{step.component}: ")
    edge = ' stroke="#14181f" stroke-width="1.8"' if on_path else ' stroke="#5b6470" stroke-width="0.4"'
    hint = escape(clean(f"{step.words}, {step.site}: {said}, {step.attempts} attempts"))
    return (
        f"<g><title>{hint}</title>"
        + _text(14, y + 16, f"{'● ' if on_path else ''}{_cut(label, 40)}")
        + f'<line x1="{_LEFT:g}" x2="{_RIGHT:g}" y1="{y + 12:g}" y2="{y + 12:g}" stroke="#e4e7eb"/>'
        + f'<rect x="{left:.1f}" y="{y + 5:g}" width="{width:.1f}" height="{_BAR:g}" rx="2" fill="{fill}"{edge}/>'
        + _text(_RIGHT + 10, y + 16, said)
        + "</g>"
    )


def _folds(axis: timeline.Axis, bottom: float) -> list[str]:
    drawn = []
    for fold in axis.folds:
        middle = (fold.left + fold.right) / 2
        drawn.append(
            f'<rect x="{fold.left:.1f}" y="{_TOP - 8:g}" width="{fold.right - fold.left:.1f}" '
            f'height="{bottom - _TOP + 8:g}" fill="#f4f1e8"/>'
            + _zigzag(fold.left, bottom)
            + _zigzag(fold.right, bottom)
            + _text(middle, _TOP - 26, "folded", anchor="middle", size=10.5)
            + _text(middle, _TOP - 13, f"{in_words(fold.end - fold.start)}", anchor="middle", size=10.5, weight="600")
        )
    return drawn


def _zigzag(x: float, bottom: float) -> str:
    points, y, side = [], _TOP - 8, 1
    while y < bottom:
        points.append(f"{x + 2.5 * side:.1f},{y:.1f}")
        y, side = y + 7, -side
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="#b7a97a" stroke-width="1"/>'


def _ticks(report: Report, axis: timeline.Axis, bottom: float) -> list[str]:
    offset = axis.seconds(report.clock.declared)
    drawn = [_text(_LEFT, bottom + 22, "declared" if not offset else "first step", anchor="middle", size=10.5)]
    for piece in axis.pieces:
        for second in [] if piece.folded else timeline.ticks(piece):
            x = axis.x(second)
            drawn.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8:g}" y2="{bottom:g}" stroke="#e4e7eb"/>')
            if x - _LEFT > 60:
                drawn.append(_text(x, bottom + 22, f"+{_short(second)}", anchor="middle", size=10.5))
    return drawn


def _short(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    return f"{seconds:g} s" if seconds < 60 else to_the_second(seconds)


def _clocks(report: Report, axis: timeline.Axis, bottom: float) -> list[str]:
    """Vertical lines, their names in two rows so that near ones stay readable."""
    moments: list[tuple[float, str, str]] = []
    for key, label, colour in _CLOCKS:
        moment: datetime | None = getattr(report.clock, key)
        if moment is not None:
            moments.append((axis.x(axis.seconds(moment)), label, colour))
    drawn, free = [], [-1.0] * 3
    for x, label, colour in sorted(moments):
        half = len(label) * 3.4 + 4
        line = next((row for row in range(3) if x - half > free[row]), 2)
        free[line] = x + half
        heavy = label == "point of no return"
        dash = "" if heavy else ' stroke-dasharray="4 3"'
        drawn.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{14 + 13 * line:g}" y2="{bottom:g}" stroke="{colour}" '
            f'stroke-width="{2 if heavy else 1.2:g}"{dash}/>'
            + _text(x, 11 + 13 * line, label, anchor="middle", size=11, weight="600", fill=colour)
        )
    return drawn


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: float = 12,
    weight: str = "400",
    fill: str = "#1d232b",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{fill}">{escape(clean(text))}</text>'
    )
