"""Rules that are judged from the world's own ledger: what really happened, whatever the engine says of it."""

from collections import Counter
from collections.abc import Iterable

from tests.torture.judging import Rule, Violation, deeds, end_of, is_undo, told
from tests.torture.record import Record

PRODUCTION = ("Failover", "Switchover", "Failback")


def one_writer(record: Record) -> Iterable[Violation]:
    """At no instant do two sites accept a write for the same data, unless the world itself came to it."""
    before: set[str] = set()
    for seen in record.writers:
        sites = Counter(component for component, _ in seen.pairs)
        twice = {component for component, count in sites.items() if count > 1}
        if seen.verb and (new := twice - before):
            yield Violation(
                "1 one writer",
                f"After {seen.verb} at {seen.at:%H:%M:%S.%f} two sites accept writes of {', '.join(sorted(new))}.",
                tuple(told(effect) for effect in record.effects if effect.at <= seen.at)[-4:],
            )
        before = twice


def one_effect(record: Record) -> Iterable[Violation]:
    """For each run, step and epoch at most one effect of a verb, whatever key the engine made of them."""
    effects = [*record.effects, *record.rehearsed]
    counts = Counter((effect.verb, effect.workflow, effect.step, effect.epoch) for effect in effects)
    for (verb, workflow, step, epoch), count in counts.items():
        if count > 1:
            events = [e for e in effects if (e.verb, e.workflow, e.step, e.epoch) == (verb, workflow, step, epoch)]
            yield Violation(
                "3 at most one effect", f"{verb} of {step} happened {count} times.", tuple(told(e) for e in events)
            )


def no_orphans(record: Record) -> Iterable[Violation]:
    """No effect of a run lands after the run said that it had ended."""
    for run in record.runs:
        ended = run.report.clock.ended if run.report is not None else None
        others = [other for other in record.runs if other.workflow == run.workflow and other.run != run.run]
        if ended is None or others:
            continue
        late = [e for e in (*record.effects, *record.rehearsed) if e.workflow == run.workflow and e.at > ended]
        if late:
            yield Violation(
                "7 ends well or loudly", f"{run.workflow} acted after its end.", tuple(told(e) for e in late)
            )


def epochs_rise(record: Record) -> Iterable[Violation]:
    """A change with an epoch below the highest that was accepted never lands, and no two runs share one."""
    highest = dict(record.stood)
    owner: dict[int, str] = {}
    for effect in record.effects:
        if effect.epoch < highest.get(effect.component, 0):
            sentence = (
                f"Epoch {effect.epoch} landed on {effect.component} above which {highest[effect.component]} stood."
            )
            yield Violation("5 epochs only rise", sentence, (told(effect),))
        highest[effect.component] = max(effect.epoch, highest.get(effect.component, 0))
        if owner.setdefault(effect.epoch, effect.workflow) != effect.workflow:
            sentence = f"{owner[effect.epoch]} and {effect.workflow} both acted under epoch {effect.epoch}."
            yield Violation("5 epochs only rise", sentence, (told(effect),))


def one_run_at_a_time(record: Record) -> Iterable[Violation]:
    """Between the first and the last effect of a run no other run acts; one that was ended from outside may be late."""
    ended = {run.workflow for run in record.runs if run.terminated_by_us}
    seen: list[str] = []
    for effect in record.effects:
        if effect.workflow in seen[:-1] and effect.workflow not in ended:
            sentence = f"{effect.workflow} acted after {seen[-1]} had begun to act."
            yield Violation("3 one run at a time", sentence, (told(effect),))
        if effect.workflow not in seen:
            seen.append(effect.workflow)


def routing_never_empty(record: Record) -> Iterable[Violation]:
    """Users are always sent to a site."""
    if strange := [route for route in record.routes if route not in record.sites]:
        yield Violation("5 routing is never empty", f"Users were sent to {strange[0]!r}.")


def nothing_lost_silently(record: Record) -> Iterable[Violation]:
    """A row that a client was told is written stands where the application serves, or is archived, or still stands in
    a copy of the old site; and nothing is overwritten before it is archived."""
    if record.wiped:
        yield Violation("1 nothing lost silently", f"Overwritten and not archived: {', '.join(record.wiped)}.")
    kept = {row for rows in record.rows.values() for row in rows} | set(record.archived)
    if gone := [row for row in record.written if row not in kept]:
        yield Violation("1 nothing lost silently", f"Acknowledged and nowhere any more: {', '.join(gone)}.")


def the_pivot_is_one_way(record: Record) -> Iterable[Violation]:
    """After the first accepted promote, or the first overwritten byte, the run takes nothing back."""
    for workflow in dict.fromkeys(effect.workflow for effect in record.effects):
        done = deeds(record, workflow)
        pivot = next((e for e in done if e.verb in ("promote", "rebuild_replica")), None)
        if pivot is None:
            continue
        back = [e for e in done if e.at > pivot.at and is_undo(e)]
        if back:
            yield Violation(
                "6 the pivot is one-way",
                f"{workflow} took something back after its {pivot.verb}.",
                tuple(told(effect) for effect in (pivot, *back)),
            )


def a_drill_touches_nothing(record: Record) -> Iterable[Violation]:
    """An isolated drill acts in its bubble only, and leaves nothing."""
    drills = {run.workflow for run in record.runs if run.kind == "Drill"}
    if touched := [told(effect) for effect in record.effects if effect.workflow in drills]:
        yield Violation("9 isolation", "A drill changed production.", tuple(touched))
    if strange := [told(effect) for effect in record.rehearsed if effect.workflow not in drills]:
        yield Violation("9 isolation", "A real run acted in a bubble.", tuple(strange))
    open_runs = any(end_of(run) in ("TERMINATED", "PARKED") for run in record.runs if run.kind == "Drill")
    if record.bubbles and not open_runs:
        yield Violation("9 isolation", f"Bubbles were left: {', '.join(record.bubbles)}.")


def recovered_means_recovered(record: Record) -> Iterable[Violation]:
    """Where the last run moved the application and says that it has recovered, the world says so too."""
    last = next((run for run in reversed(record.runs) if run.leg >= 0 and not run.rival), None)
    if last is None or last.kind not in PRODUCTION or last.report is None or end_of(last) != "RECOVERED":
        return
    target = last.report.target
    if [site for component, site in record.serving if component == "db"] != [target]:
        yield Violation("7 ends well or loudly", f"Recovered at {target}, but db serves at {record.serving}.")
    if record.routes and record.routes[-1] != target:
        yield Violation("7 ends well or loudly", f"Recovered at {target}, but users are sent to {record.routes[-1]}.")
    if record.entity is not None and record.entity.active_site != target:
        sentence = f"Recovered at {target}, but the application is said to be active at {record.entity.active_site}."
        yield Violation("7 ends well or loudly", sentence)


RULES: tuple[Rule, ...] = (
    one_writer,
    one_effect,
    no_orphans,
    epochs_rise,
    one_run_at_a_time,
    routing_never_empty,
    nothing_lost_silently,
    the_pivot_is_one_way,
    a_drill_touches_nothing,
    recovered_means_recovered,
)
