"""Outputs of stacks: `output:STACK/KEY` in the settings of a site, in the place of an identifier.

What is read takes the reference's place before the settings are used, and is held to the very form that the identifier
has: the output of a security group cannot stand where a subnet belongs.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from workflows.model.failure import Code, PermanentError

from .calls import Aws
from .ids import OUTPUT
from .settings import AwsSite
from .stacks import stack_of

S = TypeVar("S", bound=AwsSite)
_REFERENCE = re.compile(OUTPUT)
Outputs = Mapping[str, Mapping[str, str]]
"""By stack and key."""


async def filled(aws: Aws, place: S) -> S:
    """The settings of a site, every reference replaced; one call for each stack.

    Raises:
        PermanentError: CONFIGURATION, naming the stack and the output that is not there or does not fit.
    """
    given = place.model_dump(mode="json", exclude_unset=True)
    wanted = {_parts(text) for text in _texts(given)}
    if not wanted:
        return place
    found: dict[str, Mapping[str, str]] = {}
    for name in sorted({stack for stack, _ in wanted}):
        stack = await stack_of(aws, name)
        if stack is None:
            raise _lacking(f"There is no stack {name} in {aws.region}, of which the settings name an output.")
        found[name] = stack.outputs
    for name, key in sorted(wanted):
        if key not in found[name]:
            raise _lacking(f"The stack {name} in {aws.region} has no output {key}.")
    try:
        return type(place).model_validate(_replaced(given, found))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise _lacking(f"Outputs of {', '.join(sorted(found))} in {aws.region} do not fit {fields}.") from None


def _parts(reference: str) -> tuple[str, str]:
    stack, _, key = reference.removeprefix("output:").partition("/")
    return stack, key


def _texts(value: Any) -> Iterator[str]:
    """The references."""
    match value:
        case str() if _REFERENCE.fullmatch(value):
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _replaced(value: Any, found: Outputs) -> Any:
    match value:
        case str() if _REFERENCE.fullmatch(value):
            stack, key = _parts(value)
            return found[stack][key]
        case dict():
            return {key: _replaced(inner, found) for key, inner in value.items()}
        case list():
            return [_replaced(inner, found) for inner in value]
    return value


def _lacking(sentence: str) -> PermanentError:
    return PermanentError(Code.CONFIGURATION, sentence, "Mend the stack, or the reference in the runbook.")
