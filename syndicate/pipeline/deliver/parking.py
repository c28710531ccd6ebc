"""Connections that outlive a batch: a worker that takes the next one up goes on with those it has."""

from __future__ import annotations

import threading
import time
from collections import deque

from syndicate.io.dialogue import Steps
from syndicate.model import Envelope, Outcome
from syndicate.pipeline.deliver.protocols import Connection, Sender

# A server that hears nothing for longer may hang up; RFC 5321 4.5.3.2.7 has it wait five minutes, many wait one.
_KEPT = 20.0


class ParkingSender:
    """A sender whose connections are parked, not ended, when a batch is done. Safe to share between threads."""

    def __init__(self, sender: Sender, *, connections: int | None = None) -> None:
        """``connections``: how many at most; None for as many as the sender would have."""
        self.label = sender.label
        self.connections = connections if connections is not None else sender.connections
        self.takes_turns = sender.takes_turns
        self.weight = sender.weight
        self._sender = sender
        self._parked: deque[tuple[float, Connection]] = deque()
        self._lock = threading.Lock()

    def connect(self) -> Connection:
        """Take the connection that was parked last, or open one. Raises RelayError."""
        while (found := self._taken()) is not None:
            parked_at, connection = found
            if connection.usable and time.monotonic() - parked_at < _KEPT:
                return _Parkable(self, connection)
            connection.close()
        return _Parkable(self, self._sender.connect())

    def park(self, connection: Connection) -> None:
        """Keep a connection for the next batch."""
        with self._lock:
            self._parked.append((time.monotonic(), connection))

    def end_idle(self, *, older_than: float = _KEPT) -> None:
        """End those that were parked so many seconds ago."""
        with self._lock:
            idle = [each for each in self._parked if time.monotonic() - each[0] >= older_than]
            for each in idle:
                self._parked.remove(each)
        for _, connection in idle:
            connection.close()

    def _taken(self) -> tuple[float, Connection] | None:
        with self._lock:
            return self._parked.pop() if self._parked else None


class _Parkable:
    """A connection on loan: closing it parks what can still be used."""

    def __init__(self, sender: ParkingSender, connection: Connection) -> None:
        self._sender = sender
        self._connection = connection

    @property
    def patience(self) -> float:
        return self._connection.patience

    @property
    def usable(self) -> bool:
        return self._connection.usable

    def steps(self, envelope: Envelope, following: Envelope | None = None) -> Steps[Outcome]:
        return self._connection.steps(envelope, following)

    def open(self) -> None:
        self._connection.open()

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, envelope: Envelope) -> Outcome:
        return self._connection.send(envelope)

    def close(self) -> None:
        if self._connection.usable:
            self._sender.park(self._connection)
        else:
            self._connection.close()
