"""The simulator's own interface, beside those of AWS.

GET    /_awssim/ledger?after=N   the lines of the effect ledger after the Nth
GET    /_awssim/calls            how often each operation was asked for, reads and all
GET    /_awssim/delays           seconds by model
PUT    /_awssim/delays           {"ec2.instance": 2.0}; 400 with a sentence for a model that has no states
GET    /_awssim/faults           the rules that stand
PUT    /_awssim/faults           [{"kind": "throttle", "service": "ec2", "times": 2}]; replaces all rules
DELETE /_awssim/faults           no rules
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from werkzeug.wrappers import Request, Response

from infra.awssim import states
from infra.awssim.faults import Rule
from infra.awssim.ledger import CallCount, Entry
from infra.awssim.middleware import Shim
from infra.awssim.understand import Environ

PREFIX = "/_awssim/"
RULES = TypeAdapter(list[Rule])
ENTRIES = TypeAdapter(list[Entry])
COUNTS = TypeAdapter(list[CallCount])
DELAYS = TypeAdapter(dict[str, float])


class Refused(BaseModel):
    """Why a request was not obeyed."""

    sentence: str


class Control:
    """Answers what is ours, and passes the rest on."""

    def __init__(self, shim: Shim) -> None:
        self._shim = shim

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        if not environ.get("PATH_INFO", "").startswith(PREFIX):
            return self._shim(environ, start_response)
        try:
            response = self._answer(Request(environ))
        except (ValidationError, ValueError) as error:
            response = _json(Refused(sentence=str(error)).model_dump_json().encode(), 400)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        shim = self._shim
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "ledger":
                return _json(ENTRIES.dump_json(shim.ledger.entries(int(request.args.get("after", 0)))))
            case "GET", "calls":
                return _json(COUNTS.dump_json(shim.ledger.counts()))
            case "PUT", "delays":
                states.set_delays(DELAYS.validate_json(request.data))
            case "PUT", "faults":
                shim.faults.replace(RULES.validate_json(request.data))
            case "DELETE", "faults":
                shim.faults.replace([])
            case "GET", "delays" | "faults":
                pass
            case _:
                return _json(Refused(sentence="There is no such thing here.").model_dump_json().encode(), 404)
        if request.path.endswith("delays"):
            return _json(DELAYS.dump_json(states.delays()))
        return _json(RULES.dump_json(shim.faults.rules()))


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, mimetype="application/json")
