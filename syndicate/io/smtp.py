"""The sender over SMTP: where connections to the relay come from. The connection itself is ``smtp_connection.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from syndicate.config.sections import Relay
from syndicate.errors import RelayError
from syndicate.io.smtp_connection import Pipelining, SmtpConnection
from syndicate.io.smtp_opening import open_session, tls_context
from syndicate.io.smtp_session import Session


class SmtpSender:
    """A ``Sender`` (see ``pipeline/deliver``) over the first of the relays."""

    takes_turns = True

    def __init__(self, relays: Sequence[Relay], hello_hostname: str | None = None, *, base: Path | None = None) -> None:
        """``hello_hostname``: the name we greet with where the relay sets none (``bounce.hello_hostname``).

        A relative ``tls_ca_file`` starts from ``base``. Raises RelayError when there is no relay, or when its
        ``tls_ca_file`` cannot be used.
        """
        if not relays:
            raise RelayError('no relay is set: add a [[smtp]] section, or set delivery.transport to "maildir"')
        self._relay = relays[0]
        self._hello = self._relay.hello_hostname or hello_hostname
        self._context = tls_context(self._relay, base or Path())
        self._pipelining = Pipelining()
        self.label = self._relay.label
        self.connections = self._relay.max_conns

    def connect(self) -> SmtpConnection:
        """Open a connection; may be called by several threads. Raises RelayError."""
        return SmtpConnection(self._relay, self._open, self._pipelining)

    def _open(self) -> Session:
        return open_session(self._relay, self._context, self._hello)
