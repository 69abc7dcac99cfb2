"""What a report says of the steps, the people, the proofs and what stands; see `content`."""

from collections.abc import Iterator

from workflows.model.base import in_words
from workflows.model.notices import NoticeRecord
from workflows.model.plan import Operation, Phase
from workflows.model.progress import StepRecord, StepState
from workflows.model.report import Report

from . import words
from .content import Cell, Section, facts, listed, table

_UNDO_STATES = (StepState.UNDOING, StepState.UNDONE, StepState.UNDO_FAILED)
Row = tuple[str | Cell, ...]


def steps(report: Report) -> Section:
    """Each step with its times, attempts and the share of its time that was spent in the provider."""
    return table(
        "steps",
        "Steps",
        ("Step", "Site", "State", "Start", "End", "Duration", "Attempts", "In the provider", "Detail"),
        (_step_row(report, step) for step in report.steps),
        note="Times are UTC. What is not spent in the provider is the orchestrator's own time. " + _overhead(report),
        empty="No step was planned.",
    )


def _step_row(report: Report, step: StepRecord) -> Row:
    day = report.clock.declared
    pivot = " [point of no return]" if step.phase == Phase.PIVOT else ""
    return (
        f"{step.words}{pivot}",
        step.site,
        _state(step),
        words.time_of_day(step.started, day, "not started"),
        words.time_of_day(step.ended, day, "not started" if step.started is None else "not ended"),
        in_words(words.duration(step)) if step.started else "-",
        str(step.attempts),
        _provider_share(step),
        ": ".join(part for part in (step.code, step.detail) if part),
    )


def _state(step: StepRecord) -> Cell:
    shown = words.is_simulated(step) and step.state is StepState.DONE
    return Cell("simulated", "idle") if shown else Cell(step.state.value, words.STATE_TONES[step.state])


def _provider_share(step: StepRecord) -> str:
    if not words.is_work(step):
        return "-"
    took = words.duration(step)
    if step.provider_seconds is None:
        return words.NOT_MEASURED if step.started else "-"
    share = f" ({min(step.provider_seconds / took, 1):.0%})" if took else ""
    return f"{in_words(step.provider_seconds)}{share}"


def _overhead(report: Report) -> str:
    measured = [
        (took, step.provider_seconds)
        for step in report.steps
        if words.is_work(step) and step.provider_seconds is not None and (took := words.duration(step)) is not None
    ]
    if not measured:
        return ""
    own = sum(max(took - inside, 0.0) for took, inside in measured)
    return f"Over {len(measured)} measured steps the orchestrator's own time adds up to {in_words(own)}."


def changes(report: Report) -> Section:
    """What each step found and what it left, key by key, where the two differ or only one is known."""
    return table(
        "changes",
        "Before and after",
        ("Step", "What", "Before", "After"),
        (row for step in report.steps for row in _changed(step)),
        note="Facts that a step left as they were are not listed.",
        empty="No step recorded a change.",
    )


def _changed(step: StepRecord) -> Iterator[Row]:
    for key in sorted({*step.before, *step.after}):
        if key not in step.before or key not in step.after or step.before[key] != step.after[key]:
            yield step.id, key, _fact(step.before, key), _fact(step.after, key)


def _fact(known: dict[str, object], key: str) -> str:
    return words.value(known[key]) if key in known else "not recorded"


def checks(report: Report) -> Section:
    """Each check after its last try."""
    rows = (
        (
            step.id,
            check.name,
            Cell("passed", "good") if check.passed else Cell("failed", "bad"),
            str(check.tries),
            in_words(check.seconds),
            check.detail,
        )
        for step in report.steps
        for check in step.checks
    )
    columns = ("Step", "Check", "Result", "Tries", "Time", "Detail")
    return table("checks", "Checks", columns, rows, empty="No check was run.")


def approvals(report: Report) -> Section:
    """Who answered which gate, and how."""
    tones = {"approved": "good", "rejected": "bad"}
    rows = (
        (
            one.step,
            one.approver,
            Cell(one.decision, tones.get(one.decision, "warn")),
            words.stamp(one.at),
            one.code,
            one.comment,
        )
        for one in report.approvals
    )
    columns = ("Gate", "Who", "Decision", "When", "Code", "Comment")
    return table("approvals", "Approvals", columns, rows, empty="Nobody answered a gate in this run.")


def notices(report: Report) -> Section:
    """Who was told of what, and whether it was delivered."""
    return table(
        "notices",
        "Notices",
        ("When", "Event", "Audience", "Channel", "Delivered", "Detail"),
        (_notice_row(one) for one in report.notices),
        note="Delivered means that the channel took it, not that anybody read it.",
        empty="Nobody was told of anything: the runbook names no channel.",
    )


