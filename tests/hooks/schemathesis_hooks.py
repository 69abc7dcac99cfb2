"""What schemathesis loads: it signs each request as a machine does, and asks about a run that there is."""

import hashlib
import hmac
import os
import re
import time
import uuid
from typing import Any

import requests
import schemathesis

from workers.hooks.signing import sign
from workflows.model.base import NAME_PATTERN

SECRET = os.environ["TEST_SECRET"].encode()
PAGERDUTY = os.environ["TEST_PAGERDUTY"].encode()
TOKEN = os.environ["TEST_TOKEN"]
APPLICATION, RUN = os.environ["TEST_APPLICATION"], os.environ["TEST_RUN"]


class Signed(requests.auth.AuthBase):
    """Signs what is about to be sent, byte by byte."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        path = request.path_url
        if path.startswith("/v1/propose/pagerduty"):
            request.headers["x-pagerduty-signature"] = f"v1={hmac.new(PAGERDUTY, body, hashlib.sha256).hexdigest()}"
        elif path.startswith("/v1/propose/"):
            request.headers["authorization"] = f"Bearer {TOKEN}"
        elif path.startswith("/v1"):
            key, now = uuid.uuid4().hex, int(time.time())
            request.headers["webhook-id"], request.headers["webhook-timestamp"] = key, str(now)
            request.headers["webhook-signature"] = sign(SECRET, key, now, str(request.method), path, bytes(body))
        return request


schemathesis.auth.set_from_requests(Signed())


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Whatever has the right form is that of the application and its run; most others are nobody's."""
    forms = {
        "operation": (r"failover|switchover|failback|reprotect|drill", "failover"),
        "application": (NAME_PATTERN, APPLICATION),
        "name": (r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}", RUN),
    }
    for name, value in (path_parameters or {}).items():
        form, real = forms[name]
        if path_parameters is not None and isinstance(value, str) and re.fullmatch(form, value):
            path_parameters[name] = real
    return path_parameters
