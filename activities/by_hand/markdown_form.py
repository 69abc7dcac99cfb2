"""The page as Markdown. Commands stand in fenced blocks, one a block, as they are typed."""

import re
from collections.abc import Iterable, Iterator

from activities.providers.by_hand import Command
from activities.report_render.markdown_form import inline

from .content import Page, Rows, Stage, StepView
from .words import AFTERWARDS, BACK, HOW, NO_STEP


def to_markdown(page: Page) -> str:
    """The page as one document."""
    return "\n\n".join(_parts(page)) + "\n"


def _parts(page: Page) -> Iterator[str]:
    yield f"# {inline(page.title)}"
    yield f"Written {page.written}."
    yield _rows(page.told)
    yield "## How to use this page"
    yield _bullets(HOW)
    yield "## People"
    yield _rows(page.people)
    yield "## Where it stands"
    rows = (
        f"| {inline(i)} | {inline(words)} | {inline(site)} | {inline(state)} |"
        for i, words, site, state in page.standing
    )
    yield "\n".join(("| Step | What | Site | State |", "| --- | --- | --- | --- |", *rows))
    if page.secrets:
        yield "## Before you begin"
        yield "These must be there, in the shell in which you type. No value stands on this page."
        yield _bullets(page.secrets)
    if page.pivot_behind:
        yield from _pivot(page, "THE POINT OF NO RETURN IS BEHIND")
    yield "## What is left"
    if not page.stages:
        yield NO_STEP
    for stage in page.stages:
        if stage.pivot and not page.pivot_behind:
            yield from _pivot(page, "THE POINT OF NO RETURN IS NEXT")
        yield from _stage(stage)
    if page.back:
        yield "## Or go back"
        yield BACK
        for view in page.back:
            yield from _step(view)
    yield "## Afterwards"
    yield _bullets(AFTERWARDS)
    yield _fence(page.form, "yaml")


def _pivot(page: Page, title: str) -> Iterator[str]:
    yield f"## {title}"
    yield _bullets(page.pivot)


def _stage(stage: Stage) -> Iterator[str]:
    together = ": at the same time" if len(stage.steps) > 1 else ""
    yield f"### Stage {stage.number}{together}"
    for view in stage.steps:
        yield from _step(view)


def _step(view: StepView) -> Iterator[str]:
    yield f"#### {inline(view.id)}: {inline(view.words)}"
    needs = f" After {inline(', '.join(view.after))}." if view.after else ""
    optional = " May be left out." if view.optional else ""
    yield f"State: {inline(view.state)}. On {inline(view.where)}.{needs}{optional}"
    if view.hand.notes:
        yield _bullets(view.hand.notes)
    for title, commands in (
        ("Look first", view.hand.look),
        ("Act", view.hand.act),
        ("Look after", view.hand.after),
        ("What undoes it", view.hand.undo),
    ):
        if commands:
            yield f"**{title}**"
        for command in commands:
            yield from _command(command)


def _command(command: Command) -> Iterator[str]:
    yield inline(command.why)
    yield _fence(command.line, "sh")
    if command.shows:
        yield f"Must show: {_code(' '.join(command.shows.split()))}"
    if command.otherwise:
        yield f"Else: {inline(command.otherwise)}"


def _rows(rows: Rows) -> str:
    return "\n".join(f"- **{inline(name)}**: {inline(value)}" for name, value in rows)


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {inline(sentence)}" for sentence in sentences)


def _code(text: str) -> str:
    ticks = "`" * (1 + max((len(found) for found in re.findall("`+", text)), default=0))
    return f"{ticks}{text}{ticks}"


def _fence(text: str, language: str) -> str:
    """A block that nothing inside can end."""
    ticks = "`" * max(3, 1 + max((len(found) for found in re.findall("`+", text)), default=0))
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"
