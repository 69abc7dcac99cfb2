"""Rules that are judged from what a run did in Temporal, and from how it says that it ended."""

import itertools
from collections.abc import Iterable

from tests.torture.judging import MUTATING, UNDOES, Rule, Violation, answered, deeds, end_of, is_undo, runs, shown, told
from tests.torture.record import Event, Record, RunRecord

_NO_JAM = ("RESET_WORKFLOW", "FORCE_CLOSE_COMMAND")
"""A task that the server itself closed: for a reset, or because more than it buffers came in meanwhile."""

_REVERSE = (("restore_dns", "stop_instances"), ("discard_restore", "unfence"), ("unfence", "start_instances"))
"""Pairs of undoes in the order in which they have to be asked for."""

ENDS = ("RECOVERED", "RECOVERED_DEGRADED", "COMPENSATED", "REFUSED")
NEEDS = {
    "promote": ("fence",),
    "flip_dns": ("promote",),
    "rebuild_replica": ("archive_diverged",),
    "clone_data": ("open_bubble", "prove_isolation"),
}
"""What must be known to be done before a verb is asked for, where the run has such a step at all."""


def fence_before_promote(record: Record) -> Iterable[Violation]:
    """A promote that landed follows a fence of the same run, component and epoch that landed and was not taken back,
    and was asked for with its proof; or with the risk that a person accepted by name."""
    for promote in (effect for effect in record.effects if effect.verb == "promote"):
        run = next((run for run in record.runs if run.run == promote.run), None)
        asked = _asked(run, promote.step) if run is not None else None
        if run is None or asked is None:
            yield Violation("2 fence before promote", "Nobody asked for a promote that landed.", (told(promote),))
            continue
        if asked.input.get("accepted_risk") and answered(run, "accept_split_brain_risk"):
            continue
        if not _proof(asked, promote.component, promote.epoch):
            yield Violation(
                "2 fence before promote", "A promote without a proof of its epoch.", (told(promote), shown(asked))
            )
        standing = False
        for effect in deeds(record, promote.workflow):
            if effect.at <= promote.at and (effect.component, effect.epoch) == (promote.component, promote.epoch):
                standing = {"fence": True, "unfence": False}.get(effect.verb, standing)
        if not standing:
            yield Violation("2 fence before promote", "A promote, and no fence stood.", (told(promote),))


def _asked(run: RunRecord, step: str) -> Event | None:
    return next((e for e in reversed(run.events) if e.kind == "scheduled" and e.activity == step), None)


def _proof(asked: Event, component: str, epoch: int) -> bool:
    return any(
        proof.get("proven") and proof.get("component") == component and proof.get("epoch") == epoch
        for proof in asked.input.get("proofs", ())
    )


def known_or_parked(record: Record) -> Iterable[Violation]:
    """No undo starts, and nothing that depends on a step, while the step's effect is open or unknown."""
    for run in record.runs:
        states: dict[str, str] = {}
        for event in run.events:
            if event.kind == "scheduled" and event.activity:
                yield from _too_early(run, event, states)
            _follow(event, states)


def _follow(event: Event, states: dict[str, str]) -> None:
    name = event.activity
    if not name or event.name not in MUTATING:
        if event.kind == "completed" and name:
            states[name] = "done"
        return
    if event.kind == "scheduled":
        states[name] = "open"
    elif event.kind == "completed":
        states[name] = "done"
    elif event.kind in ("timed-out", "canceled") or (event.kind == "failed" and event.code == "OUTCOME_UNKNOWN"):
        states[name] = "unknown"
    elif event.kind == "failed":
        states[name] = "failed"


def _too_early(run: RunRecord, event: Event, states: dict[str, str]) -> Iterable[Violation]:
    left = answered(run, "skip", "accept_degraded")
    risky = bool(answered(run, "accept_split_brain_risk"))
    if event.activity.endswith(".undo"):
        for step, state in states.items():
            if state in ("open", "unknown") and not step.endswith(".undo") and step not in left:
                sentence = f"{event.activity} was asked for while the effect of {step} was {state}."
                yield Violation("4 known or parked", sentence, (shown(event),))
        return
    for needed in NEEDS.get(event.name, ()):
        for step, state in states.items():
            accepted = step in left or (needed == "fence" and risky)
            if step.endswith(f".{needed}") and state != "done" and not accepted:
                sentence = f"{event.activity} was asked for while {step} was {state}."
                yield Violation("4 known or parked", sentence, (shown(event),))


