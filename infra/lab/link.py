"""The cables between the sites: TCP proxies that can be cut.

    python -m infra.lab.link NAME=LISTEN_HOST:PORT>TARGET_HOST:PORT ...

Commands come on standard input, one a line, each answered by `done` when it is in force: `cut NAME`, `mend NAME`,
`look NAME` (the target may have died). A name may stand for several proxies. The process ends when its standard input
is closed.

A cut link behaves like dropped packets: connections that exist freeze, and new ones get no answer, not even a
handshake. A handshake is the kernel's work and cannot be withheld by not accepting, so the queue of the listening
socket is made one place long and filled: the kernel then drops what comes. While the target refuses connections, so
does the link.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence

BACKLOG = 128
RETRY_SECONDS = 0.05


class End(asyncio.Protocol):
    """One end of a connection through the link; what it reads, its peer writes."""

    def __init__(self, proxy: "Proxy", *, far: bool) -> None:
        self.proxy = proxy
        self.far = far
        self.peer: End | None = None
        self.transport: asyncio.Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # asyncio leaves an accepted socket without it, and a cable must not hold small messages back.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.proxy.ends.add(self)
        if self.proxy.is_cut or self.peer is None:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and self.peer.transport and not self.proxy.is_cut and not self.peer.closed:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.proxy.ends.discard(self)
        if self.peer and self.peer.transport and not self.peer.closed:
            if exc:
                self.peer.transport.abort()
            else:
                self.peer.transport.close()
            if self.far:
                self.proxy.look()


class Proxy:
    """One listening address and the one target behind it."""

    def __init__(self, name: str, listen: tuple[str, int], target: tuple[str, int]) -> None:
        self.name = name
        self.target = target
        self.is_cut = False
        self.ends: set[End] = set()
        self._fillers: list[socket.socket] = []
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._listen = listen
        # Never listens: it keeps the port ours while the target is down.
        self._holder = self._bound()
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Serve: listen whenever the target does."""
        self._task = asyncio.create_task(self._serve())

    async def cut(self) -> None:
        """Freeze what flows, and let nothing new through."""
        if self.is_cut:
            return
        self.is_cut = True
        for end in self.ends:
            if end.transport:
                end.transport.pause_reading()
        await self._cancel()
        self._take_in()
        self._unlisten()
        self._listener = self._bound()
        self._listener.listen(0)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._listen)
            self._fillers.append(filler)

    async def mend(self) -> None:
        """Let everything flow again; connections that survived go on where they stood."""
        if not self.is_cut:
            return
        self.is_cut = False
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._unlisten()
        for end in list(self.ends):
            if end.transport and end.peer and not end.closed:
                end.transport.resume_reading()
        self.start()

    def look(self) -> None:
        """The target ended a connection: find out whether it still listens, before the next caller is misled."""
        if not self.is_cut and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._close_if_refused())

    async def _close_if_refused(self) -> None:
        if not await self._target_listens() and not self.is_cut:
            await self._cancel()
            if not self.is_cut:
                self._unlisten()
                self.start()

    async def _cancel(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _take_in(self) -> None:
        """Accept whose handshake is done already: closing the listener would reset them, and a cut resets nobody."""
        with contextlib.suppress(BlockingIOError):
            while self._listener:
                accepted, _ = self._listener.accept()
                accepted.setblocking(False)
                asyncio.create_task(self._join(accepted))  # noqa: RUF006 (its ends are kept in self.ends)

    def _unlisten(self) -> None:
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _bound(self) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(self._listen)
        made.setblocking(False)
        return made

    async def _target_listens(self) -> bool:
        loop = asyncio.get_running_loop()
        with socket.socket() as probe:
            probe.setblocking(False)
            try:
                # Not wait_for: before Python 3.12 it can swallow a cancel, and a cut would wait for ever.
                async with asyncio.timeout(0.2):
                    await loop.sock_connect(probe, self.target)
            except ConnectionError:
                return False
            except TimeoutError:
                return True
            return True

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while not await self._target_listens():  # noqa: ASYNC110 (nobody here is told when a server starts)
            await asyncio.sleep(RETRY_SECONDS)
        self._listener = self._bound()
        self._listener.listen(BACKLOG)
        while True:
            accepted, _ = await loop.sock_accept(self._listener)
            asyncio.create_task(self._join(accepted))  # noqa: RUF006 (its ends are kept in self.ends)

    async def _join(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        _, near = await loop.connect_accepted_socket(lambda: End(self, far=False), accepted)
        try:
            _, far = await loop.create_connection(lambda: End(self, far=True), *self.target)
        except OSError:
            if near.transport:
                near.transport.abort()
            self.look()
            return
        near.peer, far.peer = far, near
        for end in (near, far):
            if end.transport and not self.is_cut and not end.closed:
                end.transport.resume_reading()


def parse(words: Sequence[str]) -> list[Proxy]:
    """Proxies from `NAME=HOST:PORT>HOST:PORT`."""
    proxies = []
    for word in words:
        name, _, route = word.partition("=")
        listen, target = (part.rpartition(":") for part in route.split(">"))
        proxies.append(Proxy(name, (listen[0], int(listen[2])), (target[0], int(target[2]))))
    return proxies


async def obey(line: str, proxies: Sequence[Proxy]) -> str:
    """Carry one command out; the answer to it."""
    verb, _, name = line.strip().partition(" ")
    named = [proxy for proxy in proxies if proxy.name == name]
    if verb not in ("cut", "mend", "look") or not named:
        return "unknown"
    for proxy in named:
        match verb:
            case "cut":
                await proxy.cut()
            case "mend":
                await proxy.mend()
            case _:
                proxy.look()
    return "done"


async def run(words: Sequence[str]) -> None:
    """Carry traffic until standard input is closed."""
    proxies = parse(words)
    for proxy in proxies:
        proxy.start()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        answer = await obey(line.decode(), proxies)
        print(answer, flush=True)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1:]))
