"""What a run is called, and the one sentence that says what it does, or what is awaited from whom."""

from datetime import UTC, datetime

from workflows.model.failure import Code
from workflows.model.plan import Mode, Operation
from workflows.model.progress import GateView, ParkedStep, ProgressView, RunState, StepRecord, StepState
from workflows.model.verbs import Verb

_BUSY = (StepState.RUNNING, StepState.UNKNOWN)
_BROKEN = (StepState.FAILED, StepState.UNKNOWN, StepState.UNDO_FAILED)
_EFFECTS = frozenset(verb.value for verb in Verb if verb.mutates)


def headline(view: ProgressView) -> str:
    """One sentence: what is happening, or what is awaited from whom.

    For a run that has ended, the reason in `view.headline` is added to it.
    """
    run = title(view)
    if view.state.ended:
        return _with_reason(f"{run} {_ending(view)}.", view.headline)
    if view.parked:
        return _parked_sentence(run, view.parked)
    if view.state is RunState.COMPENSATING:
        return _with_reason(f"{run} is undoing what it began.", view.headline)
    if view.gate:
        return _gate_sentence(run, view.gate)
    if view.state is RunState.PAUSED:
        return f"{run} is paused: no new step begins until somebody sends `resume`."
    return _working(run, view)


def title(view: ProgressView) -> str:
    """`Failover of shop to recovery`."""
    name = view.operation.value.capitalize()
    match view.operation:
        case Operation.DRILL if is_isolated(view):
            return f"Isolated drill of {view.application}" + (f" at {view.target}" if view.target else "")
        case Operation.DRILL:
            return f"Live drill of {view.application}" + (f" to {view.target} and back" if view.target else "")
        case Operation.REPROTECT:
            return f"Reprotect of {view.application}" + (f" at {view.source}" if view.source else "")
        case Operation.FAILOVER if view.mode is Mode.PLANNED:
            name = "Planned failover"
    return f"{name} of {view.application}" + (f" to {view.target}" if view.target else "")


def notice(view: ProgressView) -> str:
    """What sort of run this is, where that must not be mistaken; empty for a plain move, and for what has ended."""
    if view.state.ended or not view.target:
        return ""
    match view.operation:
        case Operation.DRILL if is_isolated(view):
            return f"Rehearsal on clones in a bubble at {view.target}: production is not touched."
        case Operation.DRILL:
            return f"Live rehearsal: users are moved to {view.target} and back to {view.source}."
        case Operation.REPROTECT:
            return f"The copy at {view.source} is rebuilt; {view.target} serves meanwhile."
    return ""


def is_isolated(view: ProgressView) -> bool:
    """Whether this is a drill on clones: only a live one moves anything as planned."""
    return view.operation is Operation.DRILL and view.mode is not Mode.PLANNED


def is_simulated(step: StepRecord) -> bool:
    """Whether a drill only shows this step."""
    return step.kind == Verb.SIMULATE.value


def window(view: ProgressView) -> StepRecord | None:
    """The step that waits for the agreed time, while it does."""
    waiting = (step for step in view.steps if step.state is StepState.WAITING and step.kind == Verb.WINDOW.value)
    return next(waiting, None)


def promised_seconds(view: ProgressView) -> float | None:
    """The RTO, where the clock that began with the declaration is held against it: in no drill, since clones are made
    first, and in no planned work, which waits for people and for an agreed time while users are served."""
    return view.rto_seconds if view.operation is Operation.FAILOVER else None


def names(people: tuple[str, ...]) -> str:
    """`anna or ben`."""
    return " or ".join(people) if len(people) < 4 else f"{', '.join(people[:5])} ({len(people)} people)"


def clock(moment: datetime | None) -> str:
    """`14:05:09` in UTC."""
    if moment is None:
        return "-"
    return f"{(moment if moment.tzinfo is None else moment.astimezone(UTC)):%H:%M:%S}"


def _working(run: str, view: ProgressView) -> str:
    running = [step for step in view.steps if step.state in _BUSY]
    if len(running) == 1:
        again = f" (attempt {running[0].attempts})" if running[0].attempts > 1 else ""
        return f"{run}: {running[0].words}{again}."
    if running:
        return f"{run}: {len(running)} steps are running, first of them {running[0].words}."
    if waits := window(view):
        return f"{run} waits {waits.words.removeprefix('wait ')}, then goes on by itself."
    where = view.target or "the site" if is_isolated(view) else "both sites"
    return f"{run} is looking at {where} and making its plan." if not view.steps else f"{run} is going on."


def _ending(view: ProgressView) -> str:
    match view.state:
        case RunState.RECOVERED:
            return _success(view)
        case RunState.RECOVERED_DEGRADED if view.operation is Operation.FAILOVER:
            return "has recovered, degraded"
        case RunState.RECOVERED_DEGRADED:
            return "went through, with parts left out"
        case RunState.COMPENSATED if view.operation is Operation.DRILL:
            return f"did not pass{_what_failed(view)}, and all that was begun is undone"
        case RunState.COMPENSATED:
            return "did not go through, and all that was begun is undone"
    if any(step.state is StepState.DONE and step.kind in _EFFECTS for step in view.steps):
        return "was stopped, and its report says what stands"
    return "was refused, and nothing was changed"


def _success(view: ProgressView) -> str:
    match view.operation:
        case Operation.FAILOVER:
            return "has recovered"
        case Operation.DRILL:
            return "passed"
        case Operation.REPROTECT if view.source and view.target:
            return f"is done: {view.source} follows {view.target} again"
        case Operation.SWITCHOVER | Operation.FAILBACK if view.target:
            return f"is done: {view.application} serves at {view.target}"
    return "is done"


def _what_failed(view: ProgressView) -> str:
    # A step that failed with its effect standing is undone like every other; its code still tells that it failed.
    failed = [
        step.words
        for step in view.steps
        if step.code != Code.CANCELLED and (step.state in _BROKEN or (step.state is StepState.UNDONE and step.code))
    ]
    return f" (failed: {'; '.join(failed[:3])})" if failed else ""


def _parked_sentence(run: str, parked: tuple[ParkedStep, ...]) -> str:
    one = parked[0]
    more = f" {len(parked) - 1} more steps are parked." if len(parked) > 1 else ""
    actions = " or ".join(one.actions) or "an answer"
    return f"{run} is parked at {one.step} and waits for {actions}: {one.reason}{more}"


def _gate_sentence(run: str, gate: GateView) -> str:
    loss = f" Besides, the loss of {gate.loss} must be accepted." if gate.loss else ""
    return (
        f"{run} waits for approval by {names(gate.approvers)} ({len(gate.approved_by)} of {gate.required} so far) "
        f"until {clock(gate.expires)} UTC.{loss}"
    )


def _with_reason(sentence: str, reason: str) -> str:
    """The sentence and its reason; a headline that holds both already stays as it is."""
    return reason if reason.startswith(sentence) else f"{sentence} {reason}".strip()
