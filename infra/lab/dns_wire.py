"""Carries DNS messages over UDP and TCP to a handler of bytes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

Handler = Callable[[bytes], Awaitable[bytes | None]]

UDP_LIMIT = 1232
TCP_IDLE_SECONDS = 10.0


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self._handler(data)
        if answer is None or self._transport is None:
            return
        if len(answer) > UDP_LIMIT:
            # Header only, with the truncation bit: the client comes back by TCP.
            answer = answer[:2] + bytes([answer[2] | 0x02]) + answer[3:4] + b"\0" * 8
        self._transport.sendto(answer, addr)


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    try:
        while True:
            size = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), TCP_IDLE_SECONDS), "big")
            answer = await handler(await asyncio.wait_for(reader.readexactly(size), TCP_IDLE_SECONDS))
            if answer is None:
                return
            writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
        return
    finally:
        writer.close()


async def serve(host: str, port: int, handler: Handler) -> None:
    """Answer on `host:port`, UDP and TCP, until cancelled."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(handler), local_addr=(host, port))
    try:
        server = await asyncio.start_server(lambda reader, writer: _talk(reader, writer, handler), host, port)
        async with server:
            await server.serve_forever()
    finally:
        transport.close()
