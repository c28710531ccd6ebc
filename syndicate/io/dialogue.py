"""Dialogues that wait side by side in one thread: generators that say what they wait for, and what waits for many.

With a thread for each of 10 connections Python's lock went from hand to hand 26 times a message, and 2,000 messages
went out in a second; with one thread for all of them the wire is as fast as the kernel.
"""

from __future__ import annotations

import os
import queue
import select
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import suppress
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from syndicate.model import Envelope, Outcome

T = TypeVar("T")


class Wait(Enum):
    """What a dialogue waits for: its socket to give or to take bytes, or a new session to be opened."""

    READ = select.POLLIN
    WRITE = select.POLLOUT
    OPEN = 0


Steps = Generator[Wait, None, T]


class Talking(Protocol):
    """A connection as far as whoever drives its dialogue must know it."""

    @property
    def patience(self) -> float:
        """Seconds that it waits for the other side."""

    def fileno(self) -> int:
        """The descriptor to wait on."""

    def open(self) -> None:
        """Open a session; takes its time. Raises RelayError."""


class BlockingConnection(ABC):
    """A way to send whose dialogue has one step, which blocks: files."""

    patience: float = 0.0
    usable: bool = True

    def steps(self, envelope: Envelope, following: Envelope | None = None) -> Steps[Outcome]:  # noqa: ARG002 - nothing leaves early
        """Send at once."""
        yield from ()
        return self.send(envelope)

    @abstractmethod
    def send(self, envelope: Envelope) -> Outcome:
        """Send one message and say what became of it."""

    def open(self) -> None:  # noqa: B027 - nothing has to be opened again
        """Do nothing."""

    def fileno(self) -> int:
        """There is nothing to wait on."""
        return -1

    def close(self) -> None:  # noqa: B027 - nothing is held open between messages
        """Do nothing."""


def drive(connection: Talking, steps: Steps[T]) -> T:
    """Lead one dialogue to its end, alone; waits as long as the connection is patient. Raises what it raises."""
    failure: BaseException | None = None
    while True:
        try:
            wait = next(steps) if failure is None else steps.throw(failure)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        failure = None
        try:
            if wait is Wait.OPEN:
                connection.open()
            elif not ready(connection.fileno(), wait, connection.patience):
                failure = TimeoutError("timed out")
        except Exception as error:  # noqa: BLE001 - the dialogue knows what it means
            failure = error


def ready(descriptor: int, wait: Wait, seconds: float) -> bool:
    """Whether a descriptor can be read or written within so many seconds."""
    poll = select.poll()
    poll.register(descriptor, wait.value)
    return bool(poll.poll(seconds * 1000))


class Inbox(Generic[T]):
    """What other threads hand to one that waits on descriptors: a queue with a bell."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._bell, self._cord = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._cord, False)
        self._listening = False

    def put(self, item: T) -> None:
        """Lay something in; the owner is woken if it waits."""
        self._queue.put(item)
        if self._listening:
            self._listening = False
            with suppress(BlockingIOError):
                os.write(self._cord, b"!")

    def take(self) -> T | None:
        """The next thing, or None."""
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """Give the bell back. Nothing may be put in after this."""
        os.close(self._bell)
        os.close(self._cord)


class Readiness:
    """What one thread waits for: descriptors that it named, and its inbox."""

    def __init__(self, inbox: Inbox[Any]) -> None:
        self._inbox = inbox
        self._poll = select.poll()
        self._poll.register(inbox._bell, select.POLLIN)  # noqa: SLF001 - of one piece with it

    def want(self, descriptor: int, wait: Wait) -> None:
        """Wait for this of a descriptor, from now on until ``forget``."""
        self._poll.register(descriptor, wait.value)

    def forget(self, descriptor: int) -> None:
        """Wait for it no more."""
        self._poll.unregister(descriptor)

    def wait(self, seconds: float) -> list[int]:
        """The descriptors that are ready; returns early when something lies in the inbox."""
        inbox = self._inbox
        inbox._listening = True  # noqa: SLF001 - of one piece with it
        pause = seconds * 1000 if inbox._queue.empty() else 0  # noqa: SLF001 - the same
        found = self._poll.poll(pause)
        inbox._listening = False  # noqa: SLF001 - the same
        bell = inbox._bell  # noqa: SLF001 - the same
        ready_now = []
        for descriptor, _ in found:
            if descriptor == bell:
                with suppress(BlockingIOError):
                    os.read(bell, 512)
            else:
                ready_now.append(descriptor)
        return ready_now
