"""The order in which a report tells its story. What no such run could have is left out; what it should have stays."""

from collections.abc import Iterator

from workflows.model.plan import Operation
from workflows.model.report import Report

from . import content, content_data, content_drill, content_run, words
from .content import Number, Section

_COMPARING = (Operation.SWITCHOVER, Operation.FAILBACK, Operation.REPROTECT)


def numbers(report: Report) -> tuple[Number, ...]:
    """The big numbers."""
    if report.operation is Operation.REPROTECT:
        return content_data.reprotect_numbers(report)
    return content.numbers(report)


def before_timeline(report: Report) -> tuple[Section, ...]:
    """What a reader needs first."""
    return tuple(_first(report))


def _first(report: Report) -> Iterator[Section]:
    yield content.asked(report)
    if report.parked:
        yield content_run.parked(report)
    yield content_run.left_to_do(report)
    if report.scorecard is not None:
        yield content_drill.scorecard(report, report.scorecard)
        if not words.is_live(report):
            yield content_drill.canaries(report.scorecard)
    if report.findings or report.scorecard is not None:
        yield content_run.findings(report)
    yield from _copies(report)
    # RTO and RPO stand in the big numbers already, where recovery time and loss do.
    if report.operation is Operation.REPROTECT or any(o.name.upper() not in ("RTO", "RPO") for o in report.objectives):
        yield content.objectives(report)
    yield content.clocks(report)


def _copies(report: Report) -> Iterator[Section]:
    if report.divergences or report.operation is Operation.REPROTECT:
        yield content_data.divergences(report)
    if any(one.tables for one in report.divergences):
        yield content_data.diverged_tables(report)
    if report.comparisons or report.operation in _COMPARING:
        yield content_data.comparisons(report)
    if any(one.tables for one in report.comparisons):
        yield content_data.compared_tables(report)


def after_timeline(report: Report) -> tuple[Section, ...]:
    """What was done, by whom, on what evidence, and what is not known."""
    measured = () if report.operation is Operation.REPROTECT else (content.measured(report),)
    return (
        content_run.steps(report),
        *measured,
        content_run.proofs(report),
        content_run.approvals(report),
        content_run.actions(report),
        *((content_run.notices(report),) if report.notices else ()),
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
