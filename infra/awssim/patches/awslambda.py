"""Lambda: a function is called, and nothing of it runs."""

import json
from typing import Any

from moto.awslambda.models import LambdaBackend

from infra.awssim.patches.registry import Function, patch

FAILS = "fails: "


@patch(LambdaBackend, "invoke", "lambda", "Invoke")
def invoke(_original: Function, this: Any, name: str, qualifier: str | None, *rest: Any) -> bytes:
    """A function (`ResourceNotFoundException`) answers at once; one described as `fails: TYPE` with that error."""
    function = this.get_function(name, qualifier)
    _, fails, error = (function.description or "").partition(FAILS)
    if fails:
        rest[-1]["x-amz-function-error"] = "Unhandled"
    return json.dumps({"errorType": error, "errorMessage": "it has failed"} if fails else {}).encode()
