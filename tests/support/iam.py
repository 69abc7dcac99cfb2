"""Would IAM allow it? The documented evaluation of identity policies, for what our policies use.

An explicit deny wins, then an allow, and what nobody speaks of is denied ("Policy evaluation logic" of the IAM user
guide). A condition is met when all its operators and all their keys are; `ForAllValues` is met by a key that is not
there, which is why our policies ask for the key too.
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, str | list[str]]
"""Condition keys with their values; several values where the key has several."""


def allowed(policy: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    """Whether this policy alone allows the action on the resource.

    Raises:
        NotImplementedError: for an operator that is not known here: nothing is guessed.
    """
    effects = {one["Effect"] for one in policy["Statement"] if _speaks_of(one, action, resource, context)}
    return effects == {"Allow"}


def names(policy: Mapping[str, Any]) -> set[str]:
    """The actions that it allows somewhere."""
    return {action for one in policy["Statement"] if one["Effect"] == "Allow" for action in one["Action"]}


def _speaks_of(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        any(fnmatchcase(action.lower(), one.lower()) for one in statement["Action"])
        and any(fnmatchcase(resource, one) for one in statement["Resource"])
        and all(
            _meets(operator, context.get(key), wanted)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _meets(operator: str, found: str | list[str] | None, wanted: str | list[str]) -> bool:
    values = [found] if isinstance(found, str) else list(found or [])
    choices = [wanted] if isinstance(wanted, str) else wanted
    scope, _, plain = operator.rpartition(":")
    if plain == "Null":
        return (found is None) == (choices == ["true"])
    compare = _OPERATORS.get(plain)
    if compare is None or scope not in ("", "ForAllValues"):
        raise NotImplementedError(operator)
    met: Iterable[bool] = (compare(value, choices) for value in values)
    return all(met) if scope else bool(values) and any(met)


def _equals(value: str, choices: list[str]) -> bool:
    return value in choices


def _like(value: str, choices: list[str]) -> bool:
    return any(fnmatchcase(value, choice) for choice in choices)


_OPERATORS: Mapping[str, Callable[[str, list[str]], bool]] = {
    "Bool": _equals,
    "StringEquals": _equals,
    "StringLike": _like,
    "StringNotEquals": lambda value, choices: not _equals(value, choices),
}
