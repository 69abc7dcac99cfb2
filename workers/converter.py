"""How data crosses Temporal: pydantic JSON that people can read, and errors that people can read.

Two traps of the default converter, both seen: an input that does not decode leaves the workflow running for ever with
a failing task, and an update that does not decode shows a Python stack trace instead of the reason. So a pydantic error
becomes a short `ApplicationError`, and errors of that kind carry no stack trace.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError

from workers.codec import Encryption
from workflows.model.failure import Code

_FOR_PEOPLE = frozenset({"Rejected", *(code.value for code in Code)}) - {Code.INTERNAL}


class ReadableJson(PydanticJSONPlainPayloadConverter):
    """Pydantic JSON whose refusals are one sentence."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Decode.

        Raises:
            ApplicationError: INVALID_INPUT, naming each field and what was expected.
        """
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            raise ApplicationError(_sentence(error, type_hint), type=Code.INVALID_INPUT, non_retryable=True) from None


def _sentence(error: ValidationError, type_hint: type | None) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'the input'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    wanted = _wanted(type_hint)
    example = getattr(wanted, "example", "")
    return "; ".join(problems[:5]) + (f". Expected something like {example}" if example else "")


def _wanted(type_hint: Any) -> Any:
    """`FailoverRequest` of `FailoverRequest | None`."""
    members = [member for member in typing.get_args(type_hint) or (type_hint,) if member is not type(None)]
    return members[0] if members else None


class ReadablePayloads(CompositePayloadConverter):
    """The default converters, with our JSON in place of the plain one."""

    def __init__(self) -> None:
        json = ReadableJson()
        super().__init__(
            *(
                json if isinstance(converter, JSONPlainPayloadConverter) else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


class ReadableFailures(DefaultFailureConverter):
    """Failures meant for people carry no stack trace."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Encode, and drop the trace of what a person is meant to read."""
        super().to_failure(exception, payload_converter, failure)
        if failure.application_failure_info.type in _FOR_PEOPLE:
            failure.stack_trace = ""


class SealedFailures(ReadableFailures):
    """The same, whose words are encrypted with the payloads: the text of an error tells as much as a result."""

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)


DATA_CONVERTER = dataclasses.replace(
    DataConverter.default, payload_converter_class=ReadablePayloads, failure_converter_class=ReadableFailures
)


def converter(keys: Mapping[str, bytes]) -> DataConverter:
    """The converter of this process; with keys, one that encrypts."""
    if not keys:
        return DATA_CONVERTER
    return dataclasses.replace(DATA_CONVERTER, payload_codec=Encryption(keys), failure_converter_class=SealedFailures)
