"""The page as one HTML document for paper: black on white, no script, nothing fetched."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from . import words
from .content import Page


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("by_hand.html.j2")


def to_html(page: Page) -> str:
    """The page as a document."""
    return _template().render(
        page=page, how=words.HOW, afterwards=words.AFTERWARDS, back_words=words.BACK, no_step=words.NO_STEP
    )
