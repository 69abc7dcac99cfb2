"""Refusals in the service's own shape and protocol, written by moto's serializers."""

import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.serialize import get_serializer_class

from infra.awssim.call import Call

# What a service says when it is asked too often; by protocol where the service has no word of its own.
THROTTLES = {
    "dynamodb": ("ThrottlingException", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
}
THROTTLES_BY_PROTOCOL = {
    "ec2": ("RequestLimitExceeded", 503),
    "json": ("ThrottlingException", 400),
    "query": ("Throttling", 400),
    "rest-json": ("ThrottlingException", 429),
    "rest-xml": ("Throttling", 400),
}
BROKEN = {500: "InternalFailure", 503: "ServiceUnavailable"}
BROKEN_OF = {("ec2", 500): "InternalError", ("s3", 500): "InternalError"}
MISMATCHES = {
    ("route53", "CreateHostedZone"): "HostedZoneAlreadyExists",
    ("route53", "CreateHealthCheck"): "HealthCheckAlreadyExists",
}


class Refusal(ServiceException):
    """Of ours, not of a package of moto: moto takes the service of an exception from the module of its class."""


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def line(self) -> str:
        """The status as WSGI wants it."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Unknown"


def refusal(call: Call, code: str, message: str, status: int | None = None) -> Reply:
    """The error as the service would send it. Without a status it is the one that the service's model names."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    if call.model is None:
        return Reply(status or 400, tuple(headers.items()), f"{code}: {message}".encode())
    serializer = get_serializer_class(call.service, call.protocol)(operation_model=call.model)
    sent: dict[str, Any] = serializer.serialize(Refusal(code, message))
    body = sent["body"]
    data = body if isinstance(body, bytes) else str(body).encode()
    headers |= {name: str(value) for name, value in sent["headers"].items()}
    return Reply(status or int(sent["status_code"]), tuple(headers.items()), data)


def throttled(call: Call) -> Reply:
    """Too many requests, in the service's own word."""
    code, status = THROTTLES.get(call.service) or THROTTLES_BY_PROTOCOL.get(call.protocol, ("ThrottlingException", 400))
    return refusal(call, code, "Rate exceeded", status)


def broken(call: Call, status: int, code: str = "") -> Reply:
    """An error of the service itself."""
    code = code or BROKEN_OF.get((call.service, status)) or BROKEN.get(status, "InternalFailure")
    return refusal(call, code, "The request processing has failed because of an unknown error.", status)


def mismatch(call: Call) -> Reply:
    """A token that comes again with other parameters."""
    code = MISMATCHES.get((call.service, call.operation)) or next(
        (
            str(shape.name)
            for shape in call.model.error_shapes
            if "Idempoten" in shape.name and "Mismatch" in shape.name
        ),
        "IdempotentParameterMismatch",
    )
    return refusal(call, code, "The token was used before, in a request with different parameters.")
