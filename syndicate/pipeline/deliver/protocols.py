"""What delivering needs of a way to send. Implemented by ``io/smtp`` and ``io/maildir``."""

from __future__ import annotations

from typing import Protocol

from syndicate.io.dialogue import Steps
from syndicate.model import Envelope, Outcome


class Connection(Protocol):
    """One open way to a relay, used by one thread at a time."""

    @property
    def patience(self) -> float:
        """Seconds that its dialogue waits for the other side."""

    @property
    def usable(self) -> bool:
        """Whether another message may be sent on it."""

    def steps(self, envelope: Envelope, following: Envelope | None = None) -> Steps[Outcome]:
        """Send one message and say what became of it, as a dialogue that tells what it waits for.

        ``following`` is the next message, if it is known: a part of it that commits to nothing may leave early. Raises
        RelayError when the relay as a whole does not work; then nothing of this message's data has left.
        """

    def send(self, envelope: Envelope) -> Outcome:
        """Lead that dialogue to its end."""

    def open(self) -> None:
        """What a dialogue may wait for: a new session in place of one that ended. Raises RelayError."""

    def fileno(self) -> int:
        """What a dialogue waits on."""

    def close(self) -> None:
        """End it politely; never raises."""


class Sender(Protocol):
    """A relay: where connections come from."""

    label: str
    connections: int
    #: Whether its connections may be led by one thread: no step of a dialogue blocks.
    takes_turns: bool

    def connect(self) -> Connection:
        """Open a connection. Raises RelayError."""
