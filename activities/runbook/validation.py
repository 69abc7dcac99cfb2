"""Holds a tree against a pydantic model, and tells what does not fit as people would say it.

The data go in as strict JSON: whole numbers, truth values and text are not turned into each other, so that `"5432"` for
a port is a problem here and not a surprise later.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .fields import known_fields
from .problem import MOST_PROBLEMS, Problem, closest, dotted
from .scalars import shown
from .tree import Node, Scalar, Table, data, find, place

Model = TypeVar("Model", bound=BaseModel)

_SECRETIVE = re.compile(r"pass|secret|token|key|credential|dsn|auth|private", re.IGNORECASE)
_QUOTED = re.compile(r"'([^']*)'")


def validate(
    model: type[Model], tree: Node, file: str, prefix: Sequence[str | int] = ()
) -> tuple[Model | None, list[Problem]]:
    """The model at `prefix` of the tree, or None and all that is wrong with it."""
    section = find(tree, prefix)
    raw = data(section) if section is not None else {}
    try:
        return model.model_validate_json(json.dumps(raw), strict=True), []
    except ValidationError as error:
        details = error.errors(include_url=False)[:MOST_PROBLEMS]
        return None, [_problem(model, tree, file, tuple(prefix), detail) for detail in details]


def _problem(
    model: type[BaseModel], tree: Node, file: str, prefix: tuple[str | int, ...], detail: ErrorDetails
) -> Problem:
    path = _real_path(tree, prefix, detail)
    mark = place(tree, path)
    node = find(tree, path)
    if detail["type"] == "extra_forbidden" or detail["loc"][-1:] == ("[key]",):
        parent = find(tree, path[:-1])
        mark = parent.keys.get(str(path[-1]), mark) if isinstance(parent, Table) else mark
        node = Scalar(mark, str(path[-1]))
    wrong, expected, known = _words(detail, path, node)
    if detail["type"] == "extra_forbidden":
        known = known_fields(model, find(tree, prefix) or tree, path[len(prefix) : -1])
        expected = _one_of(known) if known else "no field at all here"
    word = node.value if isinstance(node, Scalar) else ""
    return Problem(
        file=file,
        line=mark.line,
        column=mark.column,
        field=dotted(path),
        wrong=wrong,
        expected=expected,
        suggestion=closest(word, known) if isinstance(word, str) else "",
    )


def _real_path(tree: Node, prefix: tuple[str | int, ...], detail: ErrorDetails) -> tuple[str | int, ...]:
    """pydantic's location without what is not in the document: the tags of unions and the mark of a key."""
    path = prefix
    parts = [part for part in detail["loc"] if part != "[key]"]
    if detail["type"] == "union_tag_invalid":
        parts.append("kind")
    for at, part in enumerate(parts):
        if find(tree, (*path, part)) is not None or (at == len(parts) - 1 and detail["type"] == "missing"):
            path = (*path, part)
    return path


_Words = tuple[str, str, list[str]]
"""What was wrong, what was expected, and the words that would have been right."""


def _words(detail: ErrorDetails, path: Sequence[str | int], node: Node | None) -> _Words:
    kind = detail["type"]
    context = detail.get("ctx", {})
    got = f"got {_seen(node, path)}"
    if kind in _FIXED:
        return got, _FIXED[kind], []
    if kind in _FROM_CONTEXT:
        return got, _FROM_CONTEXT[kind](context), []
    if kind in ("enum", "literal_error", "union_tag_invalid"):
        known = _QUOTED.findall(str(context.get("expected", context.get("expected_tags", ""))))
        return got, _one_of(known), known
    if kind == "union_tag_not_found":
        return "`kind` is missing", "a `kind` that says which fields follow", []
    if kind == "missing":
        return "this field is missing", "", []
    if kind == "extra_forbidden":
        return "there is no such field", "", []
    text = str(context.get("error", detail["msg"]))
    expected, found, rest = text.partition("expected ")
    return (got, rest, []) if found and not expected else (text, "", [])


_FIXED: Mapping[str, str] = {
    "string_type": "text (quote it if it looks like a number, a date or true/false)",
    "int_type": "a whole number without quotes",
    "int_from_float": "a whole number",
    "float_type": "a number without quotes",
    "bool_type": "true or false, without quotes",
    "dict_type": "a section with fields of its own",
    "model_type": "a section with fields of its own",
    "model_attributes_type": "a section with fields of its own",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "date_type": "a date such as 2026-11-22",
    "date_parsing": "a date such as 2026-11-22",
    "date_from_datetime_parsing": "a date such as 2026-11-22",
    "date_from_datetime_inexact": "a date such as 2026-11-22",
    "path_type": "a path",
    "url_parsing": "a URL such as https://host/path",
}

_PATTERNS: Mapping[str, str] = {
    r"^[a-z][a-z0-9-]{0,39}$": "a name of at most 40 lower-case letters, digits and dashes",
    r"^https?://[^\s]+$": "a URL that begins with http:// or https://",
    r"^[^@\s]+@[^@\s]+$": "an e-mail address",
    r"^[A-Z][A-Z0-9_]*$": "the name of an environment variable, in capitals",
    r"^[a-z][a-z0-9.]*$": "the name of a kind, such as postgres",
    r"^[a-z_][a-z0-9_]*$": "the name of a column in lower case",
    r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$": "the name of a table in lower case",
}


def _pattern(context: Mapping[str, Any]) -> str:
    pattern = str(context.get("pattern"))
    return _PATTERNS.get(pattern, f"text of the form {pattern}")


_FROM_CONTEXT: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_pattern_mismatch": _pattern,
    "string_too_short": lambda context: f"at least {context.get('min_length')} characters",
    "string_too_long": lambda context: f"at most {context.get('max_length')} characters",
    "too_short": lambda context: f"at least {context.get('min_length')} of them",
    "too_long": lambda context: f"at most {context.get('max_length')} of them",
    "greater_than": lambda context: f"more than {context.get('gt')}",
    "greater_than_equal": lambda context: f"{context.get('ge')} or more",
    "less_than": lambda context: f"less than {context.get('lt')}",
    "less_than_equal": lambda context: f"{context.get('le')} or less",
}


def _one_of(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) != 1 else words[0]


def _seen(node: Node | None, path: Sequence[str | int]) -> str:
    """What stood there, unless it may be a secret that somebody wrote where only a reference belongs."""
    if not isinstance(node, Scalar):
        return "nothing" if node is None else "a section" if isinstance(node, Table) else "a list"
    source = f" (from ${{{node.placeholder}}})" if node.placeholder not in ("", "...") else ""
    if any(isinstance(part, str) and _SECRETIVE.search(part) for part in path) or path[:2] == ("notices", "channels"):
        return f"a value that is not shown{source}"
    if isinstance(node.value, str):
        hidden = "://" in node.value and "@" in node.value
        return f"{'text that is not shown' if hidden else shown(node.value)}{source}"
    if isinstance(node.value, bool):
        return f"{str(node.value).lower()}{source}"
    return f"{node.value}{source}"
