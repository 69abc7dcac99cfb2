"""Reports and views of made-up drills and of the way home. Times are fixed."""

from typing import Any

from tests.support.sample_reports import DECLARED, at, recovered, step
from workflows.model.entity import DrillSummary
from workflows.model.observed import Consistency, DivergedTable, Divergence, Finding, Loss, TableComparison
from workflows.model.plan import Mode, Operation
from workflows.model.progress import ProgressView, RunState, StepRecord, StepState
from workflows.model.report import Clock, Objective, Report, Scorecard, Times

Row = tuple[str, str, str, str, float, float]
DRILL_ROWS: tuple[Row, ...] = (
    ("bubble", "open_bubble", "recovery", "prepare", 0.1, 0.5),
    ("bubble", "prove_isolation", "recovery", "prepare", 0.5, 2.1),
    ("db", "choose_recovery_point", "recovery", "prepare", 0.1, 0.3),
    ("db", "clone_data", "recovery", "prepare", 2.1, 14.0),
    ("db", "promote", "recovery", "prepare", 14.0, 15.2),
    ("db", "health_check", "recovery", "prepare", 15.2, 15.4),
    ("app", "start_instances", "recovery", "prepare", 15.4, 17.0),
    ("app", "health_check", "recovery", "prepare", 17.0, 17.8),
    ("front", "simulate", "recovery", "prepare", 17.8, 17.8),
    ("public", "verify", "recovery", "prepare", 17.8, 18.3),
    ("bubble", "close_bubble", "recovery", "prepare", 18.3, 19.0),
)
FAILBACK_ROWS: tuple[Row, ...] = (
    ("db", "compare_sites", "primary", "prepare", 0.1, 0.6),
    ("db", "measure_lag", "primary", "prepare", 0.1, 0.4),
    ("db", "verify_consistency", "primary", "prepare", 0.1, 2.4),
    ("", "approve", "primary", "prepare", 2.4, 300),
    ("", "wait_for_window", "primary", "prepare", 300, 7200),
    ("db", "fence", "recovery", "commit", 7200, 7200.6),
    ("db", "promote", "primary", "pivot", 7200.7, 7201.4),
    ("app", "health_check", "primary", "forward", 7201.5, 7202.0),
    ("front", "flip_dns", "primary", "forward", 7202.1, 7202.5),
    ("public", "verify", "primary", "forward", 7202.6, 7203.1),
    ("db", "rebuild_replica", "recovery", "forward", 7203.2, 7210),
    ("db", "protect", "primary", "forward", 7210, 7212),
)
REPROTECT_ROWS: tuple[Row, ...] = (
    ("site", "reopen_site", "primary", "prepare", 0.2, 2.2),
    ("db", "archive_diverged", "primary", "prepare", 2.3, 5.0),
    ("", "approve", "recovery", "prepare", 5.0, 61.0),
    ("db", "rebuild_replica", "primary", "pivot", 61.0, 82.0),
    ("db", "protect", "recovery", "forward", 82.0, 84.0),
    ("db", "verify_consistency", "recovery", "forward", 84.0, 86.5),
)


def records(rows: tuple[Row, ...], until: str = "", **changed: dict[str, Any]) -> tuple[StepRecord, ...]:
    """The steps of these rows; from the one of the kind `until` on nothing began. `changed` goes by kind."""
    found, begun = [], True
    for row in rows:
        begun = begun and row[1] != until
        idle: dict[str, Any] = {"state": StepState.PENDING, "started": None, "ended": None, "attempts": 0}
        record = step(*row, **({} if begun else idle))
        if row[1] == "wait_for_window":
            record = record.model_copy(update={"words": "wait until 2026-11-22 16:05 UTC", "provider_seconds": 0.0})
        if row[1] == "simulate":
            record = record.model_copy(update={"words": "front: flip dns (simulated)", "provider_seconds": 0.0})
        found.append(record.model_copy(update=changed.get(row[1], {})))
    return tuple(found)


def _report(operation: Operation, mode: Mode, rows: tuple[StepRecord, ...], clock: Clock, **more: Any) -> Report:
    fields: dict[str, Any] = {
        **recovered().model_dump(include={"run_id", "application", "requested_by", "owner"}),
        "workflow_id": f"{operation}/shop/2026-11-22T14-05Z",
        "operation": operation,
        "mode": mode,
        "end_state": RunState.RECOVERED,
        "summary": "shop: as it should be.",
        "reason": "quarterly",
        "source": "primary",
        "target": "recovery",
        "epoch": 8,
        "clock": clock,
        "steps": rows,
    }
    return Report.model_validate({**fields, **more})


def drill(**more: Any) -> Report:
    """An isolated drill that passed, and was faster than the one before."""
    card = Scorecard(
        kind="isolated",
        real=7,
        simulated=1,
        skipped=0,
        fidelity=0.875,
        canaries={"192.0.2.10:5432": "ECONNREFUSED", "192.0.2.53:53": "ENETUNREACH"},
        leftovers=0,
        findings=(
            Finding(code="FSYNC_OFF", sentence="db at recovery runs without fsync.", next_step="Set fsync to on."),
        ),
        compared_with=DrillSummary(
            workflow_id="drill/shop/2026-08-22T14-05Z",
            ended=at(-7_948_800),
            end_state="RECOVERED",
            rta_seconds=6.8,
            rpa_seconds=0.2,
            fidelity=0.875,
        ),
        rta_change_seconds=-2.5,
    )
    fields: dict[str, Any] = {
        "summary": "Drill of shop from primary to recovery: passed, 4.30 s to recover.",
        "rta": Times(from_declared=4.3),
        "rta_seconds": 4.3,
        "rpa": Loss(seconds=0.4, method="markers, at the recovery point"),
        "rpa_seconds": 0.4,
        "objectives": (
            Objective(name="RTO", promised_seconds=900, measured_seconds=4.3, met=True),
            Objective(name="RPO", promised_seconds=5, measured_seconds=0.4, met=True),
        ),
        "scorecard": card,
        "not_proven": ("That front: flip dns (simulated) works: a drill only shows it.",),
    }
    clock = Clock(declared=DECLARED, verified=at(18.3), ended=at(19.1))
    return _report(Operation.DRILL, Mode.UNPLANNED, records(DRILL_ROWS), clock, **{**fields, **more})


