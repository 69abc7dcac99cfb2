"""The load balancer of each site: the shop over HTTP, closed without an answer while its region is lost."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .plane import Gone, Plane, Unavailable

BODY_LIMIT = 64 * 1024


class Front(ThreadingHTTPServer):
    """One site's; one thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, plane: Plane, site: str) -> None:
        super().__init__((plane.config.sites[site].address, plane.config.public_port), Handler)
        self.plane, self.site = plane, site

    def begin(self) -> None:
        """Serve, in a thread of its own."""
        threading.Thread(target=self.serve_forever, name=f"shop-{self.site}", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    """One connection. Every error closes it, so that a client looks the name up again."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Front

    def do_GET(self) -> None:
        """`/readyz` and `/orders/count`; `/audit` is for the lab alone, and is answered from a lost region too."""
        if self.path == "/audit":
            orders = self.server.plane.orders(self.server.site)
            known = None if orders is None else [[order.client, order.seq] for order in orders]
            receipts = self.server.plane.receipts(self.server.site)
            self._send(200, {"orders": known, "receipts": receipts, "samples": self.server.plane.samples()})
        else:
            self._guarded({})

    def do_POST(self) -> None:
        """`/check` and `/orders`."""
        try:
            size = int(self.headers.get("Content-Length", 0))
            if not 0 < size <= BODY_LIMIT:
                raise ValueError
            self._guarded(json.loads(self.rfile.read(size)))
        except (ValueError, KeyError, TypeError):
            self._send(400, {"error": "BAD_REQUEST"})

    def _guarded(self, body: dict[str, Any]) -> None:
        try:
            found = self._answer(body)
        except Gone:
            self.close_connection = True
        except Unavailable as error:
            self._send(503, {"error": str(error)})
        else:
            self._send(404 if found is None else 200, found or {"error": "NOT_FOUND"})

    def _answer(self, body: dict[str, Any]) -> dict[str, object] | None:
        plane, site = self.server.plane, self.server.site
        match self.command, self.path:
            case "GET", "/readyz":
                plane.insist(site)
                return {"ready": True}
            case "GET", "/orders/count":
                return {"orders": plane.count(site)}
            case "POST", "/check":
                nonce = str(body["nonce"])[:200]
                plane.insist(site)
                return {"nonce": nonce, "site": site}
            case "POST", "/orders":
                client, seq = str(body["client"])[:200], int(body["seq"])
                return {"new": plane.order(site, client, seq), "seq": seq}
        return None

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status >= 400:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
