"""The page for break-glass: the steps of a run that are left, as commands for people, and the form of what they did."""

from .content import Page, make_page
from .form import form_text
from .html_form import to_html
from .markdown_form import to_markdown

__all__ = ["Page", "form_text", "make_page", "to_html", "to_markdown"]
