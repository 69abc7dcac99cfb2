"""Holds replies and errors of the simulator against botocore's service models."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

# Errors that AWS documents for every operation of a protocol or a service, so that no model lists them.
COMMON = {"AccessDenied", "ValidationError"}

# The model of DynamoDB wants 1 at least; its documentation (DescribeTable, "Examples") shows 0.
TOO_STRICT = ("ProvisionedThroughput.NumberOfDecreasesToday",)


def faults_of_reply(client: Any, operation: str, reply: dict[str, Any]) -> list[str]:
    """What is wrong with a parsed reply: types, required members, words that are in no enumeration."""
    shape = client.meta.service_model.operation_model(operation).output_shape
    given = {name: value for name, value in reply.items() if name != "ResponseMetadata"}
    if shape is None:
        return [f"unexpected: {name}" for name in given]
    report = ParamValidator().validate(given, shape)
    faults = [line for line in report.generate_report().splitlines() if not any(name in line for name in TOO_STRICT)]
    return [*faults, *_words(given, shape, operation)]


def faults_of_error(client: Any, operation: str, error: ClientError) -> list[str]:
    """What is wrong with an error: its code, its status, its sentence, and the class that boto3 makes of it."""
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    found = [] if error.response["Error"].get("Message") else ["no sentence"]
    if not 400 <= status < 500:
        found.append(f"status {status}")
    model = client.meta.service_model.operation_model(operation)
    if model.service_model.protocol == "ec2" or code in COMMON:
        return found  # the model of EC2 lists no errors
    shapes = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in model.error_shapes}
    if code not in shapes:
        return [*found, f"{code} is no error of {operation}: {sorted(shapes)}"]
    if type(error) is ClientError:
        found.append(f"boto3 knows no class for {code}")
    wanted = shapes[code].metadata.get("error", {}).get("httpStatusCode", status)
    return found if status == wanted else [*found, f"status {status}, not {wanted}"]


def _words(value: Any, shape: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for name, inner in value.items():
                yield from _words(inner, shape.members[name], f"{path}.{name}")
        case "list":
            for inner in value:
                yield from _words(inner, shape.member, path)
        case "string" if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is none of {shape.enum}"
