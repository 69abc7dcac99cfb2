"""What the Web UI shows of a run: one HTML block for `workflow.set_current_details`.

The panel is about 550 by 400 pixels and takes presentational attributes only (no style, no script). All of it stands in
one `<div>` whose end tag is followed by a newline, with no blank line inside: only then does the Web UI leave it alone.
Otherwise it reads Markdown in every value, doubles the escaping, and curls the quotes of the JSON that is to be pasted.
The panel's style sheet shows each newline between blocks as an empty line, so they stand only where air is wanted. It
takes all padding from cells: narrow empty cells and rows keep things apart.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from html import escape

from workflows.model.base import in_words
from workflows.model.plan import Phase
from workflows.model.progress import GateView, ParkedStep, ProgressView, RunState, StepRecord, StepState
from workflows.model.proof import WORDS, ProofKind

from .sentences import (
    clock,
    headline,
    is_isolated,
    is_simulated,
    names,
    notice,
    promised_seconds,
    title,
)

__all__ = ("MOST_BYTES", "action_words", "details_html", "headline", "update_json")

MOST_BYTES = 20_000
_FINISHED = (StepState.DONE, StepState.SKIPPED, StepState.UNDONE)
_FOLD_FROM = 12
_GAP = '<tr><td height="4"></td></tr>'
_MOST_PARKED = 4
# Control characters, and those that make a text read in another order than it is written.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKS: Mapping[StepState, tuple[str, str, str]] = {
    StepState.PENDING: ("⬜", "pending", "#f3f4f6"),
    StepState.RUNNING: ("🔄", "running", "#dbe8fb"),
    StepState.WAITING: ("⏳", "waiting", "#fdf0cf"),
    StepState.DONE: ("✅", "done", "#d7f2e0"),
    StepState.FAILED: ("❌", "failed", "#fbdcd9"),
    StepState.UNKNOWN: ("❓", "unknown", "#fbdcd9"),
    StepState.SKIPPED: ("⏭️", "skipped", "#f3f4f6"),
    StepState.UNDOING: ("🔄", "undoing", "#fdf0cf"),
    StepState.UNDONE: ("↩️", "undone", "#fdf0cf"),
    StepState.UNDO_FAILED: ("❌", "undo failed", "#fbdcd9"),
}
_SIMULATED = ("🎭", "simulated", "#f3f4f6")
_ACTIONS: Mapping[str, str] = {
    "retry": "look again, then try again",
    "skip": "leave this step out and go on",
    "accept_degraded": "end as recovered, degraded, without this part",
    "abort": "undo everything and end",
    "accept_split_brain_risk": "go on without proof that the old site has stopped: two writers may corrupt the data",
}


def update_json(name: str, view: ProgressView, parked: ParkedStep | None = None) -> str:
    """The exact JSON that answers with that update; what only the sender knows is left to fill in.

    The placeholders are refused when they are sent as they stand, where the update proves consent.
    """
    if name in ("approve", "reject") and view.gate:
        missing = [one for one in view.gate.approvers if one not in view.gate.approved_by]
        answer = {"approver": missing[0] if missing else "YOUR NAME", "code": view.gate.code}
        return json.dumps(answer | _proof_to_fill_in(view.gate.proofs))
    if name == "accept_split_brain_risk" and parked:
        answer = {"by": "YOUR NAME", "code": parked.risk_code, "statement": "IN YOUR OWN WORDS"}
        return json.dumps(answer | _proof_to_fill_in(parked.proofs))
    answer = {"by": "your-name"}
    if parked and name != "abort":
        answer["step"] = parked.step
    return json.dumps(answer)


def _proof_to_fill_in(proofs: Sequence[str]) -> dict[str, str]:
    """The placeholder of the proof that is easiest to type. As it stands it is no proof, and is refused."""
    if not proofs:
        return {}
    if ProofKind.OTP in proofs:
        return {"otp": "SIX DIGITS"}
    return {"signature": "YOUR SIGNATURE"} if ProofKind.SSH in proofs else {"sealed": "BOTH CODES"}


def action_words(action: str) -> str:
    """What an answer to a parked step does."""
    return _ACTIONS.get(action, action.replace("_", " "))


def details_html(view: ProgressView) -> str:
    """The panel; always under 20 KB, however many steps there are and whatever their texts hold."""
    for most_steps, most_text in ((80, 160), (80, 60), (60, 30), (30, 0), (10, 0)):
        block = _panel(view, most_steps, most_text)
        if len(block.encode()) < MOST_BYTES:
            return block
    short = f"<h4>{_safe(headline(view), 200)}</h4><p>Too much to show here: ask the query <code>progress</code>.</p>"
    return _block(short)


def _block(content: str) -> str:
    return f"<div>\n{content}\n</div>\n"


def _panel(view: ProgressView, most_steps: int, most_text: int) -> str:
    # The reason of a parked step stands in its own banner.
    head = f"{title(view)} is parked and waits for people." if view.parked else headline(view)
    parts = [f"<h4>{_safe(head, 400)}</h4>", _progress(view), _notice(view)]
    if view.gate:
        parts.append(_gate(view, view.gate, max(most_text, 60)))
    parts += [_parked(view, one, max(most_text, 60)) for one in view.parked[:_MOST_PARKED]]
    if len(view.parked) > _MOST_PARKED:
        parts.append(
            f"<p>{len(view.parked) - _MOST_PARKED} more steps are parked: see the query <code>progress</code>.</p>"
        )
    parts.append(_acknowledged(view))
    parts.append("\n" + _steps(view, most_steps, most_text))
    parts.append(_ways_out(view))
    return _block("".join(parts))


def _acknowledged(view: ProgressView) -> str:
    """Who sees to what waits, or how to say so before others are called."""
    if not view.gate and not view.parked:
        return ""
    if view.acknowledged:
        return f"<p>👤 <b>Acknowledged</b> by {_safe(view.acknowledged, 120)}: nobody else is called.</p>"
    if not view.escalates:
        return ""
    return f"<p><b>Others are called until somebody says:</b></p><table>{_answer('acknowledge', view)}</table>"


def _notice(view: ProgressView) -> str:
    told = notice(view)
    return f"\n{_banner(_safe(told, 300), '#dbe8fb')}" if told else ""


def _progress(view: ProgressView) -> str:
    done = sum(step.state in _FINISHED for step in view.steps)
    bar = f'<progress value="{done}" max="{len(view.steps)}"></progress> ' if view.steps else ""
    shown = sum(is_simulated(step) for step in view.steps)
    simulated = f" ({shown} only simulated)" if shown else ""
    count = f"{done} of {len(view.steps)} steps{simulated}, " if view.steps else ""
    epoch = f", epoch {view.epoch}" if view.epoch is not None else ""
    news = "" if view.state.ended else " Press R for news."
    return f"<p>{bar}<b>{_safe(view.state.value)}</b>{epoch}. {count}{_time(view)}.{news}</p>"


def _time(view: ProgressView) -> str:
    """How long an ended run took. Of an open one only moments, since the panel stands still while people think."""
    rto = promised_seconds(view)
    if view.state.ended:
        promised = f" of {in_words(rto)} promised (RTO)" if rto else ""
        return f"{in_words(max((view.now - view.declared).total_seconds(), 0.0))}{promised}"
    since = f"declared at {clock(view.declared)}"
    if rto:
        since += f", promised (RTO) by {clock(view.declared + timedelta(seconds=rto))}"
    return f"{since}, as of {clock(view.now)} UTC"


def proof_words(gate: GateView) -> str:
    """By what an answer has to be proved."""
    if not gate.proofs:
        return "none is asked for: a name is taken for its word"
    by_hand = [kind for kind in gate.proofs if kind != ProofKind.VOUCHER]
    return " or ".join(WORDS[ProofKind(kind)] for kind in by_hand or gate.proofs)


def _gate(view: ProgressView, gate: GateView, most: int) -> str:
    rows = "".join(_row(f"<b>{_safe(name, 60)}</b>", _safe(fact, most)) for name, fact in gate.facts[:12])
    who = f"{names(gate.approvers)}; {len(gate.approved_by)} of {gate.required} so far"
    if gate.approved_by:
        who += f" ({names(gate.approved_by)})"
    until = f"{clock(gate.expires)} UTC; unanswered it means: {gate.on_silence}"
    rows += _row("<b>Approvers</b>", _safe(who, 300)) + _row("<b>Until</b>", _safe(until, 100))
    rows += _row("<b>Proof</b>", _safe(proof_words(gate), 160))
    return "".join(
        (
            "\n",
            _banner(f"⏳ {_safe(gate.question, 400)}", "#fdf0cf"),
            f'<table width="100%">{rows}</table>',
            "\n<p><b>How to answer:</b> More Actions, Send an Update, choose the name, paste the input (with your own "
            f"name as approver{', and your proof' if gate.proofs else ''}), Submit.</p>",
            f"<table>{_answer('approve', view)}{_answer('reject', view)}</table>",
        )
    )


def _parked(view: ProgressView, parked: ParkedStep, most: int) -> str:
    standing = " ".join(parked.standing) or "Nothing was recorded."
    answers = "".join(_answer(action, view, parked) for action in parked.actions[:8])
    why = f"{parked.step} is parked since {clock(parked.since)} UTC. {parked.code}: {parked.reason}"
    return "".join(
        (
            "\n",
            _banner(f"❌ {_safe(why, max(most * 2, 200))}", "#fbdcd9"),
            f"<p><b>Stands now:</b> {_safe(standing, max(most * 2, 200))}</p>\n",
            "<p><b>Safe next actions:</b> More Actions, Send an Update, choose the name, paste the input, Submit.</p>",
            f"<table>{answers}</table>",
        )
    )


def _banner(text: str, colour: str) -> str:
    inside = _dark(f"<b>\u00a0{text}</b>")
    return f'<table width="100%"><tr><td height="30" bgcolor="{colour}">{inside}</td></tr></table>'


def _dark(content: str) -> str:
    """Dark text: the cells keep their light colours when the Web UI is in its dark mode."""
    return f'<font color="#1d232b">{content}</font>'


def _answer(name: str, view: ProgressView, parked: ParkedStep | None = None) -> str:
    words = f"<br>{_safe(action_words(name), 160)}" if parked else ""
    return _row(
        f"<b><code>{_safe(name, 40)}</code></b>", f"<code>{_safe(update_json(name, view, parked), 1000)}</code>{words}"
    )


def _steps(view: ProgressView, most: int, most_text: int) -> str:
    if not view.steps:
        return ""
    fold = len(view.steps) > _FOLD_FROM
    finished = [step for step in view.steps if fold and step.state in _FINISHED]
    shown = [step for step in view.steps if step not in finished]
    parts = [_table(shown[:most], most_text)]
    if len(shown) > most:
        parts.append(f"<p>and {len(shown) - most} more steps: see the query <code>progress</code>.</p>")
    room = max(most - len(shown), 0)
    if finished:
        kept = finished[-room:] if room else []
        parts.append(f"<details><summary>{len(finished)} finished steps</summary>{_table(kept, most_text)}")
        if len(kept) < len(finished):
            parts.append(f"<p>{len(finished) - len(kept)} earlier ones: see the query <code>progress</code>.</p>")
        parts.append("</details>")
    return "".join(parts)


def _table(steps: Iterable[StepRecord], most_text: int) -> str:
    rows = _GAP.join(_step(step, most_text) for step in steps)
    return f'<table width="100%">{rows}</table>' if rows else ""


def _step(step: StepRecord, most_text: int) -> str:
    acted = step.state is not StepState.DONE or not is_simulated(step)
    mark, word, colour = _MARKS[step.state] if acted else _SIMULATED
    label = f"\u00a0{mark} {word}"
    pivot = "🔒 <b>point of no return</b>: " if step.phase == Phase.PIVOT.value else ""
    said = _safe(": ".join(part for part in (step.code, step.detail) if part), most_text) if most_text else ""
    below = f'<br><font color="#6b7280">{said}</font>' if said else ""
    where = "" if step.site and step.site in step.words else f" ({_safe(step.site, 40)})"
    return (
        f'<tr><td width="105" height="26" bgcolor="{colour}">{_dark(label)}</td><td width="8"></td>'
        f"<td>{pivot}{_safe(step.words, 60)}{where}{below}</td>"
        f'<td width="120">\u00a0{_when(step)}</td></tr>'
    )


def _when(step: StepRecord) -> str:
    if step.started is None:
        return ""
    tries = f", {step.attempts} tries" if step.attempts > 1 else ""
    if step.ended is None:
        return f"since {clock(step.started)}{tries}"
    return f"{in_words((step.ended - step.started).total_seconds())}{tries}"


def _ways_out(view: ProgressView) -> str:
    if view.state.ended:
        return "<p>The report is the result of this run: see the tab Timeline.</p>"
    passed = any(step.phase == Phase.PIVOT.value and step.state is StepState.DONE for step in view.steps)
    undoing = view.state is RunState.COMPENSATING
    answers = ["resume" if view.state is RunState.PAUSED else "pause", *([] if passed else ["abort"])]
    rows = "".join(_answer(name, view) for name in answers)
    fold = f"<details><summary>{' or '.join(answers).capitalize()}</summary><table>{rows}</table></details>"
    if is_isolated(view):
        cancel = "close the bubble and end."
        terminate = "stop dead: the bubble is swept within a minute."
    else:
        now = " It is passed now: the run only goes forward." if passed else ""
        cancel = f"settle and roll back (before the point of no return).{now}"
        terminate = "stop dead: nothing is undone, and a new run has to adopt the lease."
    return f"<hr><p><b>Cancel</b> = {cancel} <b>Terminate</b> = {terminate}</p>{'' if undoing else fold}"


def _row(name: str, content: str) -> str:
    return f'<tr><td width="130" height="24">{name}\u00a0</td><td>{content}</td></tr>'


def _safe(text: str, most: int = 2000) -> str:
    """The text in one line, at most so long, with nothing that HTML could take for markup."""
    flat = " ".join(_UNSAFE.sub("\ufffd", text).split())
    return escape(flat if len(flat) <= most else f"{flat[:most]}…", quote=False)
