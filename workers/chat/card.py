"""A run as one message: where it stands, what it does, what it waits for, and the buttons that answer it. Pure.

It holds moments and no running clock: what does not change is not edited, and Slack counts edits.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from workers.cli.watch_view import answer_command
from workflows.engine.authority import START
from workflows.engine.details import action_words
from workflows.engine.sentences import clock, headline, is_simulated, names, notice, promised_seconds, title
from workflows.model.base import in_words
from workflows.model.plan import Phase
from workflows.model.progress import GateView, ParkedStep, ProgressView, RunState, StepRecord, StepState

from .blocks import Block, Shown, actions, button, context, facts, header, paragraphs, section, shown
from .text import code, safe

MARKS: Mapping[StepState, str] = {
    StepState.PENDING: "▫️",
    StepState.RUNNING: "🔄",
    StepState.WAITING: "⏳",
    StepState.DONE: "✅",
    StepState.FAILED: "❌",
    StepState.UNKNOWN: "❓",
    StepState.SKIPPED: "⏭️",
    StepState.UNDOING: "🔄",
    StepState.UNDONE: "↩️",
    StepState.UNDO_FAILED: "❌",
}
LABELS: Mapping[str, str] = {
    "approve": "Approve…",
    "reject": "Reject…",
    "accept_data_loss": "Accept the loss…",
    "retry": "Retry…",
    "skip": "Skip…",
    "accept_degraded": "Accept degraded…",
    "abort": "Abort…",
    "pause": "Pause…",
    "resume": "Resume…",
    "acknowledge": "I see to it…",
}
_STYLES = {"approve": "primary", "reject": "danger", "abort": "danger"}
_QUIET = (StepState.DONE, StepState.PENDING)
_FINISHED = (StepState.DONE, StepState.SKIPPED, StepState.UNDONE)
_FOLD_FROM, _MOST_PARKED, _MOST_FACTS = 30, 4, 16


@dataclass(frozen=True)
class Asked:
    """Who asked for the run and why, as its report says."""

    by: str
    reason: str


def card(view: ProgressView, asked: Asked | None = None, trouble: str = "") -> Shown:
    """The run's message; `trouble` is said beside it, such as that nobody answers for the run."""
    blocks = [header(title(view)), section(f"*{state_words(view.state)}*. {safe(headline(view), 600)}")]
    blocks.append(context(_dates(view, asked)))
    if trouble:
        blocks.append(section(f"⚠️ {safe(trouble, 600)}"))
    if notice(view):
        blocks.append(context(safe(notice(view))))
    if gate := question(view):
        blocks += gate_blocks(view, gate)
    for one in view.parked[:_MOST_PARKED]:
        blocks += _parked(view, one)
    if len(view.parked) > _MOST_PARKED:
        blocks.append(context(f"{len(view.parked) - _MOST_PARKED} more steps are parked: see `seawall watch`."))
    blocks += paragraphs(_steps(view), most=3)
    blocks += actions([_button(act, view) for act in steering(view)])
    return shown(safe(headline(view), 1000), blocks)


def question(view: ProgressView) -> GateView | None:
    """What people are asked. That whoever started it shall prove it is asked of the gateway, not of the channel."""
    return view.gate if view.gate and view.gate.step != START and not view.state.ended else None


def state_words(state: RunState | str) -> str:
    """`Awaiting approval`."""
    return str(state).replace("_", " ").capitalize()


def steering(view: ProgressView) -> list[str]:
    """What may be asked of the run whatever it does."""
    if view.state.ended or view.state in (RunState.STARTING, RunState.COMPENSATING):
        return []
    acts = ["resume" if view.state is RunState.PAUSED else "pause"]
    offered = {action for one in view.parked for action in one.actions}
    if "abort" not in offered and not passed(view):
        acts.append("abort")
    if (question(view) or view.parked) and not view.acknowledged:
        acts.append("acknowledge")
    return acts


def passed(view: ProgressView) -> bool:
    """Whether the run is past its point of no return."""
    return any(step.phase == Phase.PIVOT.value and step.state is StepState.DONE for step in view.steps)


