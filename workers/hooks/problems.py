"""How a refusal looks: `application/problem+json` (RFC 9457), with what to do next, and never with what was sent."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import Response
from pydantic import BaseModel, Field

from workflows.model.failure import Code, SeawallError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5

STATUSES: Mapping[str, int] = {
    Code.INVALID_INPUT: 422,
    Code.RUNBOOK_INVALID: 422,
    Code.UNSUPPORTED: 422,
    Code.NOT_FOUND: 404,
    Code.RUNBOOK_NOT_FOUND: 404,
    Code.FORBIDDEN: 403,
    Code.PERMISSION: 403,
    Code.THROTTLED: 429,
    Code.LIMIT_EXCEEDED: 429,
    Code.UNREACHABLE: 503,
    Code.OUTCOME_UNKNOWN: 503,
    Code.CONFIGURATION: 503,
    Code.INTERNAL: 500,
}
OTHERWISE = 409
"""Every other code says that the run, or the application, is not in a state for it."""

_TITLES: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "It is not known who asks",
    403: "Not allowed",
    404: "Not found",
    405: "Wrong method",
    408: "Too slow",
    409: "Not now",
    413: "Too large",
    415: "Not JSON",
    422: "The request does not fit",
    429: "Too often",
    500: "An error of this server",
    503: "Not available",
}


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(examples=["urn:seawall:problem:REJECTED"], description="The code of the refusal, as a URN.")
    title: str = Field(examples=["Not now"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["This run is not waiting for an approval."], description="What is wrong, for people.")
    next_step: str = Field(default="", examples=["Read its progress."], description="What to do about it.")


class Refusal(Exception):
    """A request that is answered with a problem.

    Args:
        status: of HTTP.
        code: one word for programs.
        detail: a sentence; nothing of what was sent, and no secret.
    """

    def __init__(
        self, status: int, code: str, detail: str, next_step: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status, self.headers = status, dict(headers or {})
        self.problem = Problem(
            type=f"urn:seawall:problem:{code}",
            title=_TITLES.get(status, "Refused"),
            status=status,
            detail=detail,
            next_step=next_step,
        )

    def response(self) -> Response:
        """As it is sent. Text is escaped to ASCII: a lone surrogate in a name could not be encoded otherwise."""
        return Response(json.dumps(self.problem.model_dump()), self.status, headers=self.headers, media_type=MEDIA_TYPE)


def refusal_of(error: SeawallError) -> Refusal:
    """What the core refused, for HTTP."""
    status = STATUSES.get(error.code, OTHERWISE)
    headers = {"retry-after": str(RETRY_SECONDS)} if status in (429, 503) else {}
    return Refusal(status, error.code, error.sentence, error.next_step, headers)


def misfit(errors: Sequence[Any]) -> Refusal:
    """What the form of a request lacks: where and why, never what was there instead."""
    if any(one["type"] in ("json_invalid", "bytes_type") for one in errors):
        return Refusal(400, "MALFORMED", "The body is not JSON.")
    told = "; ".join(f"{'.'.join(str(part)[:60] for part in one['loc'])}: {one['msg'][:200]}" for one in errors[:10])
    return Refusal(422, Code.INVALID_INPUT, f"{told}.", "Nothing was sent; correct it and ask again.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of an endpoint, for its description."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }
