"""Block Kit, as far as it is used here, within Slack's bounds. Pure.

A message that breaks a bound is refused as a whole (`invalid_blocks`), in the middle of a recovery. So the bounds are
kept here, at the one place where blocks are made, whatever the texts are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .text import cut, fitted, plain

Block = dict[str, Any]

MOST_BLOCKS, MOST_OF_MODAL = 50, 100
MOST_TEXT, MOST_FIELD, MOST_HEADER, MOST_LABEL, MOST_VALUE, MOST_TITLE = 3000, 2000, 150, 75, 2000, 24
MOST_FALLBACK = 3000
"""Of the text beside blocks, which notifications show. Slack takes 40,000; nobody reads them in a notification."""


@dataclass(frozen=True)
class Shown:
    """A message: what notifications say, and what the channel shows."""

    text: str
    blocks: list[Block]


def shown(text: str, blocks: Sequence[Block]) -> Shown:
    """A message within the bounds."""
    kept = list(blocks)
    if len(kept) > MOST_BLOCKS:
        kept = [*kept[: MOST_BLOCKS - 1], context("The rest does not fit: see `seawall watch`.")]
    return Shown(cut(text, MOST_FALLBACK), kept)


def mrkdwn(text: str, most: int = MOST_TEXT) -> Block:
    """`verbatim`: no name or address in it is made a link or a mention by Slack's own reading."""
    return {"type": "mrkdwn", "text": cut(text, most) or " ", "verbatim": True}


def literal(text: str, most: int) -> Block:
    """Text that is shown as it is."""
    return {"type": "plain_text", "text": plain(text, most) or " ", "emoji": False}


def section(text: str) -> Block:
    """One paragraph."""
    return {"type": "section", "text": mrkdwn(text)}


def paragraphs(lines: Iterable[str], most: int = 4) -> list[Block]:
    """Lines in as few sections as they fit in, at most so many."""
    texts = fitted(lines, MOST_TEXT)
    if len(texts) > most:
        left = sum(text.count("\n") + 1 for text in texts[most:])
        texts = [*texts[:most], f"and {left} more"]
    return [section(text) for text in texts]


def header(text: str) -> Block:
    """A heading."""
    return {"type": "header", "text": literal(text, MOST_HEADER)}


def context(text: str) -> Block:
    """Small print."""
    return {"type": "context", "elements": [mrkdwn(text)]}


def facts(pairs: Sequence[tuple[str, str]]) -> list[Block]:
    """Names and values, side by side; ten of them in a section."""
    fields = [mrkdwn(f"*{name}*\n{value}", MOST_FIELD) for name, value in pairs]
    return [{"type": "section", "fields": fields[at : at + 10]} for at in range(0, len(fields), 10)]


def button(label: str, action: str, value: str, style: str = "") -> Block:
    """A button; `style` is `primary`, `danger` or nothing."""
    made: Block = {"type": "button", "text": literal(label, MOST_LABEL), "action_id": action, "value": value}
    return made | ({"style": style} if style else {})


def actions(buttons: Sequence[Block]) -> list[Block]:
    """A row of buttons; none where there is none, or where what they must carry is too long for Slack."""
    kept = [one for one in buttons if len(one["value"]) <= MOST_VALUE][:25]
    return [{"type": "actions", "elements": kept}] if kept else []


def entry(name: str, label: str, *, value: str = "", most: int = 500, least: int = 0, hint: str = "") -> Block:
    """A line of a form. Slack checks its length before it sends it."""
    element: Block = {"type": "plain_text_input", "action_id": name, "max_length": most}
    if value:
        element["initial_value"] = value[:most]
    if least:
        element["min_length"] = least
    block: Block = {"type": "input", "block_id": name, "label": literal(label, 2000), "element": element}
    return block | {"optional": not least} | ({"hint": literal(hint, 2000)} if hint else {})


def modal(title: str, blocks: Sequence[Block], *, submit: str = "", keep: str = "") -> Block:
    """A window. With `submit` it is a form, and `keep` comes back with it."""
    view: Block = {
        "type": "modal",
        "callback_id": "dr",
        "title": literal(title, MOST_TITLE),
        "close": literal("Cancel" if submit else "Close", MOST_TITLE),
        "blocks": list(blocks)[:MOST_OF_MODAL],
        "private_metadata": keep,
    }
    return view | ({"submit": literal(submit, MOST_TITLE)} if submit else {})
