"""A mail server that misbehaves by a script: any bytes, silence or end at any stage, over raw sockets."""

from __future__ import annotations

import base64
import hmac
import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from smtp_server import HOST, relay_to

from syndicate.config.sections import Relay

Stage = Literal["banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "message", "rset", "quit"]


@dataclass(frozen=True, slots=True)
class Say:
    """Send these bytes; then hang up if asked to. ``pause`` seconds between single bytes: a reply in pieces."""

    data: bytes
    then_close: bool = False
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Answer nothing until the client goes away."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection without an answer; ``reset`` ends it with RST."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class CutData:
    """Read only so many octets of the data, say something, then reset the connection."""

    after: int
    say: bytes = b""


Action = Say | Silence | Close | CutData


def say(*lines: str, then_close: bool = False, pause: float | None = None) -> Say:
    """One or more lines, each ended by CRLF."""
    return Say("".join(f"{line}\r\n" for line in lines).encode(), then_close=then_close, pause=pause)


@dataclass(slots=True)
class Seen:
    """What reached the server."""

    connections: int = 0
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)  # whole ones, dots unstuffed, answered or not
    recipients: list[str] = field(default_factory=list)


class _EndError(Exception):
    """The script ends this connection."""


class FaultServer:
    """A context manager. ``script`` maps a stage to what it does each time, or to a list done once each, then the default.

    ``features`` are the keywords of EHLO; ``context`` is needed for STARTTLS, or from the first byte with ``implicit``.
    ``takes_data_for_nobody``: DATA gets its 354 although no recipient was taken (RFC 2920 3.1 knows such servers).
    ``loses_grouped_commands``: PIPELINING is offered, and what came with a command in one packet is thrown away.
    """

    def __init__(
        self,
        script: Mapping[Stage, Action | Sequence[Action]] | None = None,
        *,
        features: Sequence[str] = ("PIPELINING", "8BITMIME", "SIZE 33554432", "SMTPUTF8"),
        context: ssl.SSLContext | None = None,
        implicit: bool = False,
        password: str = "",
        takes_data_for_nobody: bool = False,
        loses_grouped_commands: bool = False,
    ) -> None:
        self.script: dict[Stage, Action | list[Action]] = {
            stage: list(actions) if isinstance(actions, Sequence) else actions
            for stage, actions in (script or {}).items()
        }
        self.seen = Seen()
        self._features = list(features)
        self._context = context
        self._implicit = implicit
        self._password = password
        self._takes_data_for_nobody = takes_data_for_nobody
        self._loses_grouped_commands = loses_grouped_commands
        self._lock = threading.Lock()
        self._open: set[_Dialogue] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        with self._lock:
            for dialogue in self._open:
                with suppress(OSError):
                    dialogue.connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def relay(self, **settings: Any) -> Relay:
        """The ``[[smtp]]`` section for this server."""
        return relay_to(self.port, **settings)

    def _start(self, run: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, name="fault-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.seen.connections += 1
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        dialogue = _Dialogue(self, connection)
        with self._lock:
            self._open.add(dialogue)
        with suppress(OSError, _EndError):
            dialogue.run()
        with self._lock:
            self._open.discard(dialogue)
        dialogue.connection.close()

    def action(self, stage: Stage) -> Action | None:
        """The next thing to do at this stage, by the script."""
        with self._lock:
            planned = self.script.get(stage)
            if isinstance(planned, list):
                return planned.pop(0) if planned else None
            return planned


class _Dialogue:
    """The server's side of one connection."""

    def __init__(self, server: FaultServer, connection: socket.socket) -> None:
        self.connection = connection
        self._server = server
        self._received = bytearray()
        self._encrypted = False
        self._mailing = False
        self._recipients = 0

    def run(self) -> None:
        if self._server._implicit:
            self._encrypt()
        self._act("banner", say("220 faults.example ESMTP"))
        while True:
            line = self._line().decode("utf-8", "replace")
            if self._server._loses_grouped_commands:
                self._received.clear()
            verb, space, rest = line.partition(" ")
            line = f"{verb.upper()}{space}{rest}"
            self._server.seen.commands.append(line)
            self._command(line)

    def _command(self, line: str) -> None:
        verb = line.partition(" ")[0]
        if verb == "EHLO":
            features = [f for f in self._server._features if not (self._encrypted and f == "STARTTLS")]
            lines = ["faults.example", *features]
            self._act("ehlo", say(*(f"250{'-' if n < len(lines) - 1 else ' '}{text}" for n, text in enumerate(lines))))
        elif verb == "STARTTLS":
            self._act("starttls", say("220 2.0.0 go ahead"))
            self._encrypt()
        elif verb == "AUTH":
            self._auth(line)
        elif verb == "MAIL":
            self._recipients = 0
            self._mailing = self._act("mail", say("250 2.1.0 OK"))
        elif verb == "RCPT":
            self._server.seen.recipients.append(line[len("RCPT TO:<") :].partition(">")[0])
            self._recipients += self._act("rcpt", say("250 2.1.5 OK" if self._mailing else "503 5.5.1 MAIL first"))
        elif verb == "DATA":
            self._data()
        elif verb == "RSET":
            self._act("rset", say("250 2.0.0 OK"))
        elif verb == "QUIT":
            self._act("quit", say("221 2.0.0 bye"))
            raise _EndError
        else:
            self._send(b"502 5.5.1 what?\r\n")

    def _encrypt(self) -> None:
        assert self._server._context is not None
        self.connection = self._server._context.wrap_socket(self.connection, server_side=True)
        self._received.clear()
        self._encrypted = True

    def _auth(self, line: str) -> None:
        action = self._server.action("auth")
        if action is not None:
            self._do(action)
            return
        challenge = b"<1.2@faults.example>"  # CRAM-MD5, RFC 2195
        self._send(b"334 " + base64.b64encode(challenge) + b"\r\n")
        _, _, digest = base64.b64decode(self._line()).decode().rpartition(" ")
        expected = hmac.new(self._server._password.encode(), challenge, "md5").hexdigest()
        self._send(b"235 2.7.0 welcome\r\n" if digest == expected else b"535 5.7.8 no\r\n")

    def _data(self) -> None:
        action = self._server.action("data")
        if action is not None:
            self._do(action)
            if not (isinstance(action, Say) and action.data.startswith(b"354")):
                return
        elif self._recipients or self._server._takes_data_for_nobody:
            self._send(b"354 go ahead\r\n")
        else:
            self._send(b"554 5.5.1 no valid recipients\r\n")
            return
        planned = self._server.action("message")
        if isinstance(planned, CutData):
            self._cut(planned)
        lines: list[bytes] = []
        while (line := self._line(keep=True)) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        if not self._recipients:
            self._send(b"554 5.5.1 no valid recipients\r\n")
            return
        self._server.seen.messages.append(b"".join(lines))
        self._do(planned or say("250 2.0.0 taken"))

    def _cut(self, planned: CutData) -> None:
        while len(self._received) < planned.after:
            self._receive()
        self._send(planned.say)
        time.sleep(0.05)  # so that what was said is there before the reset
        self._do(Close(reset=True))

    def _act(self, stage: Stage, default: Action) -> bool:
        """Do what is due at this stage; whether it said yes."""
        action = self._server.action(stage) or default
        self._do(action)
        return isinstance(action, Say) and action.data.startswith(b"2")

    def _do(self, action: Action) -> None:
        match action:
            case Say(data, then_close, pause):
                if pause is None:
                    self._send(data)
                else:
                    for byte in data:
                        self._send(bytes([byte]))
                        time.sleep(pause)
                if then_close:
                    raise _EndError
            case Silence():
                while True:
                    self._receive()
            case Close(reset=True):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise _EndError
            case Close() | CutData():
                raise _EndError

    def _send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def _receive(self) -> None:
        chunk = self.connection.recv(65_536)
        if not chunk:
            raise _EndError
        self._received += chunk

    def _line(self, *, keep: bool = False) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            self._receive()
        line = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        return line if keep else line.rstrip(b"\r\n")
