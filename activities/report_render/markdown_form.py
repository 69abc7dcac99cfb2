"""A report as Markdown with plain tables."""

import re

from workflows.model.report import Report

from . import content, words
from .content import Cell, Section
from .content_data import protection
from .layout import numbers, sections

_SPECIAL = re.compile(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))")
_LINE_START = re.compile(r"^(\d*)([#+=.)-])")


def to_markdown(report: Report) -> str:
    """The report as one Markdown document."""
    state, _tone = words.state_words(report)
    parts = [
        f"# {inline(content.title(report))}: {inline(state)}",
        f"**{report.end_state.value}.** {inline(report.summary)}",
        _table(Section("", "", ("Number", "Measured", "More", "Promised", "Kept"), _number_rows(report))),
    ]
    if (line := protection(report)) is not None:
        parts.insert(1, f"**{inline(line.text)}**")
    for section in sections(report):
        parts += [f"## {inline(section.title)}", *_section(section)]
    return "\n\n".join(parts) + "\n"


def _number_rows(report: Report) -> tuple[tuple[Cell, ...], ...]:
    return tuple(content.cells(one.label, one.measured, one.more, one.promised, one.verdict) for one in numbers(report))


def _section(section: Section) -> list[str]:
    if not section.rows:
        return [_sentence(section.empty)]
    bullets = "\n".join(f"- {_sentence(row[0].text)}" for row in section.rows)
    body = _table(section) if section.columns else bullets
    return [body, *([_sentence(section.note)] if section.note else [])]


def _table(section: Section) -> str:
    head = [inline(name) or " " for name in section.columns]
    lines = [head, ["---"] * len(head), *([inline(cell.text) or "-" for cell in row] for row in section.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def inline(text: str) -> str:
    """Text that no Markdown reader takes for markup, a new line or a new cell."""
    flat = " ".join(words.clean(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", flat)


def _sentence(text: str) -> str:
    """The same where a line begins, so that it starts no list and no heading."""
    return _LINE_START.sub(r"\1\\\2", inline(text))
