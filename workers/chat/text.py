"""Words of others in Slack's markup: nothing in them can call people, look like our own words, or grow beyond bounds.

Slack reads `<...>` as a mention, a link or a broadcast, and undoes `&lt;` again; so `&`, `<` and `>` are escaped, and
nothing else needs to be to keep a text from calling anybody, where the text object is `verbatim`. Marks of formatting
have no escape; they are replaced by letters that look alike.
"""

import re
from collections.abc import Iterable

# Control characters, and those that make a text read in another order than it is written.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_LOOKALIKES = str.maketrans({"*": "\u2217", "~": "\u223c", "`": "'"})
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def plain(text: str, most: int = 300) -> str:
    """The text in one line, at most so long, for a field that Slack shows as it is."""
    flat = " ".join(_UNSAFE.sub("\ufffd", text).split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def safe(text: str, most: int = 300) -> str:
    """The same for `mrkdwn`: words, and nothing but words."""
    return plain(text, most).translate(_LOOKALIKES).translate(_ENTITIES)


def code(text: str, most: int = 300) -> str:
    """Something to copy: as it is, in the type of code."""
    return f"`{plain(text, most).replace('`', chr(39)).translate(_ENTITIES)}`"


def fitted(lines: Iterable[str], most: int) -> list[str]:
    """The lines, as few texts of at most `most` characters each; no line is broken."""
    texts: list[str] = []
    for line in lines:
        line = line if len(line) <= most else cut(line, most)
        if texts and len(texts[-1]) + 1 + len(line) <= most:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return texts


def cut(text: str, most: int) -> str:
    """Escaped text at most so long, with no half of an entity at its end."""
    return text if len(text) <= most else re.sub(r"&[a-z]{0,3}$", "", text[: most - 1]) + "…"
