"""uvicorn's HTTP protocol with bounds on what one connection may cost: clients that are slow, silent or endless.

A request has to be there as a whole within ``WHOLE``, its head within ``HEAD_BYTES``, and an answer has to be taken.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds from the first byte of a request (or the connection) to its last.
WHOLE: Final = 60.0
#: Seconds in which a client that takes nothing at all is waited for.
TAKEN: Final = 120.0
#: Bytes; the parser itself has no limit. What arrives at once (256 KB at most) is looked at as one.
HEAD_BYTES: Final = 65_536
_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_LONG: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request that arrives at once, as most do, costs no timer."""

    whole = WHOLE
    taken = TAKEN
    _in_head = True
    _incomplete = True
    _head_bytes = 0
    _arrival: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arrival = self.loop.call_later(self.whole, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._arrival, self._writing):
            if timer is not None:
                timer.cancel()
        self._arrival = self._writing = None
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_head = self._incomplete = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._incomplete = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._incomplete:
            if self._arrival is not None:
                self._arrival.cancel()
                self._arrival = None
            return
        if self._arrival is None:
            self._arrival = self.loop.call_later(self.whole, self._too_slow)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_LONG)
                self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self.taken, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _too_slow(self) -> None:
        self._arrival = None
        if self.transport.is_closing():
            return
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(_SLOW)
        self.transport.close()  # what waits for the rest of a body hears that the client is gone
