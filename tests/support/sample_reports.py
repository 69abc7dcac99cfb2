"""Reports of made-up runs, one for each way in which a run ends. Times are fixed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from workflows.model.observed import CheckResult, FenceProof, Loss, Observation, Reach
from workflows.model.plan import Mode, Operation
from workflows.model.progress import ParkedStep, RunState, StepRecord, StepState
from workflows.model.report import ApprovalRecord, Clock, Objective, OperatorAction, Report, Times

DECLARED = datetime(2026, 11, 22, 14, 5, 0, tzinfo=UTC)
RUN = "failover/shop/2026-11-22T14-05Z"
APPROVED_AFTER = 754.0
_ROWS: tuple[tuple[str, str, str, str, float, float], ...] = (
    # component, verb, site, phase, start, end: in seconds after declared
    ("db", "choose_recovery_point", "recovery", "prepare", 0.4, 0.62),
    ("app", "start_instances", "recovery", "prepare", 0.41, 2.1),
    ("", "approve", "recovery", "prepare", 0.63, APPROVED_AFTER),
    ("db", "fence", "primary", "commit", APPROVED_AFTER + 0.02, APPROVED_AFTER + 0.9),
    ("db", "sync_delta", "recovery", "commit", APPROVED_AFTER + 0.93, APPROVED_AFTER + 1.2),
    ("db", "promote", "recovery", "pivot", APPROVED_AFTER + 1.23, APPROVED_AFTER + 2.6),
    ("db", "health_check", "recovery", "forward", APPROVED_AFTER + 2.62, APPROVED_AFTER + 2.7),
    ("app", "health_check", "recovery", "forward", APPROVED_AFTER + 2.72, APPROVED_AFTER + 3.3),
    ("front", "flip_dns", "recovery", "forward", APPROVED_AFTER + 3.32, APPROVED_AFTER + 3.6),
    ("front", "verify", "recovery", "forward", APPROVED_AFTER + 3.62, APPROVED_AFTER + 5.4),
    ("db", "measure_loss", "recovery", "forward", APPROVED_AFTER + 5.42, APPROVED_AFTER + 5.9),
)
_UNDO = {
    "app.start_instances": "stop the application at recovery",
    "db.fence": "let primary serve again",
}


def at(seconds: float) -> datetime:
    """The moment so many seconds after declared."""
    return DECLARED + timedelta(seconds=seconds)


def step(component: str, verb: str, site: str, phase: str, start: float, end: float, **more: Any) -> StepRecord:
    """A finished step."""
    step_id = f"{component}.{verb}" if component else verb
    words = f"{component}: {verb.replace('_', ' ')} at {site}" if component else "wait for approval"
    provider = None if verb == "approve" else round((end - start) * 0.9, 4)
    fields: dict[str, Any] = {
        "id": step_id,
        "component": component or None,
        "site": site,
        "kind": verb,
        "words": words,
        "phase": phase,
        "state": StepState.DONE,
        "started": at(start),
        "ended": at(end),
        "attempts": 1,
        "provider_seconds": provider,
        "undo": _UNDO.get(step_id, ""),
    }
    return StepRecord.model_validate({**fields, **more})


def steps(until: str = "", **changed: dict[str, Any]) -> tuple[StepRecord, ...]:
    """The steps of a failover; from the step `until` on nothing began. `changed` overrides fields, `.` written `__`."""
    found, begun = [], True
    for row in _ROWS:
        record = step(*row)
        begun = begun and record.id != until
        if not begun:
            record = record.model_copy(
                update={
                    "state": StepState.PENDING,
                    "started": None,
                    "ended": None,
                    "attempts": 0,
                    "provider_seconds": None,
                }
            )
        found.append(record.model_copy(update=changed.get(record.id.replace(".", "__"), {})))
    return tuple(found)


def _report(state: RunState, summary: str, records: tuple[StepRecord, ...], clock: Clock, **more: Any) -> Report:
    fields: dict[str, Any] = {
        "workflow_id": RUN,
        "run_id": "0a1b2c3d-1111-4222-8333-444455556666",
        "application": "shop",
        "operation": Operation.FAILOVER,
        "mode": Mode.UNPLANNED,
        "end_state": state,
        "summary": summary,
        "requested_by": "carl",
        "reason": "Site A does not answer; power failure reported by the provider",
        "owner": "Anna Berg <anna.berg@example.org>",
        "source": "primary",
        "target": "recovery",
        "epoch": 7,
        "runbook_sha256": "1f" * 32,
        "plan_sha256": "c0" * 32,
        "clock": clock,
        "steps": records,
        "observations": _seen(),
    }
    return Report.model_validate({**fields, **more})


def _seen() -> tuple[Observation, ...]:
    looks = (
        ("db", "primary", "control", Reach.SILENT, "no answer in 1 s"),
        ("db", "primary", "recovery", Reach.SILENT, "no answer in 1 s"),
        ("db", "recovery", "recovery", Reach.STANDBY, "replays; received up to 0/5A3F2C8"),
    )
    return tuple(
        Observation(component=component, site=site, observer=observer, reach=reach, at=at(0.2), detail=detail)
        for component, site, observer, reach, detail in looks
    )


def _proof(proven: bool) -> FenceProof:
    return FenceProof(
        component="db",
        site="primary",
        epoch=7,
        method="power controller",
        proven=proven,
        write_probe=Reach.REFUSED if proven else Reach.SILENT,
        independent=proven,
        at=at(APPROVED_AFTER + 0.88),
        detail="host is off" if proven else "the power controller does not answer",
    )


def _approved() -> ApprovalRecord:
    return ApprovalRecord(
        step="approve", approver="anna", decision="approved", at=at(APPROVED_AFTER), code="K7Q4", comment="go"
    )


def recovered() -> Report:
    """A failover that kept its promises, after a long wait for approval."""
    checks = (
        CheckResult(name="http /readyz", passed=True, tries=3, seconds=0.21, detail="200 in 12 ms"),
        CheckResult(name="functional /check", passed=True, tries=1, seconds=0.3, detail="nonce read back"),
    )
    dns = {"before": {"address": "192.0.2.10", "epoch": 6}, "after": {"address": "192.0.2.20", "epoch": 7}}
    promoted = {"before": {"role": "standby", "timeline": 1}, "after": {"role": "primary", "timeline": 2}}
    records = steps(
        app__health_check={"checks": checks, "attempts": 2},
        front__flip_dns=dns,
        db__promote={**promoted, "detail": "accepts writes on timeline 2"},
    )
    verified = APPROVED_AFTER + 5.4
    clock = Clock(
        detected=at(-48),
        declared=DECLARED,
        approved=at(APPROVED_AFTER),
        pivot=at(APPROVED_AFTER + 1.25),
        verified=at(verified),
        ended=at(verified + 0.6),
    )
    return _report(
        RunState.RECOVERED,
        "shop serves at recovery; 3 acknowledged transactions were lost.",
        records,
        clock,
        rta=Times(from_detected=verified + 48, from_declared=verified, from_approved=5.4),
        rta_seconds=verified,
        rpa=Loss(
            seconds=0.4, bytes=1184, transactions=3, last_kept_marker=811, method="marker and sequence in the data"
        ),
        rpa_seconds=0.4,
        rpa_bytes=1184,
        lost_transactions=3,
        objectives=(
            Objective(name="RTO", promised_seconds=900, measured_seconds=verified, met=True),
            Objective(name="RPO", promised_seconds=5, measured_seconds=0.4, met=True),
        ),
        fence_proofs=(_proof(True),),
        approvals=(_approved(),),
        standing=("Site A is off and fenced.", "db accepts writes at recovery on timeline 2."),
        left_to_do=("shop runs unprotected at recovery: rebuild replication to primary before anything else.",),
        not_proven=("That the lost transactions are in no backup of the old site.",),
    )


def compensated() -> Report:
    """A failover whose promote was refused: all that was begun is undone."""
    undone = {"state": StepState.UNDONE}
    records = steps(
        until="db.health_check",
        app__start_instances={**undone, "detail": "stopped"},
        db__fence={**undone, "detail": "primary serves again"},
        db__promote={
            "state": StepState.FAILED,
            "attempts": 3,
            "code": "PROMOTE_REFUSED",
            "detail": "the standby refuses: its data folder is read-only",
        },
    )
    return _report(
        RunState.COMPENSATED,
        "shop still serves at primary: the standby could not be promoted, and everything that was begun is undone.",
        records,
        Clock(declared=DECLARED, approved=at(APPROVED_AFTER), ended=at(APPROVED_AFTER + 4.2)),
        code="PROMOTE_REFUSED",
        objectives=(
            Objective(name="RTO", promised_seconds=900, measured_seconds=None, met=None),
            Objective(name="RPO", promised_seconds=5, measured_seconds=None, met=None),
        ),
        fence_proofs=(_proof(True),),
        approvals=(_approved(),),
        left_to_do=("Mend the data folder of the standby, then start the failover again.",),
    )


def parked() -> Report:
    """A failover that cannot prove the fence and waits for a person."""
    records = steps(
        until="db.sync_delta",
        db__fence={
            "state": StepState.UNKNOWN,
            "ended": None,
            "attempts": 4,
            "code": "FENCE_UNPROVEN",
            "detail": "the power controller does not answer",
        },
    )
    return _report(
        RunState.PARKED,
        "shop is down: it is not proved that Site A has stopped, so nothing was promoted.",
        records,
        Clock(declared=DECLARED, approved=at(APPROVED_AFTER)),
        code="FENCE_UNPROVEN",
        objectives=(Objective(name="RTO", promised_seconds=900, measured_seconds=None, met=None),),
        fence_proofs=(_proof(False),),
        approvals=(_approved(),),
        actions=(
            OperatorAction(action="retry", by="ben", at=at(APPROVED_AFTER + 31), step="db.fence", reason="again"),
        ),
        parked=(parked_step(),),
        standing=("The application runs at recovery without its database.",),
        left_to_do=("db.fence: answer with retry, accept_split_brain_risk or abort",),
    )


def parked_step() -> ParkedStep:
    """The parked fence."""
    return ParkedStep(
        step="db.fence",
        code="FENCE_UNPROVEN",
        reason="It is not proved that primary refuses writes: it does not answer, nor does its power controller.",
        standing=("The application runs at recovery without its database.",),
        actions=("retry", "accept_split_brain_risk", "abort"),
        risk_code="X9PL",
        since=at(APPROVED_AFTER + 61),
    )


def refused() -> Report:
    """A failover that was refused before anything began: no plan, no lease, no step."""
    return _report(
        RunState.REFUSED,
        "Nothing was changed: primary answers and accepts writes for 2 of 3 observers.",
        (),
        Clock(declared=DECLARED, ended=at(1.1)),
        code="SOURCE_HEALTHY",
        epoch=None,
        plan_sha256="",
    )
