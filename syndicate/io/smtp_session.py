"""An open session with a relay: commands out, replies in, its offers, its end. What they mean is decided elsewhere.

How it comes about is ``smtp_opening.py``; the dialogue of one message is ``smtp_connection.py``.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from contextlib import suppress
from typing import NamedTuple, TypeVar

from syndicate.core.replies import MalformedReplyError, Reply, take_consent, take_reply
from syndicate.core.transaction import Offers
from syndicate.io.dialogue import Steps, Wait, drive, ready

T = TypeVar("T")

_CHUNK = 65_536
_CLOSED = "the server closed the connection"
_UNASKED = "the server sent a reply that nobody asked for"
_GOODBYE = 2.0  # seconds that the answer to QUIT is waited for; nothing depends on it
_LAST_WORD = 1.0  # seconds for a reply that was sent before the server stopped reading


class _Alone(NamedTuple):
    """A session whose dialogue is led by itself: it opens no other one."""

    session: Session

    @property
    def patience(self) -> float:
        return self.session.patience

    def fileno(self) -> int:
        return self.session.fileno()

    def open(self) -> None:
        raise AssertionError("a dialogue of one session asks for no other")


class Session(smtplib.SMTP):
    """smtplib's EHLO and AUTH over our own socket and our own, stricter reader of replies.

    ``write``, ``read_reply`` and ``exchange`` are dialogues (``io/dialogue.py``). They raise OSError when the
    connection broke or the time is over, and MalformedReplyError when what came is no reply; the session is of no more
    use then.
    """

    def __init__(self, connected: socket.socket, *, hello: str, wait: float) -> None:
        """``wait`` seconds are allowed for each reply."""
        super().__init__(local_hostname=hello)
        self.offers = Offers()
        self.open = True
        self.patience = wait
        self._socket = self.sock = connected
        self._received = bytearray()
        self._encrypted = False
        #: How many bytes of the last write were taken by the kernel.
        self.left = 0
        connected.setblocking(False)

    @property
    def encrypted(self) -> bool:
        return self._encrypted

    @property
    def secured(self) -> ssl.SSLSocket | None:
        """The encrypted connection, None in the clear: what version it speaks, which certificate was shown."""
        return self._socket if isinstance(self._socket, ssl.SSLSocket) else None

    @property
    def peer(self) -> str:
        """The address of the other end."""
        return str(self._socket.getpeername()[0])

    def fileno(self) -> int:
        """What to wait on."""
        return self._socket.fileno()

    def getreply(self) -> tuple[int, bytes]:
        """What smtplib's own commands read."""
        reply = self.now(self.read_reply())
        return reply.code, reply.text.encode()

    def now(self, steps: Steps[T]) -> T:
        """Lead a dialogue of this session to its end."""
        return drive(_Alone(self), steps)

    def read_reply(self) -> Steps[Reply]:
        """The next reply, in order."""
        if not self._received and not self._encrypted:  # the usual case, without the cost of further generators
            yield Wait.READ
            try:
                chunk = self._socket.recv(_CHUNK)
            except BlockingIOError:
                pass
            else:
                if not chunk:
                    raise ConnectionResetError(_CLOSED)
                self._received += chunk
        reply = take_reply(self._received) if self._received else None
        if reply is None:
            end = time.monotonic() + self.patience
            while reply is None:
                yield from self._receive_line(end)
                reply = take_reply(self._received)
        return reply

    def consented(self) -> bool:
        """Whether all of a group's commands were taken, as far as the replies are here; else they wait to be read."""
        return bool(self._received) and take_consent(self._received)

    def _receive_line(self, end: float) -> Steps[None]:
        while True:
            chunk = yield from self._receive()
            if not chunk:
                raise ConnectionResetError(_CLOSED)
            self._received += chunk
            if b"\n" in chunk or len(self._received) > _CHUNK:
                return
            if time.monotonic() > end:  # a server that drips out bytes must not hold the connection for ever
                raise TimeoutError("timed out")

    def _receive(self) -> Steps[bytes]:
        # TLS may hold what the kernel has given already.
        if not (self._encrypted and self._socket.pending()):  # type: ignore[attr-defined]
            yield Wait.READ
        while True:
            try:
                return self._socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                yield Wait.READ
            except ssl.SSLWantWriteError:
                yield Wait.WRITE

    def write_now(self, data: bytes) -> bool:
        """Hand over what the network takes at once; whether that was all. If not, go on with ``write_rest``.

        Raises as ``write``.
        """
        if self._received:
            raise MalformedReplyError(_UNASKED)
        self.left = 0
        try:
            self.left = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        return self.left == len(data)

    def write(self, data: bytes) -> Steps[None]:
        """Hand all bytes to the network. When it raises OSError, ``left`` tells how many of them were taken.

        Nothing may be waiting unread: a reply that nobody asked for would be taken for the answer to what is written.
        """
        if not self.write_now(data):
            yield from self.write_rest(data)

    def write_rest(self, data: bytes) -> Steps[None]:
        """Hand over what ``write_now`` could not."""
        end = time.monotonic() + self.patience
        while self.left < len(data):
            yield Wait.WRITE
            try:
                # TLS wants the same bytes again after a pause, and gets them.
                self.left += self._socket.send(memoryview(data)[self.left :])
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            except ssl.SSLWantReadError:
                yield Wait.READ
            if time.monotonic() > end:  # a server that takes it byte by byte must not hold the connection for ever
                raise TimeoutError("timed out")

    def exchange(self, command: bytes) -> Steps[Reply]:
        """One command, one reply."""
        yield from self.write(command)
        return (yield from self.read_reply())

    def last_word(self) -> Steps[Reply | None]:
        """What the server said before it stopped reading, if anything arrived."""
        self.patience = _LAST_WORD
        with suppress(OSError, MalformedReplyError):
            return (yield from self.read_reply())
        return None

    @property
    def silent(self) -> bool:
        """Whether the server has said nothing since its last reply: an idle connection that speaks or ends is over."""
        if self._received:
            return False
        if not ready(self.fileno(), Wait.READ, 0):
            return True
        try:
            self._received += self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):  # records of TLS itself, such as session tickets
            return True
        except OSError:
            return False
        return False

    def start_tls(self, context: ssl.SSLContext, host: str, *, wait: float) -> None:
        """Encrypt, with ``wait`` seconds for the handshake. The next thing is to greet again (RFC 3207 4.2)."""
        if self._received:
            raise MalformedReplyError("the server sent something in the clear after its answer to STARTTLS")
        self._socket.settimeout(wait)
        self._socket = self.sock = context.wrap_socket(self._socket, server_hostname=host)
        self._encrypted = True
        self._socket.setblocking(False)

    def end(self, *, politely: bool) -> None:
        """Close, after QUIT when the dialogue is in order; never raises."""
        if self.open and politely:
            self.patience = _GOODBYE
            with suppress(OSError, MalformedReplyError):
                self.now(self.exchange(b"QUIT\r\n"))
        self.open = False
        with suppress(OSError):
            self._socket.close()
