"""A listener for LMTP (RFC 2033): a mail server hands over what came back, one message and recipient at a time.

aiosmtpd speaks it. What is taken and answered is for the caller to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller, UnixSocketController
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from syndicate.config.returns import UNIX
from syndicate.errors import InboundError

LARGEST = 20_000_000  # bytes of a message; a returned digest has 150 KB
_TAKEN, _LATER = "250 2.0.0 thank you", "451 4.3.0 it cannot be taken now, try again later"
_ONE, _UNKNOWN = "452 4.5.3 one recipient at a time", "550 5.1.1 there is nobody of that name here"


class LmtpListener:
    """Listens from ``start`` to ``close``."""

    def __init__(self, place: str, *, known: Callable[[str], bool], take: Callable[[bytes], None]) -> None:
        """``known`` says whether mail to an address is taken, ``take`` takes a message or raises: then it comes again.

        ``place``: HOST:PORT or ``unix:PATH``.
        """
        self.place = place
        self._known = known
        self._take = take
        self._controller: Any = None

    def start(self) -> None:
        """Begin to listen. Raises InboundError."""
        handler = _Handler(self._known, self._take)
        options: dict[str, Any] = {"data_size_limit": LARGEST, "enable_SMTPUTF8": True, "ident": "Syndicate"}
        try:
            if self.place.startswith(UNIX):
                path = Path(self.place.removeprefix(UNIX))
                path.unlink(missing_ok=True)
                self._controller = _OnSocket(handler, unix_socket=str(path), **options)
            else:
                host, _, port = self.place.rpartition(":")
                self._controller = _OnPort(handler, hostname=host.strip("[]") or "127.0.0.1", port=int(port), **options)
            self._controller.start()
            if self.place.startswith(UNIX):
                path.chmod(0o666)  # the mail server is another user; a message counts by its token alone
        except (OSError, TimeoutError) as error:
            if self._controller is not None and not self._controller.loop.is_running():
                self._controller.loop.close()  # its own thread leaves it open when it could not listen
            self._controller = None
            raise InboundError(
                f"LMTP: cannot listen on {self.place}: {getattr(error, 'strerror', None) or error};"
                " stop what uses it, or set another bounce.lmtp"
            ) from error

    @property
    def port(self) -> int:
        """The port that was found free where 0 was asked for."""
        return int(self._controller.server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        if self._controller is not None:
            with contextlib.suppress(AssertionError):
                self._controller.stop(no_assert=True)
            self._controller = None


class _Handler:
    def __init__(self, known: Callable[[str], bool], take: Callable[[bytes], None]) -> None:
        self._known = known
        self._take = take

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: LMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return _ONE  # LMTP wants an answer for each after the data; so each has a message of its own
        if not self._known(address):
            return _UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: LMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        content = envelope.original_content or b""
        # The address it came to holds the token, and is no longer in the message.
        data = b"Delivered-To: " + envelope.rcpt_tos[0].encode("utf-8", "replace") + b"\r\n" + content
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._take, data)
        except Exception:  # noqa: BLE001 - whatever it is, the mail server keeps the message
            return _LATER
        return _TAKEN


class _OnPort(Controller):
    def _trigger_server(self) -> None:
        # Its own asks the port that it was given, and 0 stands for any.
        server: Any = self.server
        host, port = server.sockets[0].getsockname()[:2]
        with socket.create_connection((host, port), 1.0) as asked:
            asked.recv(1024)

    def factory(self) -> LMTP:
        return LMTP(self.handler, **self.SMTP_kwargs)


class _OnSocket(UnixSocketController):
    def factory(self) -> LMTP:
        return LMTP(self.handler, **self.SMTP_kwargs)