def live_drill() -> Report:
    """A live drill that passed, the first of its sort."""
    rows = (
        step("", "approve", "recovery", "prepare", 0, 40),
        step("", "run_switchover", "recovery", "pivot", 40, 70, id="out", words="move to recovery"),
        step("", "run_switchover", "primary", "forward", 70, 101, id="back", words="move back to primary"),
    )
    card = Scorecard(kind="live", real=2, simulated=0, skipped=0, fidelity=1.0)
    clock = Clock(declared=DECLARED, approved=at(40), pivot=at(70), verified=at(45), ended=at(101))
    return _report(Operation.DRILL, Mode.PLANNED, rows, clock, scorecard=card, rta_seconds=5.0)


def reprotect(**more: Any) -> Report:
    """A reprotect that archived what only the old site had."""
    parted = Divergence(
        component="db",
        site="primary",
        diverged=True,
        since="0/5A3F2C8",
        until="0/5A41190",
        bytes=7880,
        tables=(
            DivergedTable(table="public.orders", rows=20, keys=tuple(str(9001 + number) for number in range(20))),
            DivergedTable(table="public.lines", rows=3, keys=("71", "72", "73")),
        ),
        folder="/var/lib/seawall/diverged/db-primary-8",
        detail="timelines 1 and 2 part at 0/5A3F2C8",
    )
    fields: dict[str, Any] = {
        "summary": "shop: primary follows recovery again. 23 rows that only primary had are archived.",
        "protected": True,
        "divergences": (parted,),
        "comparisons": (compared(85, equal=True),),
        "objectives": (Objective(name="RTO", promised_seconds=900, measured_seconds=None, met=None),),
    }
    clock = Clock(declared=DECLARED, approved=at(61), pivot=at(82), ended=at(87))
    return _report(Operation.REPROTECT, Mode.PLANNED, records(REPROTECT_ROWS), clock, **{**fields, **more})


def compared(seconds: float, *, equal: bool | None) -> Consistency:
    """One comparison of both sites; two of its tables are equal always."""
    ledger = TableComparison(
        table="public.ledger",
        rows_source=4_000,
        rows_target=4_000 if equal else 3_999,
        equal=bool(equal),
        differing=() if equal else ("chunk 3 of 4: keys 3001 to 4000",),
    )
    same = (TableComparison(table=f"public.t{n}", rows_source=100, rows_target=100, equal=True) for n in range(2))
    return Consistency(
        component="db",
        equal=equal,
        position_source="0/6000148" if equal is not None else "",
        position_target="0/6000148" if equal is not None else "",
        tables=() if equal is None else (*same, ledger),
        delta_bytes=None if equal is None else 1_048_576,
        method="" if equal is None else "hash of each chunk at one and the same position",
        at=at(seconds),
        detail="the replica did not reach the position in time" if equal is None else "",
    )


def failback(**more: Any) -> Report:
    """A failback at an agreed time; the replica could not be compared afterwards."""
    fields: dict[str, Any] = {
        "summary": "shop from recovery to primary: recovered; lost: 0 transactions, 0 ms of data.",
        "source": "recovery",
        "target": "primary",
        "protected": True,
        "rpa": Loss(seconds=0, bytes=0, transactions=0, method="marker and sequence in the data"),
        "rta_seconds": None,
        "comparisons": (compared(2.4, equal=True), compared(7212, equal=None)),
    }
    clock = Clock(declared=DECLARED, approved=at(300), pivot=at(7201.4), verified=at(7203.1), ended=at(7213))
    clock = more.pop("clock", clock)
    return _report(Operation.FAILBACK, Mode.PLANNED, records(FAILBACK_ROWS), clock, **{**fields, **more})


def view(report: Report, state: RunState = RunState.RUNNING, **more: Any) -> ProgressView:
    """What a watcher sees of that run, its steps as they stand in the report unless told otherwise."""
    fields: dict[str, Any] = {
        **report.model_dump(include={"application", "operation", "mode", "workflow_id", "source", "target", "epoch"}),
        "state": state,
        "declared": DECLARED,
        "now": at(30),
        "rto_seconds": 900.0,
        "steps": report.steps,
    }
    return ProgressView.model_validate({**fields, **more})


def window_view() -> ProgressView:
    """An approved failback that waits for its agreed time."""
    waits = {"state": StepState.WAITING, "ended": None, "attempts": 0}
    rows = records(FAILBACK_ROWS, until="fence", wait_for_window=waits)
    return view(failback(), RunState.WAITING_FOR_AGREED_TIME, steps=rows, now=at(400))


def drill_view(**more: Any) -> ProgressView:
    """A drill that makes its clone."""
    running = {"state": StepState.RUNNING, "ended": None, "detail": "4 of 9 GB, about 20 s left"}
    return view(drill(), steps=records(DRILL_ROWS, until="promote", clone_data=running), **more)