def undone_means_undone(record: Record) -> Iterable[Violation]:
    """COMPENSATED: each effect that has an undo was taken back, or a person said that it may stand. REFUSED: there was
    none."""
    for run in runs(record):
        if run.report is None or run.kind == "Drill":
            continue
        effects = deeds(record, run.workflow)
        end = end_of(run)
        if end == "REFUSED" and run.report.code not in ("LEASE_LOST", "PRECONDITION_CHANGED"):
            own = [effect for effect in effects if effect.run == run.run]
            if own:
                yield Violation("7 ends well or loudly", "Refused, and yet it acted.", tuple(told(e) for e in own))
        if end != "COMPENSATED":
            continue
        back = {(effect.verb, effect.step) for effect in effects if is_undo(effect)}
        for effect in effects:
            undo = UNDOES.get(effect.verb)
            if is_undo(effect) or undo is None or (undo, effect.step) in back:
                continue
            if _after_pivot(effect.verb, effect.step) or effect.step in answered(run, "skip"):
                continue
            yield Violation("7 ends well or loudly", "Compensated, and it stands.", (told(effect),))


def _after_pivot(verb: str, step: str) -> bool:
    return verb == "start_instances" and step.endswith(".stand_by")


def undone_in_reverse(record: Record) -> Iterable[Violation]:
    """Users are sent back before what they were sent to is stopped, and the old site serves before its application
    runs: the undo of what depends on something is asked for first. One that fails keeps no other from its turn."""
    for run in record.runs:
        first: dict[str, Event] = {}
        for event in run.events:
            if event.kind == "scheduled" and event.activity.endswith(".undo"):
                first.setdefault(event.name, event)
        for early, late in _REVERSE:
            if early in first and late in first and first[late].id < first[early].id:
                events = (shown(first[late]), shown(first[early]))
                yield Violation("7 undone in reverse order", f"{late} was asked for before {early}.", events)


def every_run_ends(record: Record) -> Iterable[Violation]:
    """Each run comes to one of the end states, with its fields filled; what is parked says why, what stands and what
    may be answered; nothing is stuck, nothing timed out at the server, and no task of a workflow failed."""
    parks = {wanted.leg for wanted in record.wanted if "PARKED" in wanted.ends}
    for run in runs(record):
        end = end_of(run)
        if end == "PARKED" and run.leg in parks:
            yield from _parked_well(run)
        elif end not in ENDS:
            last = tuple(shown(event) for event in run.events[-6:])
            yield Violation("7 ends well or loudly", f"{run.workflow} is {run.status}, and shows {end}.", last)
        elif run.report is not None:
            yield from _ended_well(run)
        jammed = [shown(event) for event in run.events if event.kind == "task-failed" and event.code not in _NO_JAM]
        if jammed:
            yield Violation("7 ends well or loudly", f"A task of {run.workflow} failed.", tuple(jammed[:3]))


def _parked_well(run: RunRecord) -> Iterable[Violation]:
    view = run.view
    assert view is not None
    for parked in view.parked:
        if not (parked.reason and parked.actions and parked.code):
            yield Violation("7 ends well or loudly", f"{parked.step} is parked without a reason or an answer.")
    if not view.parked or not view.headline:
        yield Violation("7 ends well or loudly", f"{run.workflow} is parked, and does not say so.")


def _ended_well(run: RunRecord) -> Iterable[Violation]:
    report = run.report
    assert report is not None
    if not report.summary or not report.owner or report.clock.ended is None:
        yield Violation("7 ends well or loudly", f"The report of {run.workflow} lacks its summary, owner or end.")
    if report.end_state.value in ("COMPENSATED", "REFUSED") and not report.code:
        yield Violation("7 ends well or loudly", f"{run.workflow} does not say why it is {report.end_state.value}.")
    if report.parked:
        yield Violation("7 ends well or loudly", f"{run.workflow} has ended with something parked.")


