"""What every panel must be for the Web UI to show it as it is."""

from html.parser import HTMLParser

from workflows.engine.details import MOST_BYTES

ALLOWED = {"div", "h4", "p", "b", "br", "hr", "code", "table", "tr", "td", "font", "progress", "details", "summary"}


class Block(HTMLParser):
    """Checks the tags of a block while it reads it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.codes: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        assert {name for name, _value in attrs} <= {"width", "height", "bgcolor", "color", "value", "max"}
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "code":
            self.codes.append(data)


def assert_left_alone(html: str) -> None:
    """What the Web UI needs in order not to read Markdown in the block."""
    assert html.startswith("<div>\n")
    assert html.endswith("\n</div>\n")
    assert html.count("<div>") == 1
    assert "\n\n" not in html
    assert len(html.encode()) < MOST_BYTES
    assert Block(html).open == []
