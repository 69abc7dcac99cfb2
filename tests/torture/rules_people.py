"""Rules about who may do what: approvals, refusals, the lease, secrets, and what a scenario had to come to."""

from collections.abc import Iterable

from tests.torture.judging import Rule, Violation, end_of, shown
from tests.torture.record import Event, Record, RunRecord, Wanted

_GUARDED = ("fence", "promote", "rebuild_replica")
_ASKS = ("Failover", "Switchover", "Failback", "Reprotect")


def authority_is_proven(record: Record) -> Iterable[Violation]:
    """What users notice was agreed to by enough different approvers, none of them the requester, each with a code that
    this execution showed, and where the runbook wants that, with a proof that their own device made and no other
    execution was given; what a reset copied was agreed to in the execution that it was taken from."""
    codes = {run.run: set(run.codes) for run in record.runs}
    proven = _proven(record)
    for run in record.runs:
        guarded = next((e for e in run.events if e.kind == "scheduled" and e.name in _GUARDED), None)
        if guarded is None or run.kind not in _ASKS or run.leg < 0:
            continue
        agreed = set()
        for event in run.events:
            if event.kind != "accepted" or event.name != "approve" or event.id > guarded.id:
                continue
            name, code = str(event.input.get("approver")), str(event.input.get("code"))
            shown_codes = codes[run.reset_from] if run.reset_from and event.at < run.since else codes[run.run]
            known = code in shown_codes and name in record.approvers and name != record.requester
            if known and (record.proofs is None or (_execution(run, event), name, _proof_of(event)) in proven):
                agreed.add(name)
        if len(agreed) < record.required:
            sentence = f"{guarded.name} was asked for with {len(agreed)} of {record.required} valid approvals."
            yield Violation("8 authority is proven", sentence, (shown(guarded),))


def _proven(record: Record) -> set[tuple[str, str, str]]:
    """Execution, person and proof, of each proof that this person's device made, where it was given first."""
    given = ((event.at, _execution(run, event), event) for run in record.runs for event in run.events)
    answers = [one for one in given if one[2].kind == "accepted" and _proof_of(one[2])]
    accepted = sorted(answers, key=lambda one: one[0])
    first: dict[str, str] = {}
    found = set()
    for _, execution, event in accepted:
        name, proof = str(event.input.get("approver")), _proof_of(event)
        if proof in (record.proofs or {}).get(name, ()) and first.setdefault(proof, execution) == execution:
            found.add((execution, name, proof))
    return found


def _execution(run: RunRecord, event: Event) -> str:
    """The execution in which it happened: a reset copies what was before it."""
    return run.reset_from if run.reset_from and event.at < run.since else run.run


def _proof_of(event: Event) -> str:
    return str(event.input.get("otp") or event.input.get("signature") or "")


def what_must_be_refused_is_refused(record: Record) -> Iterable[Violation]:
    """Wrong codes, strangers, rivals, junk: refused, with a sentence."""
    for operation in record.operations:
        if not operation.must_fail:
            continue
        if operation.outcome == "ok":
            sentence = f"{operation.name} with {operation.why} was taken: {operation.said or 'without a word'}."
            yield Violation("8 authority is proven", sentence)
        elif operation.outcome == "fail" and not operation.said:
            yield Violation("8 authority is proven", f"{operation.name} with {operation.why} was refused wordlessly.")


def each_leg_ends_as_it_must(record: Record) -> Iterable[Violation]:
    """What the scenario itself demands."""
    for wanted in record.wanted:
        chain = [run for run in record.runs if run.leg == wanted.leg and not run.rival]
        if wanted.starts > 1:
            yield from _one_of_many(wanted, chain)
            continue
        if not chain:
            yield Violation("scenario", f"Leg {wanted.leg} was never started.")
            continue
        yield from _as_wanted(wanted, chain[-1])


def _one_of_many(wanted: Wanted, chain: list[RunRecord]) -> Iterable[Violation]:
    busy = [run for run in chain if run.report is not None and run.report.code == "APPLICATION_BUSY"]
    acted = [run for run in chain if run not in busy]
    if len(busy) != wanted.starts - 1:
        ends = ", ".join(end_of(run) for run in chain)
        yield Violation("3 one run at a time", f"Of {wanted.starts} starts at once one may act; they ended {ends}.")
    for run in acted:
        yield from _as_wanted(wanted, run)


def _as_wanted(wanted: Wanted, run: RunRecord) -> Iterable[Violation]:
    end = end_of(run)
    code = run.report.code if run.report is not None else ""
    if end not in wanted.ends or (wanted.codes and code not in wanted.codes):
        why = run.report.summary if run.report is not None else ""
        expected = f"{' or '.join(wanted.ends)} {' or '.join(wanted.codes)}".strip()
        yield Violation("scenario", f"{run.workflow} ended {end} {code}, not {expected}. {why}")


def the_lease_is_given_back(record: Record) -> Iterable[Violation]:
    """When all runs are over nobody holds the application; a run that is parked, or was ended from outside and not
    freed, does."""
    state = record.entity
    ends = [end_of(run) for run in record.runs]
    if state is None or "PARKED" in ends:
        return
    holders = {run.workflow for run in record.runs if end_of(run) == "TERMINATED"}
    for lease in (state.lease, state.rehearsal):
        if lease is not None and lease.holder not in holders:
            yield Violation("3 one run at a time", f"{lease.holder} has ended and holds the application still.")


def no_secret_is_told(record: Record) -> Iterable[Violation]:
    """What a driver's error says stays with the worker."""
    for where in record.leaks:
        yield Violation("10 evidence", f"The world's secret stands in {where}.")


def people_are_told(record: Record) -> Iterable[Violation]:
    """Each run with a plan tried to tell of its start and of its end, once, and says that it could not."""
    for run in record.runs:
        if not record.told or run.report is None or not run.report.plan_sha256 or end_of(run) not in _ENDS:
            continue
        notices = run.report.notices
        events = [one.event.value for one in notices]
        for event, often in (("started", 1), (_TOLD_AT_END.get(end_of(run), ""), 1)):
            wanted = "drill-result" if run.kind == "Drill" and event != "started" else event
            if events.count(wanted) != often:
                yield Violation("12 people are told", f"{run.workflow}: {wanted} told {events.count(wanted)} times.")
        if any(one.delivered for one in notices):
            yield Violation("12 people are told", f"{run.workflow} says that a dead channel took a message.")


_TOLD_AT_END = {
    "RECOVERED": "recovered",
    "RECOVERED_DEGRADED": "degraded",
    "COMPENSATED": "compensated",
    "REFUSED": "failed",
}
_ENDS = frozenset(_TOLD_AT_END)


RULES: tuple[Rule, ...] = (
    people_are_told,
    authority_is_proven,
    what_must_be_refused_is_refused,
    each_leg_ends_as_it_must,
    the_lease_is_given_back,
    no_secret_is_told,
)
