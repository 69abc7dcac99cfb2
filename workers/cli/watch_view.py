"""A run in the terminal: where it stands, what it does, what it waits for, and the exact command that answers it."""

import shlex
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from workflows.engine.details import action_words, proof_words
from workflows.engine.sentences import (
    clock,
    headline,
    is_simulated,
    notice,
    promised_seconds,
    title,
    window,
)
from workflows.model.base import in_words
from workflows.model.plan import Phase
from workflows.model.progress import GateView, ParkedStep, ProgressView, StepRecord, StepState

from .tables import plain, state_text

_MARKS = {
    StepState.PENDING: ("·", "dim"),
    StepState.WAITING: ("?", "yellow"),
    StepState.DONE: ("✓", "green"),
    StepState.FAILED: ("✗", "bold red"),
    StepState.UNKNOWN: ("?", "bold red"),
    StepState.SKIPPED: ("-", "dim"),
    StepState.UNDONE: ("↩", "yellow"),
    StepState.UNDO_FAILED: ("✗", "bold red"),
}
_BUSY = (StepState.RUNNING, StepState.UNDOING)
_QUIET = (StepState.DONE, StepState.RUNNING, StepState.PENDING)
"""States that the mark says well enough; the others are written out."""
_SIMULATED = ("~", "dim")
_FINISHED = (StepState.DONE, StepState.SKIPPED, StepState.UNDONE)
_FOLD_FROM, _KEPT, _AHEAD = 14, 3, 5
"""A longer list is folded while a run is open: a live picture that is higher than its terminal loses its end, where
the commands stand. So many finished steps stay in sight before the first open one, and so many pending ones after."""
_PIVOT = "── point of no return ──"
_COMMANDS = {"accept_degraded": "accept-degraded", "accept_split_brain_risk": "accept-split-brain-risk"}
_NARROWEST, _TIME, _DETAIL = 60, 12, 18


def render(view: ProgressView, width: int) -> RenderableType:
    """The view as something for `rich.live.Live`, at most `width` columns wide (60 at least)."""
    width = max(width, _NARROWEST)
    parts: list[RenderableType] = [_header(view), _clock(view, width), Text(""), _steps(view, width)]
    if window(view) and not view.gate:
        parts += [Text(""), _commands([(_command("abort", view), "end it before that, with all undone")], width)]
    if view.gate and not view.state.ended:
        answers = [(_command(name, view), "") for name in ("approve", "reject")]
        parts += [Text(""), _gate(view, view.gate, width), _commands(answers, width)]
    for one in view.parked:
        answers = [(_command(action, view, one), action_words(action)) for action in one.actions]
        parts += [Text(""), _parked(one, width), _commands(answers, width)]
    if view.acknowledged:
        parts += [Text(""), plain(f"Acknowledged by {view.acknowledged}: nobody else is called.")]
    elif view.escalates and (view.gate or view.parked):
        parts += [Text(""), _commands([(_command("ack", view), "you have it: call nobody else")], width)]
    parts += [Text(""), plain(view.headline or headline(view), "bold")]
    return Group(*parts)


def answer_command(action: str, view: ProgressView, parked: ParkedStep | None = None) -> str:
    """The command that sends that answer; `NAME` is left for the person to fill in."""
    return " ".join(_command(action, view, parked))


def _command(action: str, view: ProgressView, parked: ParkedStep | None = None) -> list[str]:
    words = ["seawall", _COMMANDS.get(action, action), shlex.quote(view.workflow_id)]
    if parked and action != "abort" and len(view.parked) > 1:
        words += ["--step", shlex.quote(parked.step)]
    if parked and action == "accept_split_brain_risk":
        words += ["--code", shlex.quote(parked.risk_code), "--statement", "'...'"]
    return [*words, "--as", "NAME"]


def _header(view: ProgressView) -> RenderableType:
    line = plain(title(view), "bold")
    line.append("  ")
    line.append_text(state_text(view.state))
    if view.epoch is not None:
        line.append(f"  epoch {view.epoch}", "dim")
    told = [plain(notice(view), "bold cyan")] if notice(view) else []
    return Group(line, plain(view.workflow_id, "dim"), *told)


