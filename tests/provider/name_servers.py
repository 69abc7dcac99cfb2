"""Real authoritative name servers for the tests, and a relay that can withhold their answers."""

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import dns.exception
import dns.message
import dns.query
import dns.tsigkeyring
import dns.update

from tests.provider.support import eventually, free_port

ZONE, NAME, KEY = "lab.test", "shop.lab.test", "seawall"
SECRET_NAME = "SEAWALL_LAB_TSIG_SECRET"
SECRET = base64.b64encode(b"canary-tsig-secret-of-32-bytes!!").decode()
KNOTD = shutil.which("knotd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

KNOT = """
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: update
    key: {key}
    action: update
database:
    storage: "{folder}"
template:
  - id: default
    storage: "{folder}"
zone:
  - domain: {zone}
    file: zone.txt
    acl: update
    zonefile-sync: -1
    journal-content: all
"""
ZONE_TEXT = """$ORIGIN {zone}.
@ 1 SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 1
@ 1 NS ns.{zone}.
ns 1 A 127.0.0.1
"""


def _lab(folder: Path, port: int) -> list[str]:
    zone = str(folder / "zone")
    (folder / "zone").write_text(ZONE_TEXT.format(zone=ZONE))
    words = ["-m", "infra.lab.dns_server", "--listen", f"127.0.0.1:{port}", "--zone", ZONE, "--file", zone]
    return [sys.executable, *words, "--key-name", KEY]


def _knot(folder: Path, port: int) -> list[str]:
    (folder / "knot.conf").write_text(KNOT.format(folder=folder, port=port, key=KEY, secret=SECRET, zone=ZONE))
    (folder / "zone.txt").write_text(ZONE_TEXT.format(zone=ZONE))
    return [str(KNOTD), "-c", str(folder / "knot.conf")]


@contextlib.contextmanager
def name_server(kind: str, folder: Path) -> Iterator[int]:
    """The port of a running server: `lab` or `knot`."""
    port = free_port()
    argv = _lab(folder, port) if kind == "lab" else _knot(folder, port)
    env = os.environ | {SECRET_NAME: SECRET}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
    try:
        eventually(lambda: ask(port, ZONE, "SOA"))
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def resolver(upstream: int) -> Iterator[int]:
    """The port of a running caching resolver."""
    port = free_port()
    words = ["-m", "infra.lab.resolver", "--listen", f"127.0.0.1:{port}", "--upstream", f"127.0.0.1:{upstream}"]
    process = subprocess.Popen([sys.executable, *words])
    try:
        eventually(lambda: ask(port, NAME, "A"))
        yield port
    finally:
        process.kill()
        process.wait()


def ask(port: int, name: str, kind: str) -> list[str]:
    """What a server answers, asked past the provider."""
    try:
        answer = dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", port=port, timeout=1)
    except (dns.exception.DNSException, OSError):
        return []
    return sorted(data.to_text() for rrset in answer.answer for data in rrset)


def put(port: int, address: str | None, text: str | None = None) -> None:
    """Set (or delete) the address, and the text beside it, past the provider."""
    update = dns.update.UpdateMessage(
        ZONE, keyring=dns.tsigkeyring.from_text({KEY: SECRET}), keyalgorithm="hmac-sha256"
    )
    if address:
        update.replace(f"{NAME}.", 1, "A", address)
    else:
        update.delete(f"{NAME}.", "A")
    if text is not None:
        update.replace(f"_seawall.{NAME}.", 1, "TXT", f'"{text}"')
    answer = dns.query.tcp(update, "127.0.0.1", port=port, timeout=2)
    assert answer.rcode() == 0, answer


class Relay:
    """Passes questions on by UDP and TCP. `mute` from the first update on: it reaches the server, and nothing comes
    back."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = free_port()
        self.mute_updates = False
        self._muted = False
        self._calls: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._tcp, "127.0.0.1", self.port)
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), ("127.0.0.1", self.port))
        try:
            yield self
        finally:
            transport.close()
            server.close()
            await server.wait_closed()
            for task in self._calls:
                task.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def silent(self) -> bool:
        return self._muted and self.mute_updates

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            length = await reader.readexactly(2)
            message = length + await reader.readexactly(int.from_bytes(length, "big"))
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            far_writer.write(message)
            length = await far_reader.readexactly(2)
            answer = length + await far_reader.readexactly(int.from_bytes(length, "big"))
            far_writer.close()
            self._muted = self.mute_updates
            if self.silent():
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self.relay.silent():
            return
        with socket.socket(type=socket.SOCK_DGRAM) as far:
            far.settimeout(1)
            far.sendto(data, ("127.0.0.1", self.relay.upstream))
            answer = far.recv(4096)
        cast(asyncio.DatagramTransport, self.transport).sendto(answer, address)
