"""What Slack refuses of a message or a window: the bounds of Block Kit, as its reference states them (2026)."""

import re
from collections.abc import Iterator
from typing import Any

from .slack_texts import texts_of

_LABELS = {"button": 75}


def wrong_message(blocks: Any, text: str) -> str:
    """The error of `chat.postMessage`; empty when there is none."""
    if not isinstance(blocks, list) or len(blocks) > 50:
        return "invalid_blocks"
    if not blocks and not text:
        return "no_text"
    if len(text) > 40_000:
        return "msg_too_long"
    return "invalid_blocks" if any(_wrong(blocks)) else ""


def wrong_view(view: Any) -> str:
    """The error of `views.open`; empty when there is none."""
    if not isinstance(view, dict) or view.get("type") != "modal" or not _text(view.get("title"), 24, "plain_text"):
        return "invalid_arguments"
    blocks = view.get("blocks")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 100 or any(_wrong(blocks)):
        return "invalid_arguments"
    for name in ("submit", "close"):
        if name in view and not _text(view[name], 24, "plain_text"):
            return "invalid_arguments"
    if any(block["type"] == "input" for block in blocks) and "submit" not in view:
        return "invalid_arguments"
    return "invalid_arguments" if len(view.get("private_metadata", "")) > 3000 else ""


def calls(text: str) -> list[str]:
    """Whom a text in Slack's markup would notify."""
    return re.findall(r"<(?:!(?:channel|here|everyone)|!subteam\^[A-Z0-9]+|@[UW][A-Z0-9]+)[^>]*>", text)


def careless(blocks: list[dict[str, Any]]) -> list[str]:
    """Texts in which Slack would make a mention or a link of a plain word."""
    return [text["text"] for text in texts_of(blocks) if text["type"] == "mrkdwn" and not text.get("verbatim")]


def _wrong(blocks: list[Any]) -> Iterator[str]:
    seen: set[str] = set()
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in _RULES or not _RULES[kind](block):
            yield f"{kind}: {block}"
        if name := block.get("block_id"):
            if name in seen or len(name) > 255:
                yield f"block_id {name}"
            seen.add(name)


def _text(value: Any, most: int, *kinds: str) -> bool:
    if not isinstance(value, dict) or value.get("type") not in (kinds or ("plain_text", "mrkdwn")):
        return False
    if ("verbatim" in value and value["type"] != "mrkdwn") or ("emoji" in value and value["type"] != "plain_text"):
        return False
    return isinstance(value.get("text"), str) and 1 <= len(value["text"]) <= most


def _section(block: dict[str, Any]) -> bool:
    fields = block.get("fields", [])
    if "text" not in block and not fields:
        return False
    good = "text" not in block or _text(block["text"], 3000)
    return good and len(fields) <= 10 and all(_text(field, 2000) for field in fields)


def _actions(block: dict[str, Any]) -> bool:
    elements = block.get("elements", [])
    names = [one.get("action_id") for one in elements]
    return 1 <= len(elements) <= 25 and len(set(names)) == len(names) and all(map(_button, elements))


def _button(one: dict[str, Any]) -> bool:
    good = one.get("type") == "button" and _text(one.get("text"), 75, "plain_text")
    good = good and one.get("style", "primary") in ("primary", "danger")
    return good and len(one.get("value", "")) <= 2000 and 1 <= len(one.get("action_id", "")) <= 255


def _input(block: dict[str, Any]) -> bool:
    element = block.get("element", {})
    most, least, value = element.get("max_length", 3000), element.get("min_length", 0), element.get("initial_value")
    good = _text(block.get("label"), 2000, "plain_text") and element.get("type") == "plain_text_input"
    good = good and 1 <= most <= 3000 and 0 <= least <= most and (value is None or 1 <= len(value) <= most)
    return good and ("hint" not in block or _text(block["hint"], 2000, "plain_text"))


_RULES = {
    "section": _section,
    "header": lambda block: _text(block.get("text"), 150, "plain_text"),
    "context": lambda block: (
        1 <= len(block.get("elements", [])) <= 10 and all(_text(one, 3000) for one in block["elements"])
    ),
    "actions": _actions,
    "divider": lambda _block: True,
    "input": _input,
}