def _clock(view: ProgressView, width: int) -> RenderableType:
    elapsed = max((_until(view) - view.declared).total_seconds(), 0.0)
    promised = promised_seconds(view)
    if not promised:
        return plain(f"{in_words(elapsed)} since declared at {clock(view.declared)} UTC")
    left = promised - elapsed
    words = f"{in_words(elapsed)} of {in_words(promised)} (RTO), "
    words += f"{in_words(left)} left" if left >= 0 else f"over by {in_words(-left)}"
    style = "green" if left > promised / 4 else "yellow" if left >= 0 else "red"
    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(
        total=promised,
        completed=min(elapsed, promised),
        width=min(30, width // 3),
        complete_style=style,
        finished_style=style,
    )
    grid.add_row(bar, Text(words, style))
    return grid


def _until(view: ProgressView) -> datetime:
    ends = [step.ended for step in view.steps if step.ended]
    return max(ends, default=view.now) if view.state.ended else view.now


def _steps(view: ProgressView, width: int) -> RenderableType:
    if not view.steps:
        return Text("No step is planned yet.", "dim")
    # Given widths: left to itself the table would fold the words of a step before it folds a long detail.
    words = max(min(max(len(step.words) for step in view.steps), width - _TIME - _DETAIL - 4), len(_PIVOT))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(overflow="fold", width=words)
    grid.add_column(justify="right", overflow="fold", width=_TIME)
    grid.add_column(overflow="fold", width=max(width - _TIME - words - 5, _DETAIL))
    before, shown, after = _in_sight(view)
    if before:
        grid.add_row(Text("✓", "green"), Text(f"{before} finished steps", "dim"), "", "")
    for step in shown:
        if step.phase == Phase.PIVOT.value:
            grid.add_row("", Text(_PIVOT, "magenta"), "", "")
        grid.add_row(_mark(step), plain(step.words, _style(step)), _took(view, step), _detail(step))
    if after:
        grid.add_row(Text("·", "dim"), Text(f"{after} more steps to come", "dim"), "", "")
    return grid


def _in_sight(view: ProgressView) -> tuple[int, list[StepRecord], int]:
    """How many finished steps are folded away, what is shown, and how many pending ones are folded away."""
    steps = list(view.steps)
    if view.state.ended or len(steps) <= _FOLD_FROM:
        return 0, steps, 0
    finished = [step for step in steps if step.state in _FINISHED]
    pending = [step for step in steps if step.state is StepState.PENDING]
    folded = {step.id for step in (*finished[:-_KEPT], *pending[_AHEAD:])}
    shown = [step for step in steps if step.id not in folded]
    return len(finished[:-_KEPT]), shown, len(pending[_AHEAD:])


def _mark(step: StepRecord) -> RenderableType:
    if step.state in _BUSY:
        return Spinner("line", style="cyan", speed=0.5)
    if is_simulated(step) and step.state is StepState.DONE:
        return Text(*_SIMULATED)
    return Text(*_MARKS[step.state])


def _style(step: StepRecord) -> str:
    if step.state in _BUSY:
        return "cyan"
    return _MARKS[step.state][1] if step.state not in _QUIET or step.state is StepState.PENDING else ""


def _took(view: ProgressView, step: StepRecord) -> Text:
    if step.started is None:
        return Text("")
    end = step.ended or (None if view.state.ended else view.now)
    return Text(in_words((end - step.started).total_seconds() if end else None), "" if step.ended else "dim")


def _detail(step: StepRecord) -> Text:
    tries = f"attempt {step.attempts}" if step.attempts > 1 else ""
    state = "" if step.state in _QUIET else step.state.value
    said = "; ".join(part for part in (state, tries, step.detail) if part)
    return plain(said if len(said) <= 120 else f"{said[:119]}…", "dim" if step.state is StepState.DONE else "")


def _gate(view: ProgressView, gate: GateView, width: int) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for name, fact in gate.facts:
        facts.add_row(plain(name, "bold"), plain(fact))
    left = (gate.expires - view.now).total_seconds()
    until = f"{clock(gate.expires)} UTC" + (f" ({in_words(left)} left)" if left > 0 else " (expired)")
    who = f"{', '.join(gate.approvers)}: {len(gate.approved_by)} of {gate.required} so far"
    if gate.approved_by:
        who += f" ({', '.join(gate.approved_by)})"
    facts.add_row(Text("Approvers", "bold"), plain(who))
    facts.add_row(Text("Code", "bold"), plain(gate.code))
    facts.add_row(Text("Proof", "bold"), plain(proof_words(gate)))
    facts.add_row(Text("Until", "bold"), plain(f"{until}; unanswered it means: {gate.on_silence}"))
    body = Group(plain(gate.question, "bold"), Text(""), facts)
    return Panel(body, title="waiting for people", border_style="yellow", box=box.ROUNDED, width=width)


def _parked(parked: ParkedStep, width: int) -> RenderableType:
    lines: list[RenderableType] = [plain(f"{parked.code}: {parked.reason}", "bold")]
    lines += [plain(f"Stands now: {effect}") for effect in parked.standing]
    name = plain(f"parked: {parked.step}, since {clock(parked.since)} UTC")
    return Panel(Group(*lines), title=name, border_style="red", box=box.ROUNDED, width=width)


def _commands(commands: list[tuple[list[str], str]], width: int) -> RenderableType:
    """Outside the panels, since a border would be copied with a command that is folded."""
    lines: list[RenderableType] = [Text("To answer:")]
    for command, words in commands:
        if words:
            lines.append(plain(f"{words}:", "dim"))
        lines.append(plain(_folded(command, width), "cyan"))
    return Group(*lines)


def _folded(command: list[str], width: int) -> str:
    """The command over as many lines as it needs, so that a shell reads it as one when it is pasted."""
    lines = [""]
    for word in command:
        if lines[-1] and len(lines[-1]) + len(word) + 3 > width:
            lines.append("    ")
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return " \\\n".join(lines)
