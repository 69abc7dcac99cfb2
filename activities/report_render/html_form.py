"""A report as one self-contained HTML page: no script, nothing fetched, readable on paper."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from workflows.model.report import Report

from . import content, words
from .content_data import protection
from .layout import after_timeline, before_timeline, numbers
from .picture import timeline_svg


@lru_cache(maxsize=1)
def _template() -> Template:
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def to_html(report: Report) -> str:
    """The report as a page."""
    state, tone = words.state_words(report)
    return _template().render(
        title=content.title(report),
        state=state,
        state_code=report.end_state.value,
        tone=tone,
        summary=words.clean(report.summary),
        declared=words.stamp(report.clock.declared),
        numbers=numbers(report),
        protection=protection(report),
        before=before_timeline(report),
        after=after_timeline(report),
        # Every value inside the picture is escaped where it is drawn.
        picture=Markup(timeline_svg(report)),  # noqa: S704
        run=words.clean(report.workflow_id),
    )
