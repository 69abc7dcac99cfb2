"""Keeps the pages for break-glass beside the reports: `<folder>/<application>/<workflow id>.by-hand.{md,html,yaml}`.

A page is wanted when Temporal is gone, so it lies in a folder that people can read without anything of ours. Each new
page of a run takes the place of the one before.
"""

import asyncio
from pathlib import Path
from typing import NamedTuple

from temporalio import activity

from workflows.model.failure import Code, TemporaryError
from workflows.model.hand_over import HandOver, WritePageRequest, WrittenPage

from . import by_hand
from .durable import sync
from .providers.registry import Registry
from .report_store import file_name, literal, replace
from .wire import on_the_wire

FORMS = {"html": "by-hand.html", "form": "by-hand.yaml", "md": "by-hand.md"}
"""The forms of a page, and how their files end. Markdown is written last: where it stands, the others do."""


class Rendered(NamedTuple):
    """A page in all its forms."""

    html: str
    form: str
    md: str


def render(facts: HandOver, registry: Registry) -> Rendered:
    """The page of a run as it stands."""
    page = by_hand.make_page(facts, registry)
    return Rendered(html=by_hand.to_html(page), form=page.form, md=by_hand.to_markdown(page))


class PageStore:
    """The folder of reports, for pages."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self._folder = folder
        self._registry = registry

    @activity.defn(name="write_page")
    async def write_page(self, request: WritePageRequest) -> WrittenPage:
        """Write the page in all its forms.

        Raises:
            TemporaryError: CONFIGURATION when the folder cannot be written.
        """
        with on_the_wire():
            return await asyncio.to_thread(self.write, request.facts)

    def find(self, run: str) -> Path | None:
        """The page (as Markdown) of a run by its workflow id, or the newest one of an application by its name."""
        if "/" in run:
            found = sorted(self._folder.glob(f"*/{literal(file_name(run))}.{FORMS['md']}"))
        else:
            pages = self._folder.glob(f"{literal(file_name(run))}/*.{FORMS['md']}")
            found = sorted(pages, key=lambda path: path.stat().st_mtime, reverse=True)
        return found[0] if found else None

    def read(self, page: Path, form: str) -> str:
        """The same page in one of its forms. OSError when it cannot be read."""
        name = page.name.removesuffix(FORMS["md"])
        return page.with_name(f"{name}{FORMS[form]}").read_text(encoding="utf-8")

    def write(self, facts: HandOver) -> WrittenPage:
        """See `write_page`."""
        rendered = render(facts, self._registry)
        folder = self._folder / file_name(facts.plan.application)
        name = file_name(facts.workflow_id)
        files = [folder / f"{name}.{suffix}" for suffix in FORMS.values()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, text in zip(files, rendered, strict=True):
                replace(path, text)
            sync(folder)
        except OSError as error:
            raise TemporaryError(
                Code.CONFIGURATION,
                f"The page for break-glass cannot be written to {folder} ({error.strerror or 'unknown reason'}).",
                "Make the folder writable; `seawall export` makes the page while Temporal answers.",
            ) from error
        return WrittenPage(files=tuple(str(path) for path in files))
