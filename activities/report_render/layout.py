"""The order in which a report tells its story."""

from workflows.model.report import Report

from . import content, content_run
from .content import Section


def before_timeline(report: Report) -> tuple[Section, ...]:
    """What a reader needs first."""
    waiting = (content_run.parked(report),) if report.parked else ()
    # RTO and RPO stand in the big numbers already.
    more = any(one.name.upper() not in ("RTO", "RPO") for one in report.objectives)
    promises = (content.objectives(report),) if more else ()
    left = content_run.left_to_do(report)
    return (content.asked(report), *waiting, left, *promises, content.clocks(report))


def after_timeline(report: Report) -> tuple[Section, ...]:
    """What was done, by whom, on what evidence, and what is not known."""
    return (
        content_run.steps(report),
        content.measured(report),
        content_run.proofs(report),
        content_run.approvals(report),
        content_run.actions(report),
        content_run.compensation(report),
        content_run.standing(report),
        content_run.changes(report),
        content_run.checks(report),
        content_run.observations(report),
        content_run.not_proven(report),
        content_run.hashes(report),
    )


def sections(report: Report) -> tuple[Section, ...]:
    """All sections in order."""
    return (*before_timeline(report), *after_timeline(report))
