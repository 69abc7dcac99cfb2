"""Windows: the plan before anything starts, the facts before an answer, and what came of it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from workflows.engine.details import action_words
from workflows.model.base import in_words
from workflows.model.plan import Phase
from workflows.model.progress import CompiledPlan, CompiledStep, ProgressView

from .blocks import Block, context, entry, modal, paragraphs, section
from .card import LABELS, gate_blocks, question
from .text import code, safe

_PHASES: Mapping[str, str] = {
    Phase.PREPARE.value: "while people decide",
    Phase.COMMIT.value: "after approval",
    Phase.PIVOT.value: "point of no return",
    Phase.FORWARD.value: "forward only",
}
_MOST_KEPT = 3000


@dataclass(frozen=True)
class Kept:
    """What a form carries along, and Slack gives back with it."""

    act: str
    """`start`, or the answer that it sends."""
    run: str
    """The run that is answered; or the id of the one that shall start, so that one form starts one run."""
    channel: str = ""
    code: str = ""
    step: str = ""
    operation: str = ""
    application: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    def dumped(self) -> str:
        """As `private_metadata`."""
        told = json.dumps({name: value for name, value in asdict(self).items() if value}, separators=(",", ":"))
        if len(told) > _MOST_KEPT:
            raise ValueError("a form cannot carry so much")
        return told

    @classmethod
    def loaded(cls, text: str) -> "Kept":
        """From `private_metadata`."""
        return cls(**json.loads(text))


def loading(title: str) -> Block:
    """At once, since Slack lets a window be opened for three seconds only."""
    return modal(title, [section("One moment…")])


def told(title: str, sentence: str, *, well: bool = True) -> Block:
    """What came of it."""
    return modal(title, [section(f"{'✅' if well else '⚠️'} {safe(sentence, 2000)}")])


def start_form(plan: CompiledPlan, kept: Kept, reason: str) -> Block:
    """The plan, and a button that starts it."""
    name = kept.operation
    blocks = [*plan_blocks(plan), *_options(kept.fields)]
    blocks.append(entry("reason", "Reason", value=reason, least=3, hint="It stands in the report."))
    return modal(f"{name} {kept.application}".capitalize(), blocks, submit="Start", keep=kept.dumped())


def plan_blocks(compiled: CompiledPlan) -> list[Block]:
    """What a run would do: steps, approval, point of no return, undo, critical path."""
    plan = compiled.plan
    title = f"{plan.application}: {plan.mode} {plan.operation} from {plan.source} to {plan.target}"
    lines = [_step(item) for item in compiled.steps]
    expected = f"{in_words(compiled.expected_seconds)} expected on the critical path (*bold*)"
    after = f"{in_words(compiled.approvals_after_seconds)} of it after approval"
    return [section(f"*{safe(title)}*"), *paragraphs(lines, most=6), context(f"{expected}, {after}.")]


def _step(item: CompiledStep) -> str:
    step = item.step
    words = safe(step.words, 160)
    words = f"*{words}*" if item.on_critical_path else words
    if step.verb == "approve":
        return f"⏳ {words} · waits for people, at most {in_words(step.timeout.total_seconds())}"
    reversible = step.phase in (Phase.PREPARE, Phase.COMMIT)
    undo = f"undo: {safe(step.undo_words, 120)}" if step.undo else "nothing to undo" if reversible else "no undo"
    lock = "🔒" if step.phase is Phase.PIVOT else "▫️"
    return f"{lock} {words} · {in_words(step.expected)} · {_PHASES[step.phase.value]} · {undo}"


def _options(fields: Mapping[str, Any]) -> list[Block]:
    said = [f"{name.replace('_', ' ')}: {code(str(value), 120)}" for name, value in fields.items() if value]
    return [context(" • ".join(said))] if said else []


def answer_form(kept: Kept, view: ProgressView) -> Block:
    """The facts as of this second, and the button that sends the answer."""
    title = LABELS[kept.act].rstrip("…")
    blocks: list[Block] = []
    gate = question(view)
    if kept.code and gate:
        blocks += gate_blocks(view, gate, buttons=False)
    else:
        what = f"{code(kept.step, 80)} of {code(view.workflow_id, 200)}" if kept.step else code(view.workflow_id, 200)
        blocks.append(section(f"*{title}:* {what}"))
        blocks.append(section(safe(action_words(kept.act))))
    if kept.act == "accept_data_loss":
        blocks.append(entry("loss", "The loss that you accept", least=2, most=40, hint="As it stands above."))
    label = {"approve": "Comment", "reject": "Comment", "acknowledge": "Note"}.get(kept.act, "Reason")
    blocks.append(entry("reason", label, hint="It stands in the report."))
    return modal(title, blocks, submit=title, keep=kept.dumped())