def no_cancel_is_swallowed(record: Record) -> Iterable[Violation]:
    """A cancel ends the run as cancelled, or is refused on the record, with a promote to show for it."""
    for run in runs(record):
        asked = [event for event in run.events if event.kind == "cancel-requested"]
        if not asked or run.report is None:
            continue
        notes = [action.action for action in run.report.actions if action.action.startswith("cancel")]
        if not notes:
            yield Violation("4 cancels", "A cancel left no trace.", (shown(asked[0]),))
        if any(note in ("cancel", "cancel (the run is being undone already)") for note in notes):
            if run.status != "CANCELED" or end_of(run) not in ("COMPENSATED", "REFUSED"):
                sentence = f"A cancel was taken, and yet the run is {run.status}, {end_of(run)}."
                yield Violation("4 cancels", sentence, (shown(asked[0]),))
        elif any("refused" in note for note in notes):
            pivots = ("promote", "rebuild_replica", "run_switchover")
            if not any(e.kind == "scheduled" and e.name in pivots for e in run.events) and run.kind != "Drill":
                yield Violation("6 the pivot is one-way", "A cancel was refused before any promote was asked for.")


def the_clock_runs_forward(record: Record) -> Iterable[Violation]:
    """Declared, approved, pivot, verified, ended: in this order, whatever a worker's own clock says."""
    for run in runs(record):
        if run.report is None:
            continue
        clock = run.report.clock
        names = ("declared", "approved", "pivot", "verified", "ended")
        marks = [(name, getattr(clock, name)) for name in names if getattr(clock, name) is not None]
        for (first, at), (then, later) in itertools.pairwise(marks):
            if later < at:
                yield Violation("10 evidence", f"{then} is before {first} in the report of {run.workflow}.")


def unmeasured_is_never_a_pass(record: Record) -> Iterable[Violation]:
    """A promise is met, or missed, by a measurement; what was not measured is null."""
    for run in runs(record):
        for promise in run.report.objectives if run.report is not None else ():
            measured = promise.measured_seconds
            should = None if measured is None else measured <= promise.promised_seconds
            if promise.met != should:
                sentence = f"{promise.name} is called {promise.met} at {measured} of {promise.promised_seconds} s."
                yield Violation("10 evidence", sentence)


def a_recovery_is_proved(record: Record) -> Iterable[Violation]:
    """A move that recovered has its public check on the record, and a fence proof or a person's acceptance."""
    for run in runs(record):
        report = run.report
        if report is None or run.kind not in ("Failover", "Switchover", "Failback") or end_of(run) != "RECOVERED":
            continue
        if report.clock.verified is None:
            yield Violation("10 evidence", f"{run.workflow} recovered without a public check.")
        proven = any(proof.proven and proof.epoch == report.epoch for proof in report.fence_proofs)
        if not proven and not any("split_brain" in action.action for action in report.actions):
            yield Violation("10 evidence", f"{run.workflow} recovered, and its report shows no fence proof.")


def independent_of_the_failed_site(record: Record) -> Iterable[Violation]:
    """An unplanned failover asks nothing of the worker of the site that failed, but whether it lives."""
    for run in record.runs:
        view = run.view
        if view is None or run.kind != "Failover" or view.mode.value != "unplanned" or not view.source:
            continue
        calls = [e for e in run.events if e.kind == "scheduled" and e.queue.endswith(f"-{view.source}")]
        if strange := [shown(e) for e in calls if e.name != "observe"]:
            yield Violation("9 independence", f"{run.workflow} needed the failed site.", tuple(strange))


RULES: tuple[Rule, ...] = (
    fence_before_promote,
    known_or_parked,
    undone_means_undone,
    undone_in_reverse,
    every_run_ends,
    no_cancel_is_swallowed,
    the_clock_runs_forward,
    unmeasured_is_never_a_pass,
    a_recovery_is_proved,
    independent_of_the_failed_site,
)
