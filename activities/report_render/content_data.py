"""What a report says of the two copies of the data: protected or not, what parted, and whether they are equal."""

from collections.abc import Iterator
from itertools import islice

from workflows.model.observed import Consistency, Divergence, TableComparison
from workflows.model.progress import RunState
from workflows.model.report import Report

from . import words
from .content import Cell, Number, Section, table

_MOST_TABLES = 60
_MOST_KEYS = 10
_EQUAL = {
    True: Cell("equal", "good"),
    False: Cell("DIFFERENT", "bad"),
    None: Cell(words.NOT_MEASURED, "idle"),
}
Row = tuple[str | Cell, ...]


def protection(report: Report) -> Cell | None:
    """One line, loud when nothing follows the serving site; None when the run did not touch it."""
    if report.protected is None:
        return None
    if report.protected:
        said = f"{report.application} is protected: {report.source} follows {report.target}."
        return Cell(words.clean(said), "good")
    moved = report.clock.pivot is not None or report.end_state in (RunState.RECOVERED, RunState.RECOVERED_DEGRADED)
    where = f" at {report.target}" if moved and report.target else ""
    said = f"{report.application} runs UNPROTECTED{where}: nothing follows it."
    return Cell(words.clean(f"{said} Start: seawall reprotect {report.application}"), "bad")


def reprotect_numbers(report: Report) -> tuple[Number, ...]:
    """A reprotect recovers nothing: its numbers are whether replication runs, and what was kept before."""
    done, tone = words.protected_words(report.protected)
    found = [one for one in report.divergences if one.diverged]
    rows, size = words.diverged_rows(report), words.diverged_bytes(report)
    whole = all(one.complete for one in found)
    counted = words.counted(rows, "rows")
    source, target = words.clean(report.source), words.clean(report.target)
    kept = "archived before anything was overwritten" if found else "nothing had to be archived"
    return (
        Number("Protection", done, f"serves: {target}", f"replica: {source}", "", tone),
        Number(
            f"Only {source} had",
            counted if whole or rows is None else f"at least {counted}",
            f"in its log: {words.counted(size, 'bytes')}",
            kept if report.divergences else "nobody looked",
            "" if whole else "not all could be told as rows",
            "" if whole else "warn",
        ),
    )


def divergences(report: Report) -> Section:
    """What only the old site had, and where it is kept."""
    return table(
        "divergences",
        f"What only {report.source or 'the old site'} had",
        ("Component", "Rows", "Bytes of log", "From", "Until", "Archived in", "Told as rows", "Detail"),
        map(_divergence, report.divergences),
        empty="No component's histories were compared.",
        note="Positions are the provider's own. Nothing was overwritten before it was archived.",
    )


def _divergence(one: Divergence) -> Row:
    if not one.diverged:
        return one.component, Cell("none", "good"), "none", "-", "-", "nothing to keep", "-", one.detail
    told = sum(kept.rows for kept in one.tables)
    return (
        one.component,
        words.counted(told if one.tables or one.complete else None, ""),
        words.counted(one.bytes, "bytes"),
        one.since or words.NOT_MEASURED,
        one.until or words.NOT_MEASURED,
        one.folder or Cell("not recorded", "bad"),
        Cell("all", "good") if one.complete else Cell("NOT ALL, the rest is kept as a log", "warn"),
        one.detail,
    )


def diverged_tables(report: Report) -> Section:
    """The archived rows by table, with the first of their keys."""
    rows = (
        (one.component, kept.table, f"{kept.rows:,}", _keys(kept.keys, kept.rows))
        for one in report.divergences
        for kept in one.tables
    )
    columns = ("Component", "Table", "Rows", "First keys")
    return table("diverged-tables", "Archived rows", columns, rows, empty="No row was archived.")


def _keys(keys: tuple[str, ...], rows: int) -> str:
    shown = ", ".join(keys[:_MOST_KEYS]) or "not recorded"
    rest = rows - min(len(keys), _MOST_KEYS)
    return f"{shown} and {rest:,} more" if keys and rest > 0 else shown


def comparisons(report: Report) -> Section:
    """Both sites compared, before and after."""
    return table(
        "comparisons",
        "Both sites compared",
        ("Component", "When", "Result", "Tables", "Rows", "Positions", "Still to copy", "How", "Detail"),
        (_comparison(report, one) for one in report.comparisons),
        empty="Not measured: no comparison was made.",
    )


def _comparison(report: Report, one: Consistency) -> Row:
    told = [place for place in (one.position_source, one.position_target) if place]
    return (
        one.component,
        when(report, one),
        _EQUAL[one.equal],
        str(len(one.tables)) if one.tables or one.equal is not None else words.NOT_MEASURED,
        f"{sum(pair.rows_source for pair in one.tables):,}" if one.tables else words.NOT_MEASURED,
        " and ".join(dict.fromkeys(told)) or words.NOT_MEASURED,
        words.counted(one.delta_bytes, "bytes"),
        one.method or words.NOT_MEASURED,
        one.detail,
    )


def when(report: Report, one: Consistency) -> str:
    """Whether a comparison was made before the point of no return, or after it."""
    pivot = report.clock.pivot
    return "before" if pivot is None or words.as_utc(one.at) < words.as_utc(pivot) else "after"


def compared_tables(report: Report) -> Section:
    """Every compared table, those that differ first."""
    found = [(one, pair) for one in report.comparisons for pair in one.tables]
    found.sort(key=lambda found_pair: found_pair[1].equal)
    rest = len(found) - _MOST_TABLES
    return table(
        "compared-tables",
        "Compared tables",
        (
            "Component",
            "When",
            "Table",
            f"Rows at {report.source or 'source'}",
            f"Rows at {report.target or 'target'}",
            "Result",
            "Where they differ",
        ),
        islice(_table_rows(report, found), _MOST_TABLES),
        empty="No table was compared.",
        note=f"{rest} more equal or different tables stand in the JSON report." if rest > 0 else "",
    )


def _table_rows(report: Report, found: list[tuple[Consistency, TableComparison]]) -> Iterator[Row]:
    for one, pair in found:
        differing = "; ".join(pair.differing) or ("-" if pair.equal else "not recorded")
        counts = (f"{pair.rows_source:,}", f"{pair.rows_target:,}")
        yield one.component, when(report, one), pair.table, *counts, _EQUAL[pair.equal], differing
