"""What a request asks for.

Parsing is moto's own (its router, its parsers), so that the ledger, the tokens and the faults see a call exactly as the
simulated service does.
"""

import io
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import NotFound, get_service_router
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from

from infra.awssim.call import GLOBAL, Call

Environ = dict[str, Any]

# Services that sign with another name than botocore gives them, by API version where one name serves two.
BY_VERSION = {
    ("elasticloadbalancing", "2015-12-01"): "elbv2",
    ("elasticloadbalancing", "2012-06-01"): "elb",
}
BY_SCOPE = {
    "aws-backup": "backup",
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "email": "ses",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
}


@dataclass(frozen=True)
class Scope:
    """Who signed a request, and for which service and region."""

    key: str
    region: str
    service: str


def scope_of(environ: Environ) -> Scope | None:
    """The credential scope of SigV4, from the header or from a presigned address; None when nothing is signed."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=" in header:
        credential = header.split("Credential=", 1)[1].split(",", 1)[0].strip()
    else:
        credential = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0]
    parts = credential.split("/")
    return Scope(parts[0], parts[-3], parts[-2].lower()) if len(parts) >= 5 else None


def read_body(environ: Environ) -> bytes:
    """The whole body, put back so that whoever comes next can read it again."""
    source = environ["wsgi.input"]
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = source.read() if environ.get("wsgi.input_terminated") else source.read(size)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def understand(environ: Environ, body: bytes) -> Call | None:
    """The call that a request makes; None when it is not a signed call of AWS."""
    scope = scope_of(environ)
    if scope is None:
        return None
    request = Request(environ | {"wsgi.input": io.BytesIO(body)})
    service = _service(scope.service, request)
    account = request.headers.get("x-moto-account-id") or get_account_id_from(scope.key)
    region = GLOBAL.get(service, scope.region)
    call = Call(service, region, account, request.method)
    try:
        service_model = get_service_model(service)
        operation, url_params = _operation(service, request)
        model = service_model.operation_model(operation)
        protocol = determine_request_protocol(service_model, request.content_type)
    except (UnknownServiceError, OperationNotFoundError, NotFound, NotImplementedError):
        return call
    params = _params(model, protocol, request, url_params)
    return replace(call, model=model, protocol=protocol, params=params)


def _service(signed: str, request: Request) -> str:
    version = request.values.get("Version", "")
    return BY_VERSION.get((signed, version)) or BY_SCOPE.get(signed, signed)


def _operation(service: str, request: Request) -> tuple[str, dict[str, Any]]:
    action = request.values.get("Action") or request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    if action:
        return action, {}
    model, url_params = get_service_router(service).match(request)
    return str(model.name), dict(url_params)


def _params(model: Any, protocol: str, request: Request, url_params: dict[str, Any]) -> dict[str, Any] | None:
    given = {
        "method": request.method,
        "values": request.values,
        "headers": request.headers,
        "body": request.data,
        "url_path": request.path,
        "url_params": url_params,
    }
    try:
        parsed: dict[str, Any] = PROTOCOL_PARSERS[protocol](model, map_type=dict).parse(given)
    except Exception:  # malformed, in one of many ways; the service has its own words for that
        return None
    return parsed
