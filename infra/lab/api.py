"""The HTTP interface of the chassis, on loopback, for those who hold its token.

GET  /hosts/SITE          {"host", "power", "epoch", "held"}
PUT  /hosts/SITE/power    {"power": "on"|"off"|"rescue", "epoch": N, "key": "...", "held": false}; 409 STALE_EPOCH if N
                          is too low; what is off is held off unless `held` is false
GET  /status
POST /break, /repair      {"what", "site"}; 409 with a sentence when it cannot be done
POST /down
"""

import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from infra.lab import breaks
from infra.lab.power import HeldError, StaleEpochError

if TYPE_CHECKING:
    from infra.lab.chassis import Chassis

BODY_LIMIT = 16 * 1024
Answer = tuple[int, dict[str, Any]]


class BadRequest(Exception):
    """The request makes no sense; the text says what was expected."""


class Api(ThreadingHTTPServer):
    """The server; one thread per connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, chassis: "Chassis", token: str) -> None:
        super().__init__((chassis.boot.power_host, chassis.boot.power_port), Handler)
        self.chassis = chassis
        self.token = token.encode()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Api

    def do_GET(self) -> None:
        """Looks."""
        self._dispatch()

    def do_PUT(self) -> None:
        """Power."""
        self._dispatch()

    def do_POST(self) -> None:
        """Breaks, repairs, and the end."""
        self._dispatch()

    def _dispatch(self) -> None:
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, b"Bearer " + self.server.token):
            self.close_connection = True
            self._send(401, {"error": "UNAUTHORIZED"})
            return
        try:
            status, body = self._answer(self._body())
        except BadRequest as error:
            status, body = 400, {"error": "BAD_REQUEST", "sentence": str(error)}
        except StaleEpochError as error:
            status, body = 409, {"error": "STALE_EPOCH", "epoch": error.epoch}
        except HeldError as error:
            sentence = (
                f"The site is fenced by epoch {error.epoch} and stays off. "
                "Switch it on with that epoch, or a later one, through the power controller."
            )
            status, body = 409, {"error": "HELD", "epoch": error.epoch, "sentence": sentence}
        except breaks.CannotBreak as error:
            status, body = 409, {"error": "REFUSED", "sentence": str(error)}
        self._send(status, body)

    def _body(self) -> dict[str, Any]:
        try:
            size = int(self.headers.get("Content-Length") or 0)
            if not 0 <= size <= BODY_LIMIT:
                raise ValueError
            body = json.loads(self.rfile.read(size)) if size else {}
        except ValueError as error:
            raise BadRequest("Expected a JSON object.") from error
        if not isinstance(body, dict):
            raise BadRequest("Expected a JSON object.")
        return body

    def _answer(self, body: dict[str, Any]) -> Answer:
        match self.command, self.path.strip("/").split("/"):
            case "GET", ["status"]:
                return 200, breaks.status(self.server.chassis)
            case "GET", ["hosts", site]:
                return self._host(site)
            case "PUT", ["hosts", site, "power"]:
                return self._power(site, body)
            case "POST", ["break" | "repair" as verb]:
                act = breaks.break_ if verb == "break" else breaks.repair
                changed, sentence = act(self.server.chassis, str(body.get("what")), str(body.get("site")))
                return 200, {"changed": changed, "sentence": sentence}
            case "POST", ["down"]:
                threading.Timer(0.02, self.server.chassis.over.set).start()
                return 200, {"ending": True}
        return 404, {"error": "NOT_FOUND"}

    def _host(self, site: str) -> Answer:
        if site not in self.server.chassis.boot.sites:
            return 404, {"error": "NOT_FOUND"}
        entry = self.server.chassis.power.get(site)
        return 200, {"host": site, "power": entry.power, "epoch": entry.epoch, "held": entry.held}

    def _power(self, site: str, body: dict[str, Any]) -> Answer:
        power, epoch, key, held = body.get("power"), body.get("epoch"), body.get("key", ""), body.get("held")
        if power not in ("on", "off", "rescue"):
            raise BadRequest('Expected "power" to be "on", "off" or "rescue".')
        if type(epoch) is not int or epoch < 0 or not isinstance(key, str):
            raise BadRequest('Expected "epoch" to be a whole number, and "key" a text.')
        if held not in (None, True, False):
            raise BadRequest('Expected "held" to be true or false.')
        if site not in self.server.chassis.boot.sites:
            return 404, {"error": "NOT_FOUND"}
        self.server.chassis.order(site, power, epoch, key, held)
        return self._host(site)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
