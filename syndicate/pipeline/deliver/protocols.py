"""What delivering needs of a way to send. Implemented by ``io/smtp`` and ``io/maildir``."""

from __future__ import annotations

from typing import Protocol

from syndicate.model import Envelope, Outcome


class Connection(Protocol):
    """One open way to a relay, used by one thread."""

    @property
    def usable(self) -> bool:
        """Whether another message may be sent on it."""

    def send(self, envelope: Envelope) -> Outcome:
        """Send one message and say what became of it. Raises RelayError when the relay as a whole does not work."""

    def close(self) -> None:
        """End it politely; never raises."""


class Sender(Protocol):
    """A relay: where connections come from."""

    label: str
    connections: int

    def connect(self) -> Connection:
        """Open a connection. Raises RelayError."""
