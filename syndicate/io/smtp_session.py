"""An open session with a relay: commands out, replies in, its offers, its end. What they mean is decided elsewhere.

How it comes about is ``smtp_opening.py``; the dialogue of one message is ``smtp_connection.py``.
"""

from __future__ import annotations

import select
import smtplib
import socket
import ssl
import time
from contextlib import suppress

from syndicate.core.replies import MalformedReplyError, Reply, take_reply
from syndicate.core.transaction import Offers

_CHUNK = 65_536
_GOODBYE = 2.0  # seconds that the answer to QUIT is waited for; nothing depends on it
_LAST_WORD = 1.0  # seconds for a reply that was sent before the server stopped reading


class Session(smtplib.SMTP):
    """smtplib's EHLO and AUTH over our own socket and our own, stricter reader of replies.

    ``write``, ``read_reply`` and ``exchange`` raise OSError when the connection broke or the time is over, and
    MalformedReplyError when what came is no reply; the session is of no more use then.
    """

    def __init__(self, connected: socket.socket, *, hello: str, wait: float) -> None:
        """``wait`` seconds are allowed for each reply."""
        super().__init__(local_hostname=hello)
        self.offers = Offers()
        self.open = True
        self._socket = self.sock = connected
        self._wait = wait
        self._received = bytearray()
        self.left = 0
        connected.settimeout(wait)

    @property
    def encrypted(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket)

    @property
    def peer(self) -> str:
        """The address of the other end."""
        return str(self._socket.getpeername()[0])

    def getreply(self) -> tuple[int, bytes]:
        """What smtplib's own commands read."""
        reply = self.read_reply()
        return reply.code, reply.text.encode()

    def read_reply(self) -> Reply:
        """The next reply, in order."""
        reply = take_reply(self._received) if self._received else None
        if reply is None:
            end = time.monotonic() + self._wait
            while reply is None:
                self._receive_line(end)
                reply = take_reply(self._received)
        return reply

    def _receive_line(self, end: float) -> None:
        while True:
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                raise ConnectionResetError("the server closed the connection")
            self._received += chunk
            if b"\n" in chunk or len(self._received) > _CHUNK:
                return
            if time.monotonic() > end:  # a server that drips out bytes must not hold the connection for ever
                raise TimeoutError("timed out")

    def write(self, data: bytes) -> None:
        """Hand all bytes to the network. When it raises OSError, ``left`` tells how many of them were taken.

        Nothing may be waiting unread: a reply that nobody asked for would be taken for the answer to what is written.
        """
        if self._received:
            raise MalformedReplyError("the server sent a reply that nobody asked for")
        self.left = 0
        self.left = self._socket.send(data)
        if self.left < len(data):
            self._write_rest(memoryview(data))

    def _write_rest(self, data: memoryview) -> None:
        end = time.monotonic() + self._wait
        while self.left < len(data):
            self.left += self._socket.send(data[self.left :])
            if time.monotonic() > end:  # a server that takes it byte by byte must not hold the connection for ever
                raise TimeoutError("timed out")

    def exchange(self, command: bytes) -> Reply:
        """One command, one reply."""
        self.write(command)
        return self.read_reply()

    def last_word(self) -> Reply | None:
        """What the server said before it stopped reading, if anything arrived."""
        self._wait = _LAST_WORD
        with suppress(OSError, MalformedReplyError):
            self._socket.settimeout(_LAST_WORD)
            return self.read_reply()
        return None

    @property
    def silent(self) -> bool:
        """Whether the server has said nothing since its last reply: an idle connection that speaks or ends is over."""
        if self._received:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(0):
            return True
        self._socket.settimeout(0)
        try:
            self._received += self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):  # records of TLS itself, such as session tickets
            return True
        except OSError:
            return False
        finally:
            self._socket.settimeout(self._wait)
        return False

    def start_tls(self, context: ssl.SSLContext, host: str, *, wait: float) -> None:
        """Encrypt, with ``wait`` seconds for the handshake. The next thing is to greet again (RFC 3207 4.2)."""
        if self._received:
            raise MalformedReplyError("the server sent something in the clear after its answer to STARTTLS")
        self._socket.settimeout(wait)
        self._socket = self.sock = context.wrap_socket(self._socket, server_hostname=host)
        self._socket.settimeout(self._wait)

    def end(self, *, politely: bool) -> None:
        """Close, after QUIT when the dialogue is in order; never raises."""
        if self.open and politely:
            self._wait = _GOODBYE
            with suppress(OSError, MalformedReplyError):
                self._socket.settimeout(_GOODBYE)
                self.exchange(b"QUIT\r\n")
        self.open = False
        with suppress(OSError):
            self._socket.close()
