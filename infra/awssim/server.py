"""The process: moto's server with our patches and our shim, on loopback."""

import json
import os
import signal
import sys
import threading
import warnings
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from infra.awssim import patches, states
from infra.awssim.accelerator import Accelerators
from infra.awssim.arc import Arc
from infra.awssim.control import Control
from infra.awssim.drs import Recovery
from infra.awssim.faults import Faults
from infra.awssim.middleware import Shim
from infra.awssim.own import Own

HOST = "127.0.0.1"


class Handler(MotoRequestHandler):
    """One connection; quiet, since the ledger says more than a log of requests."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Only what is an error is written."""
        if type == "error":
            super().log(type, message, *args)


def make(port: int, faults: Faults | None = None) -> BaseWSGIServer:
    """The server, bound and not yet serving. Port 0 takes a free one; `faults` are shared with whoever gives them."""
    states.apply()
    patches.apply()
    own = {**Arc().answers, **Accelerators().answers, **Recovery().answers}
    app = Control(Shim(Own(DomainDispatcherApplication(create_backend_app), own), faults=faults or Faults()))
    return make_server(HOST, port, app, threaded=True, request_handler=Handler)


def serve(port: int, stock_images: bool, leashed: bool) -> None:
    """Serve until told to end; one JSON line with the address is written when it is ready.

    On a leash it also ends with its standard input, that is, with the program that started it, however that ends.
    """
    if not stock_images:
        # Moto's 1,301 stock images cost seconds at the first call of EC2; a test registers the one that it needs.
        os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    # An injected error need not be one that the service's model knows.
    warnings.filterwarnings("ignore", message=".*does not match an error shape")
    server = make(port)

    def end(*_: object) -> None:
        # `shutdown` waits for the loop, which this handler interrupts.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if leashed:
        threading.Thread(target=_end_with_input, args=[server], daemon=True).start()
    print(json.dumps({"url": f"http://{HOST}:{server.server_port}", "pid": os.getpid()}), flush=True)
    server.serve_forever()
    server.server_close()
    # Threads may still be hanging as a rule wants it; they have nothing to save.
    sys.stdout.flush()
    os._exit(0)


def _end_with_input(server: BaseWSGIServer) -> None:
    sys.stdin.read()
    server.shutdown()
