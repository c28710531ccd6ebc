"""A path with a long round trip: passes bytes between a client and a mail server, each way after a delay.

python benchmarks/delaying_proxy.py LISTEN_PORT TARGET_PORT MILLISECONDS_OF_A_ROUND_TRIP
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

HOST = "127.0.0.1"


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Whatever comes leaves ``delay`` seconds later, in order; nothing waits for what came before it."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def leave() -> None:
        while True:
            due, chunk = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if not chunk:
                writer.close()
                return
            writer.write(chunk)

    leaving = asyncio.create_task(leave())
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65_536):
            waiting.put_nowait((loop.time() + delay, chunk))
    waiting.put_nowait((loop.time() + delay, b""))
    with contextlib.suppress(OSError):
        await leaving


async def serve(port: int, target: int, round_trip: float) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, from_client = await asyncio.open_connection(HOST, target)
        for each in (writer, from_client):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(
            carry(reader, from_client, round_trip / 2), carry(to_server, writer, round_trip / 2), return_exceptions=True
        )

    server = await asyncio.start_server(accept, HOST, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
