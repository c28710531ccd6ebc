"""Connections that are counted, and outlive a batch: a worker that takes the next one up goes on with those it has.

Each open one has a seat (``store/seats.py``) for as long as it is open, so that all processes keep to ``max_conns``.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from syndicate.errors import RelayError
from syndicate.io.dialogue import Steps
from syndicate.model import Envelope, Outcome
from syndicate.pipeline.deliver.protocols import Connection, Sender

# A server that hears nothing for longer may hang up; RFC 5321 4.5.3.2.7 has it wait five minutes, many wait one.
_KEPT = 20.0


class NoSeatError(RelayError):
    """Other processes have the seats of the relay. No trouble of the relay's: it is tried again in a moment."""


class ParkingSender:
    """A sender whose connections are parked, not ended, when a batch is done. Safe to share between threads."""

    def __init__(self, sender: Sender, *, connections: int | None = None, parks: bool = True) -> None:
        """``connections``: how many at most; None for as many as the sender would have. ``parks``: else only counts."""
        self.label = sender.label
        self.connections = connections if connections is not None else sender.connections
        self.takes_turns = sender.takes_turns
        self.weight = sender.weight
        self._sender = sender
        self._parks = parks
        self._parked: deque[tuple[float, Connection]] = deque()
        self._open = 0
        self._seats: int | None = None
        self._lock = threading.Lock()

    @property
    def open(self) -> int:
        """How many connections are open or being opened, parked ones too."""
        return self._open

    def bound(self, seats: int) -> int:
        """Open no more than so many from now on; returns how many are open."""
        with self._lock:
            self._seats = seats
            return self._open

    def connect(self) -> Connection:
        """Take the connection that was parked last, or open one. Raises RelayError, and NoSeatError."""
        while (found := self._taken()) is not None:
            parked_at, connection = found
            if connection.usable and time.monotonic() - parked_at < _KEPT:
                return _Parkable(self, connection)
            self.end(connection)
        with self._lock:
            if self._seats is not None and self._open >= self._seats:
                raise NoSeatError(f"relay {self.label}: other processes have its connections (max_conns)")
            self._open += 1
        try:
            return _Parkable(self, self._sender.connect())
        except BaseException:
            self._ended()
            raise

    def park(self, connection: Connection) -> None:
        """Keep a connection for the next batch."""
        with self._lock:
            self._parked.append((time.monotonic(), connection))

    def leave(self, connection: Connection) -> None:
        """Take back a connection that was lent."""
        if self._parks and connection.usable:
            self.park(connection)
        else:
            self.end(connection)

    def end(self, connection: Connection) -> None:
        """Close a connection for good."""
        try:
            connection.close()
        finally:
            self._ended()

    def end_idle(self, *, older_than: float = _KEPT) -> None:
        """End those that were parked so many seconds ago."""
        with self._lock:
            idle = [each for each in self._parked if time.monotonic() - each[0] >= older_than]
            for each in idle:
                self._parked.remove(each)
        for _, connection in idle:
            self.end(connection)

    def _ended(self) -> None:
        with self._lock:
            self._open -= 1

    def _taken(self) -> tuple[float, Connection] | None:
        with self._lock:
            return self._parked.pop() if self._parked else None


class _Parkable:
    """A connection on loan: closing it parks what can still be used."""

    def __init__(self, sender: ParkingSender, connection: Connection) -> None:
        self._sender = sender
        self._connection = connection
        self._on_loan = True

    @property
    def patience(self) -> float:
        return self._connection.patience

    @property
    def usable(self) -> bool:
        return self._on_loan and self._connection.usable

    def steps(self, envelope: Envelope, following: Envelope | None = None) -> Steps[Outcome]:
        return self._connection.steps(envelope, following)

    def open(self) -> None:
        self._connection.open()

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, envelope: Envelope) -> Outcome:
        return self._connection.send(envelope)

    def close(self) -> None:
        if self._on_loan:
            self._on_loan = False
            self._sender.leave(self._connection)
