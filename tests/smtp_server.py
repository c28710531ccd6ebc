"""Real mail servers on 127.0.0.1 for tests: one that behaves and records what it gets, and certificates for both kinds.

The one that misbehaves by a script is ``smtp_faults.py``.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from syndicate.config.sections import Relay

HOST = "127.0.0.1"


class Authority:
    """A certificate authority of the test's own. Making keys takes a while: share one in a module."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def file(self, folder: Path) -> Path:
        """Its certificate as a file, for ``tls_ca_file``."""
        path = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(path))
        return path

    def server(self, name: str = HOST, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """What a server of that name needs; ``newest`` bounds the version it speaks."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(name).configure_cert(context)
        context.maximum_version = newest
        return context


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it arrived: dots unstuffed, line ends as sent."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    options: tuple[str, ...]
    encrypted: bool
    login: str | None
    at: float

    @property
    def recipient(self) -> str:
        (only,) = self.recipients
        return only


class RecordingServer:
    """aiosmtpd in a thread, as a context manager. ``messages`` grows as they are accepted.

    ``replies`` answers RCPT for the named recipients (``{"a@b.example": "450 4.2.1 later"}``) and may be changed while it runs;
    ``users`` demands a log-in before MAIL; ``delay`` is how many seconds each message takes to be accepted.
    """

    def __init__(
        self,
        *,
        tls: Literal["none", "STARTTLS", "TLS"] = "none",
        context: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        mechanisms: frozenset[str] = frozenset({"PLAIN", "LOGIN"}),
        replies: Mapping[str, str] | None = None,
        size_limit: int = 33_554_432,
        smtputf8: bool = True,
        keep_data: bool = True,
        delay: float = 0.0,
    ) -> None:
        self.messages: list[Received] = []
        self.accepted = 0
        self.connections = 0
        self.replies = dict(replies or {})
        self.delay = delay
        self.port = 0
        self._tls = tls
        self._context = context
        self._users = users
        self._mechanisms = mechanisms
        self._size_limit = size_limit
        self._smtputf8 = smtputf8
        self._keep_data = keep_data
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="recording-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def relay(self, **settings: Any) -> Relay:
        """The ``[[smtp]]`` section for this server."""
        return Relay(**{"host": HOST, "port": self.port, "tls_type": self._tls, **settings})

    def sent_to(self, recipient: str) -> list[Received]:
        return [message for message in self.messages if message.recipients == (recipient,)]

    async def _listen(self) -> asyncio.Server:
        implicit = self._context if self._tls == "TLS" else None
        server = await self._loop.create_server(self._protocol, HOST, 0, ssl=implicit)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(
            self,
            hostname="relay.example",
            data_size_limit=self._size_limit,
            enable_SMTPUTF8=self._smtputf8,
            tls_context=self._context if self._tls == "STARTTLS" else None,
            require_starttls=self._tls == "STARTTLS",
            auth_require_tls=False,
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - self._mechanisms if self._users else {"PLAIN", "LOGIN"},
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        user = data.login.decode()
        if self._users is not None and self._users.get(user) == data.password.decode():
            session.user = user
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        if self._users is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        reply = self.replies.get(address)
        if reply is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(self.delay)
        self.accepted += 1
        if self._keep_data:
            self.messages.append(
                Received(
                    sender=envelope.mail_from,
                    recipients=tuple(envelope.rcpt_tos),
                    data=envelope.original_content,
                    options=tuple(envelope.mail_options),
                    encrypted=server.transport.get_extra_info("ssl_object") is not None,
                    login=getattr(session, "user", None),
                    at=time.monotonic(),
                )
            )
        return "250 2.0.0 taken"


def relay_to(port: int, **settings: Any) -> Relay:
    """A ``[[smtp]]`` section for a server on this machine, in the clear and with short time-outs unless said otherwise."""
    short = timedelta(seconds=5)
    return Relay(
        **{"host": HOST, "port": port, "tls_type": "none", "connect_timeout": short, "wait_timeout": short, **settings}
    )
