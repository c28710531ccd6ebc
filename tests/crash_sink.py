"""A mail server for crash runs, as a process of its own: it writes down each Message-ID before it answers the final dot.

`python crash_sink.py LOG [MILLISECONDS]` prints its port. Answers come at once or after at most so many milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
_GREETING = b"220 sink.example ESMTP\r\n"
_OFFERS = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 33554432\r\n"
_OK = b"250 2.0.0 Ok\r\n"
_END = b"\r\n.\r\n"
_ID = b"\r\nMessage-ID: "


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, log: int, delay: float) -> None:
        self._log = log
        self._delay = delay
        self._received = bytearray()
        self._in_data = False
        self._waits = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._waits and self._step():
            pass

    def _step(self) -> bool:
        """Answer one command or one message; False when it is not whole yet."""
        assert self._transport is not None
        end = self._received.find(_END if self._in_data else b"\r\n")
        if end < 0:
            return False
        if self._in_data:
            message = bytes(self._received[:end])
            del self._received[: end + len(_END)]
            self._take(message)
            return True
        line = bytes(self._received[:end]).upper()
        del self._received[: end + 2]
        if line.startswith(b"EHLO"):
            self._transport.write(_OFFERS)
        elif line == b"DATA":
            self._in_data = True
            self._transport.write(b"354 go ahead\r\n")
        elif line == b"QUIT":
            self._transport.write(b"221 2.0.0 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(_OK)
        return True

    def _take(self, message: bytes) -> None:
        self._in_data = False
        name = (b"\r\n" + message).partition(_ID)[2].partition(b"\r\n")[0]
        # Before the answer: what the sender heard is written down, whatever becomes of the sender.
        os.write(self._log, name + b"\n")
        delay = random.uniform(-self._delay, self._delay)  # noqa: S311 - half of the answers come at once
        if delay <= 0:
            self._accept()
            return
        self._waits = True
        asyncio.get_running_loop().call_later(delay, self._accept_late)

    def _accept(self) -> None:
        assert self._transport is not None
        self._transport.write(_OK)

    def _accept_late(self) -> None:
        self._waits = False
        self._accept()
        self._go_on()


async def serve(log: Path, delay: float) -> None:
    """Listen until killed."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    server = await asyncio.get_running_loop().create_server(lambda: Sink(file, delay), HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - whoever started it waits for this
    await server.serve_forever()


@dataclass(frozen=True)
class RunningSink:
    """The sink as its user sees it."""

    port: int
    log: Path

    @property
    def accepted(self) -> int:
        """How many messages it took, with duplicates."""
        return sum(chunk.count(b"\n") for chunk in _chunks(self.log))

    def message_ids(self) -> list[str]:
        """The Message-ID of each message it took, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def _chunks(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from iter(lambda: file.read(1 << 20), b"")


@contextmanager
def running_sink(log: Path, *, milliseconds: int = 0) -> Iterator[RunningSink]:
    """The sink as a process, ended at the end."""
    command = [sys.executable, __file__, str(log), str(milliseconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield RunningSink(int(process.stdout.readline()), log)
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0))
