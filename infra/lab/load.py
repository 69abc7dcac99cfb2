"""Users of the shop: each sends its orders one after the other, and remembers every acknowledgement.

    python -m infra.lab.load LAB_FOLDER --clients 4 --rate 50 --out acks.jsonl [--seconds 30]

A client looks the public name up at the lab's resolver and believes the answer for its TTL, or until something goes
wrong. It goes on to the next number only after an acknowledgement, and otherwise tries the same number again. The
process ends after --seconds or on SIGINT or SIGTERM, and prints a summary as JSON.
"""

import argparse
import http.client
import json
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.rdtypes.IN.A

from workflows.model.base import Message

from .info import Grounds, load_grounds

HTTP_SECONDS = 1.5
RETRY_SECONDS = 0.01


class Ack(Message):
    """One acknowledged order. `mono` counts seconds of this machine's monotonic clock."""

    client: str
    seq: int
    mono: float
    utc: datetime


class LoadSummary(Message):
    """What the clients saw. An outage is a time in which nobody got an acknowledgement."""

    acknowledged: int
    outage_seconds: float
    outage_started: datetime | None
    outage_ended: datetime | None
    """The acknowledgement that ended it; None when none came before the load stopped."""
    worst_client_outage_seconds: float
    errors: int


def ask_address(name: str, host: str, port: int) -> tuple[str, float]:
    """The address of a name, and for how many seconds it may be believed.

    Raises:
        OSError: no usable answer.
    """
    query = dns.message.make_query(name, dns.rdatatype.A)
    try:
        answer = dns.query.udp(query, host, timeout=1.0, port=port)
    except dns.exception.DNSException as error:
        raise OSError(f"{host}:{port} did not answer") from error
    for rrset in answer.answer:
        for rdata in rrset:
            if isinstance(rdata, dns.rdtypes.IN.A.A):
                return rdata.address, float(rrset.ttl)
    raise OSError(f"{name} has no address")


class Client(threading.Thread):
    """One user."""

    def __init__(self, load: "Load", name: str, pause: float) -> None:
        super().__init__(name=name, daemon=True)
        self._load = load
        self._pause = pause
        self._connection: http.client.HTTPConnection | None = None
        self._address = ""
        self._believed_until = 0.0
        self.acks: list[Ack] = []
        self.errors = 0

    def run(self) -> None:
        """Order until the load stops."""
        seq, due = 1, time.monotonic()
        while not self._load.over.is_set():
            if self._order(seq):
                seq += 1
                # After an outage the missed orders are not made up for: users do not hammer.
                due = max(due + self._pause, time.monotonic())
                self._load.over.wait(max(0.0, due - time.monotonic()))
            else:
                self.errors += 1
                self._load.over.wait(RETRY_SECONDS)
        self._drop()

    def _order(self, seq: int) -> bool:
        body = json.dumps({"client": self.name, "seq": seq, "amount": seq % 1000})
        try:
            connection = self._connect()
            connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self._drop()
            return False
        if response.status != 200:
            self._drop()
            return False
        ack = Ack(client=self.name, seq=seq, mono=time.monotonic(), utc=datetime.now(UTC))
        self.acks.append(ack)
        self._load.record(ack)
        return True

    def _connect(self) -> http.client.HTTPConnection:
        info = self._load.info
        if time.monotonic() >= self._believed_until:
            host, _, port = info.resolver.rpartition(":")
            address, ttl = ask_address(info.public_name, host, int(port))
            self._believed_until = time.monotonic() + ttl
            if address != self._address:
                self._close()
                self._address = address
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._address, info.public_port, timeout=HTTP_SECONDS)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _drop(self) -> None:
        """Something went wrong: neither the connection nor the address is believed any more."""
        self._believed_until = 0.0
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Load:
    """A number of clients that together send `rate` orders a second."""

    def __init__(self, info: Grounds, *, clients: int = 4, rate: float = 50.0, out: Path | None = None) -> None:
        self.info = info
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._file = out.open("w", encoding="utf-8") if out else None
        # Several loads may run one after the other on the same tables.
        run = secrets.token_hex(3)
        self._clients = [Client(self, f"{run}-{number}", clients / rate) for number in range(1, clients + 1)]

    def start(self) -> None:
        """Begin; returns at once."""
        for client in self._clients:
            client.start()

    def stop(self) -> LoadSummary:
        """End, and say what was seen."""
        stopped_mono = time.monotonic()
        self.over.set()
        for client in self._clients:
            client.join()
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None
        per_client = [_largest_gap(client.acks, stopped_mono) for client in self._clients]
        everybody = sorted(self.acks, key=lambda ack: ack.mono)
        started, ended, seconds = _largest_gap(everybody, stopped_mono)
        return LoadSummary(
            acknowledged=len(everybody),
            outage_seconds=round(seconds, 4),
            outage_started=started,
            outage_ended=ended,
            worst_client_outage_seconds=round(max(gap for _, _, gap in per_client), 4),
            errors=sum(client.errors for client in self._clients),
        )

    def outage_since(self, mono: float) -> float:
        """Seconds of the longest time without an acknowledgement that ended, or goes on, after that moment."""
        acks = sorted(self.acks, key=lambda ack: ack.mono)
        before = [ack for ack in acks if ack.mono < mono]
        return round(_largest_gap([*before[-1:], *acks[len(before) :]], time.monotonic())[2], 4)

    @property
    def errors(self) -> int:
        """Orders that failed so far."""
        return sum(client.errors for client in self._clients)

    @property
    def acks(self) -> list[Ack]:
        """Every acknowledgement so far."""
        return [ack for client in self._clients for ack in list(client.acks)]

    def record(self, ack: Ack) -> None:
        """Write an acknowledgement down, so that it survives the death of this process."""
        with self._lock:
            if self._file:
                self._file.write(ack.model_dump_json() + "\n")
                self._file.flush()


def _largest_gap(acks: list[Ack], stopped: float) -> tuple[datetime | None, datetime | None, float]:
    """Start, end and seconds of the longest time without an acknowledgement, from the first one on."""
    if not acks:
        return None, None, 0.0
    found: tuple[datetime | None, datetime | None, float] = (acks[-1].utc, None, stopped - acks[-1].mono)
    for before, after in pairwise(acks):
        if after.mono - before.mono > found[2]:
            found = (before.utc, after.utc, after.mono - before.mono)
    return found


def read_acks(path: Path) -> Iterable[Ack]:
    """The acknowledgements in a file; a last line that was cut off is left out."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield Ack.model_validate_json(line)


def main() -> None:
    """Run a load until told to stop."""
    parser = argparse.ArgumentParser(description="Users of the lab's shop.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=float, default=50.0, help="orders a second, of all clients together")
    parser.add_argument("--out", type=Path, required=True, help="one acknowledgement a line, as JSON")
    parser.add_argument("--seconds", type=float, default=None)
    options = parser.parse_args()
    load = Load(load_grounds(options.folder), clients=options.clients, rate=options.rate, out=options.out)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    load.start()
    over.wait(options.seconds)
    print(load.stop().model_dump_json(indent=2), flush=True)


if __name__ == "__main__":
    main()