def _notice_row(one: NoticeRecord) -> Row:
    delivered = {True: Cell("yes", "good"), False: Cell("no", "bad"), None: Cell("not known", "warn")}[one.delivered]
    if one.by:
        delivered = Cell(f"by {one.by}, its fallback", "warn")
    audience = one.audience.replace("_", " ")
    return words.stamp(one.at), one.event.value, audience, one.channel, delivered, one.detail


def actions(report: Report) -> Section:
    """What people did to the run."""
    return table(
        "actions",
        "Operator actions",
        ("Action", "Who", "When", "Step", "Reason"),
        ((one.action, one.by, words.stamp(one.at), one.step or "the run", one.reason) for one in report.actions),
        empty="Nobody acknowledged, paused, retried, skipped, aborted or cancelled anything.",
    )


def proofs(report: Report) -> Section:
    """Why it is certain that the old site accepts no write."""
    rows = (
        (
            one.component,
            one.site,
            str(one.epoch),
            Cell("proven", "good") if one.proven else Cell("NOT proven", "bad"),
            one.method,
            one.write_probe.value,
            words.yes_no(one.independent),
            words.stamp(one.at),
            "; ".join(part for part in (one.detail, f"data ends at {one.position}" if one.position else "") if part),
        )
        for one in report.fence_proofs
    )
    columns = ("Component", "Site", "Epoch", "Proven", "Method", "Write probe", "Independent path", "When", "Detail")
    return table("proofs", "Fence proofs", columns, rows, empty="No fence was proved in this run.")


def compensation(report: Report) -> Section:
    """What was undone."""
    return table(
        "compensation",
        "What was undone",
        ("Step", "Undo", "Result", "Detail"),
        (
            (step.words, step.undo or "not described", _state(step), step.detail)
            for step in report.steps
            if step.state in _UNDO_STATES
        ),
        empty="Nothing was undone.",
    )


def parked(report: Report) -> Section:
    """Steps that wait for an answer, and the answers that are safe."""
    rows = (
        (
            one.step,
            Cell(f"{one.code}: {one.reason}", "bad"),
            words.stamp(one.since),
            "; ".join(one.standing) or "nothing recorded",
            ", ".join(one.actions) or "none recorded",
        )
        for one in report.parked
    )
    columns = ("Step", "Why", "Since", "Stands now", "Safe next actions")
    return table("parked", "What waits for an answer", columns, rows, empty="No step waits for an answer.")


def observations(report: Report) -> Section:
    """What was seen, by whom, on which the run decided."""
    rows = (
        (one.component, one.site, one.observer, one.reach.value, words.stamp(one.at), one.detail)
        for one in report.observations
    )
    columns = ("Component", "Site", "Seen by", "Answer", "When", "Detail")
    return table("observations", "What was seen", columns, rows, empty="Nothing was observed.")


def findings(report: Report) -> Section:
    """What a person should know or mend; what stops a planned move first."""
    of_drill = report.scorecard.findings if report.scorecard else ()
    found = sorted(dict.fromkeys((*report.findings, *of_drill)), key=lambda one: not one.blocking)
    rows = (
        (
            Cell(one.code, "bad" if one.blocking else "warn"),
            one.sentence,
            one.next_step,
            "yes" if one.blocking else "no",
        )
        for one in found
    )
    columns = ("Code", "Finding", "What to do", "Blocks a planned move")
    return table("findings", "Findings", columns, rows, empty="Nothing was found that wants mending.")


def standing(report: Report) -> Section:
    """Effects that stand."""
    return listed("standing", "Effects that stand", report.standing, "None recorded.")


def left_to_do(report: Report) -> Section:
    """What people still have to do."""
    return listed("left", "What is left to do", report.left_to_do, "Nothing.")


def not_proven(report: Report) -> Section:
    """What the report does not show, with everything that was not measured."""
    return listed(
        "not-shown", "What this report does not show", (*report.not_proven, *_unmeasured(report)), "Nothing recorded."
    )


def _unmeasured(report: Report) -> list[str]:
    measures = () if report.operation is Operation.REPROTECT else _MEASURES
    missing = [name for name, found in measures if found(report) is None]
    return [f"Not measured: {', '.join(missing)}."] if missing else []


_MEASURES = (
    ("recovery time", lambda report: report.rta_seconds),
    ("data loss in time", words.loss_seconds),
    ("data loss in bytes", words.loss_bytes),
    ("lost transactions", words.loss_transactions),
)


def hashes(report: Report) -> Section:
    """What the evidence is bound to."""
    rows = [
        ("Runbook (SHA-256)", report.runbook_sha256 or "no runbook was read"),
        ("Plan (SHA-256)", report.plan_sha256 or "no plan was made"),
        ("Epoch", words.value(report.epoch) if report.epoch is not None else "no lease was taken"),
        ("Workflow id", report.workflow_id),
        ("Run id", report.run_id),
        ("Report schema", f"version {report.schema_version}"),
        *((key, words.value(found)) for key, found in sorted(report.extra.items())),
    ]
    return facts("hashes", "Identity and hashes", rows)