def gate_blocks(view: ProgressView, gate: GateView, buttons: bool = True) -> list[Block]:
    """The question, the facts as of this second, the code, and who may answer."""
    pairs = [(safe(name, 60), safe(fact, 400)) for name, fact in gate.facts[:_MOST_FACTS]]
    so_far = f"{len(gate.approved_by)} of {gate.required} so far"
    by = f" ({', '.join(gate.approved_by)})" if gate.approved_by else ""
    pairs.append(("Approvers", safe(f"{names(gate.approvers)}: {so_far}{by}", 400)))
    pairs.append(("Until", safe(f"{clock(gate.expires)} UTC; unanswered it means: {gate.on_silence}", 200)))
    pairs.append(("Code", code(gate.code, 20)))
    acts = ["approve", "reject"]
    if gate.loss:
        pairs.append(("Loss beyond the RPO", safe(f"{gate.loss}: it must be accepted besides", 200)))
        acts.append("accept_data_loss")
    asked = [section(f"⏳ *{safe(gate.question, 500)}*"), *facts(pairs)]
    return asked + (actions([_button(act, view, gate=gate) for act in acts]) if buttons else [])


def _parked(view: ProgressView, parked: ParkedStep) -> list[Block]:
    stands = "; ".join(parked.standing) or "nothing was recorded"
    lines = [
        f"❌ *{safe(parked.step, 80)}* is parked since {clock(parked.since)} UTC. "
        f"{code(parked.code, 40)}: {safe(parked.reason, 800)}",
        f"*Stands now:* {safe(stands, 800)}",
    ]
    offered = [action for action in parked.actions if action in LABELS]
    lines += [f"• *{LABELS[action].rstrip('…')}*: {safe(action_words(action))}" for action in offered]
    for action in parked.actions:
        if action not in LABELS:
            # The risk of two writers is accepted in one's own words, at a terminal, and not by a button.
            lines.append(f"• {safe(action_words(action))}: {code(answer_command(action, view, parked), 400)}")
    return [*paragraphs(lines), *actions([_button(action, view, parked) for action in offered])]


def _button(act: str, view: ProgressView, parked: ParkedStep | None = None, gate: GateView | None = None) -> Block:
    told = {"run": view.workflow_id}
    if parked and act != "abort":
        told["step"] = parked.step
    if gate:
        told["code"] = gate.code
    return button(LABELS[act], f"dr:{act}", json.dumps(told, separators=(",", ":")), _STYLES.get(act, ""))


def _dates(view: ProgressView, asked: Asked | None) -> str:
    said = f"{code(view.workflow_id, 200)} • declared {view.declared:%Y-%m-%d} {clock(view.declared)} UTC"
    rto = promised_seconds(view)
    if rto:
        due = clock(view.declared + timedelta(seconds=rto))
        said += f" • RTO {in_words(rto)}: by {due} UTC"
    if view.epoch is not None:
        said += f" • epoch {view.epoch}"
    if asked:
        said += f" • asked for by {safe(asked.by, 80)}: {safe(asked.reason, 500)}"
    if view.acknowledged:
        said += f" • 👤 {safe(view.acknowledged, 120)} sees to it"
    return said


def _steps(view: ProgressView) -> Iterator[str]:
    folded: set[str] = set()
    if len(view.steps) > _FOLD_FROM and not view.state.ended:
        finished = [step.id for step in view.steps if step.state in _FINISHED]
        folded = set(finished[:-5])
        if folded:
            yield f"✅ {len(folded)} finished steps"
    for step in view.steps:
        if step.id not in folded:
            yield _step(step)


def _step(step: StepRecord) -> str:
    mark = "🎭" if is_simulated(step) and step.state is StepState.DONE else MARKS[step.state]
    pivot = "🔒 *point of no return:* " if step.phase == Phase.PIVOT.value else ""
    parts = [f"{mark} {pivot}{safe(step.words, 160)}"]
    if step.state not in _QUIET:
        parts.append(f"_{step.state.value}_")
    if step.started and step.ended:
        parts.append(in_words((step.ended - step.started).total_seconds()))
    elif step.started:
        parts.append(f"since {clock(step.started)} UTC")
    if step.attempts > 1:
        parts.append(f"{step.attempts} attempts")
    if step.detail and step.state is not StepState.DONE:
        parts.append(safe(step.detail, 200))
    return " · ".join(parts)
