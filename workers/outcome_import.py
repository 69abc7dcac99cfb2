"""From a filled form to what may be told: read, held against the runbook, and held against the world."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from activities.bench import Bench
from activities.by_hand.judging import Judgement
from activities.by_hand.reading import FilledForm
from activities.by_hand.told import report_of
from activities.providers.registry import Registry
from activities.runbook.problem import Problem
from activities.runbook_file import find_runbook, read_runbook
from workers.settings import Settings
from workflows.model.base import Message
from workflows.model.entity import FinishedByHand
from workflows.model.messages import LoadedRunbook, PlanRequest, Target
from workflows.model.observed import Observation
from workflows.model.outcome_form import OutcomeForm
from workflows.model.plan import Operation, Plan
from workflows.model.report import Report
from workflows.planning.failover import plan_failover
from workflows.planning.reprotect import plan_reprotect
from workflows.planning.steps import WINDOW
from workflows.planning.switchover import plan_switchover

_PLANNERS: dict[Operation, Callable[[PlanRequest], Plan]] = {
    Operation.FAILOVER: plan_failover,
    Operation.SWITCHOVER: plan_switchover,
    Operation.FAILBACK: plan_switchover,
    Operation.REPROTECT: plan_reprotect,
}


class Examined(Message):
    """A form, and what the world says to it."""

    problems: tuple[Problem, ...] = ()
    """What is wrong with the form itself; nothing else was looked at then."""
    contradictions: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    told: FinishedByHand | None = None
    """What the application would be told; null where something speaks against it."""
    report: Report | None = None


async def examine(file: Path, settings: Settings, registry: Registry, by: str, reason: str) -> Examined:
    """Read the form, look at the world, and judge. Changes nothing.

    Raises:
        PermanentError: RUNBOOK_NOT_FOUND or RUNBOOK_INVALID.
    """
    filled = FilledForm(file)
    form = filled.form
    if form is None or filled.problems:
        return Examined(problems=tuple(filled.problems))
    if form.operation not in _PLANNERS:
        wrong = Problem(file=file.name, field="operation", wrong=f"a {form.operation} is never finished by hand")
        return Examined(problems=(wrong,))
    loaded = read_runbook(find_runbook(settings.runbooks, form.application), registry)
    plan = _plan(form, loaded)
    filled.check_against(loaded.runbook, plan)
    if filled.problems:
        return Examined(problems=tuple(filled.problems))
    looks = await _look(form, loaded, Bench(registry, settings.site, settings.state))
    judged = Judgement(form, loaded.runbook, plan, looks)
    if judged.contradictions:
        return Examined(contradictions=judged.contradictions, unseen=judged.unseen)
    return Examined(
        unseen=judged.unseen,
        told=FinishedByHand(
            application=form.application,
            run=form.run,
            epoch=form.epoch,
            active_site=form.active_site,
            protected=form.protected,
            by=by,
            reason=reason,
        ),
        report=report_of(form, loaded.runbook, plan, looks, by, reason, datetime.now(UTC)),
    )


def _plan(form: OutcomeForm, loaded: LoadedRunbook) -> Plan:
    """The plan that the run had: it follows from the runbook and from what was asked."""
    return _PLANNERS[form.operation](
        PlanRequest(
            runbook=loaded.runbook,
            verbs=loaded.verbs,
            source=form.source,
            target=form.target,
            mode=form.mode,
            operation=form.operation,
            choice=form.choice,
            at=form.declared if WINDOW in form.steps else None,
        )
    )


async def _look(form: OutcomeForm, loaded: LoadedRunbook, bench: Bench) -> tuple[Observation, ...]:
    """Everything at both sites, as it is seen from here."""
    targets = [
        Target(name=name, component=part, site=site, source=form.source, target=form.target)
        for site in loaded.runbook.sites
        for name, part in loaded.runbook.components.items()
    ]
    looks = (bench.observe(one, bench.here) for one in targets)
    return tuple(await asyncio.gather(*looks))
