"""A chat tool: a real HTTP server that keeps what it was sent, and can be slow, hang, refuse, or lose its answer."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "t0ken-that-nobody-may-read"


@dataclass
class Sink:
    """What it got, and how it behaves: `takes`, `refuses`, `hangs`, `slow`, `loses` (keeps, and answers nothing)."""

    port: int = 0
    mode: str = "takes"
    once: bool = False
    """The mode is for the next message only."""
    got: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    paths: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its Apprise URL, with a secret in it."""
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    @property
    def subjects(self) -> list[str]:
        return [str(one["title"]) for one in self.got]

    def about(self, words: str) -> list[dict[str, Any]]:
        """The messages whose subject has these words."""
        return [one for one in self.got if words in str(one["title"])]

    def behaves(self) -> str:
        """How, for this message."""
        mode = self.mode
        if self.once:
            self.mode, self.once = "takes", False
        return mode


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.asked += 1
            sink.paths.append(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            mode = sink.behaves()
            if mode == "hangs":
                sink.released.wait(60)
                return
            if mode == "slow":
                time.sleep(0.5)
            if mode != "refuses":
                sink.got.append(body)
            if mode == "loses":
                self.close_connection = True
                return
            self.send_response(503 if mode == "refuses" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Quietly."""

    return Handler


@contextmanager
def sink(mode: str = "takes") -> Iterator[Sink]:
    """One that listens; `dead` one has no port that anybody listens at."""
    made = Sink(mode=mode)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    server.daemon_threads = True
    made.port = server.server_address[1]
    if mode == "dead":
        server.server_close()
        yield made
        return
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
