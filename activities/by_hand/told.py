"""The report of a run that people finished: which steps were done by hand, by whom, and what is not known of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from workflows.model.observed import Observation
from workflows.model.outcome_form import Outcome, OutcomeForm, StepOutcome
from workflows.model.plan import Plan, Step
from workflows.model.progress import RunState, StepRecord, StepState
from workflows.model.report import ApprovalRecord, Clock, OperatorAction, Report
from workflows.model.runbook import Runbook
from workflows.model.verbs import Verb

BY_HAND = "by-hand"
"""In the place of Temporal's run id: no execution wrote this report."""


def report_of(
    form: OutcomeForm, runbook: Runbook, plan: Plan, looks: Sequence[Observation], by: str, reason: str, now: datetime
) -> Report:
    """What people told, with what was seen when they did."""
    people = dict.fromkeys(told.by for told in form.steps.values() if told.outcome is Outcome.BY_HAND and told.by)
    hands = sum(told.outcome is Outcome.BY_HAND for told in form.steps.values())
    return Report(
        workflow_id=form.run,
        run_id=BY_HAND,
        application=form.application,
        operation=form.operation,
        mode=form.mode,
        end_state=_end_state(form, plan),
        summary=f"Finished by hand: {form.application} is active at {form.active_site} under epoch {form.epoch}. "
        f"{hands} steps were done by {', '.join(people) or 'nobody'}.",
        requested_by=by,
        reason=reason,
        owner=f"{runbook.owner.name} <{runbook.owner.email}>",
        source=form.source,
        target=form.target,
        epoch=form.epoch,
        plan_sha256=plan.hash,
        clock=Clock(declared=form.declared, ended=now),
        steps=tuple(_record(step, form) for step in plan.steps),
        observations=tuple(looks),
        approvals=tuple(
            ApprovalRecord(step=step.id, approver=name, decision="agreed, by hand", at=now)
            for step in plan.steps
            if step.verb is Verb.GATE
            for name in form.agreed_by
        ),
        actions=(OperatorAction(action="outcome imported", by=by, at=now, reason=reason),),
        left_to_do=tuple(_left(form)),
        not_proven=tuple(_not_proven()),
        protected=form.protected,
    )


def _end_state(form: OutcomeForm, plan: Plan) -> RunState:
    pivots = [step for step in plan.steps if step.verb is Verb.PROMOTE]
    if pivots and form.active_site != form.target:
        return RunState.COMPENSATED
    lacking = [step for step in plan.steps if step.critical and _told(form, step).outcome is Outcome.NOT_DONE]
    return RunState.RECOVERED_DEGRADED if lacking else RunState.RECOVERED


def _told(form: OutcomeForm, step: Step) -> StepOutcome:
    """The gate stands in no form: who agreed is asked instead."""
    return form.steps.get(step.id) or StepOutcome(outcome=Outcome.BY_RUN)


def _record(step: Step, form: OutcomeForm) -> StepRecord:
    told = _told(form, step)
    words = {
        Outcome.BY_RUN: "Done by the run, as people saw.",
        Outcome.BY_HAND: f"Done by hand by {told.by}{f', {told.at}' if told.at else ''}.",
        Outcome.NOT_DONE: "Not done.",
    }
    if step.verb is Verb.GATE:
        words[Outcome.BY_RUN] = f"Agreed by {', '.join(form.agreed_by)}." if form.agreed_by else "Asked by the run."
    return StepRecord(
        id=step.id,
        component=step.component,
        site=step.site,
        kind=step.verb.value,
        words=step.words,
        phase=step.phase.value,
        state=StepState.SKIPPED if told.outcome is Outcome.NOT_DONE else StepState.DONE,
        detail=f"{words[told.outcome]} {told.note or ''}".strip(),
        undo=step.undo_words,
    )


def _left(form: OutcomeForm) -> Iterator[str]:
    if not form.protected:
        yield f"{form.application} runs unprotected at {form.active_site}: start a reprotect."
    for name, told in form.steps.items():
        if told.outcome is Outcome.NOT_DONE:
            yield f"{name} was not done."


def _not_proven() -> Iterator[str]:
    yield "Recovery time and loss: the run was lost, and nobody measured them."
    yield "Who did which step, and when: it stands here as people wrote it down."
