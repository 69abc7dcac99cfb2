"""The words of a message, as people read them."""

import html
from collections.abc import Iterator
from typing import Any


def texts_of(blocks: Any) -> Iterator[dict[str, Any]]:
    """Every text object within."""
    if isinstance(blocks, dict):
        if blocks.get("type") in ("mrkdwn", "plain_text") and isinstance(blocks.get("text"), str):
            yield blocks
        for value in blocks.values():
            yield from texts_of(value)
    elif isinstance(blocks, list):
        for one in blocks:
            yield from texts_of(one)


def words(blocks: Any) -> str:
    """All words of the blocks, entities undone."""
    return "\n".join(html.unescape(one["text"]) for one in texts_of(blocks))


def buttons(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every button."""
    return [one for block in blocks if block["type"] == "actions" for one in block["elements"]]
