"""A report as JSON, as Markdown and as one self-contained HTML page. The same report always gives the same bytes."""

from .html_form import to_html
from .json_form import report_schema, to_json
from .markdown_form import to_markdown

__all__ = ["report_schema", "to_html", "to_json", "to_markdown"]
