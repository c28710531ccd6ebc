"""One connection of a wire and what it is doing, and the errands that are run for it: what would block the wire."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from syndicate.io.dialogue import Inbox, Steps, Wait
from syndicate.model import Envelope, Outcome
from syndicate.pipeline.deliver.protocols import Connection
from syndicate.store.deliveries import Task


class Made(NamedTuple):
    """A delivery with its message."""

    task: Task
    envelope: Envelope


@dataclass(slots=True, eq=False)
class Line:
    """One connection: ``now`` is being sent, ``ahead`` comes next and may have been announced."""

    connection: Connection | None = None
    now: Made | None = None
    ahead: Made | None = None
    dialogue: Steps[Outcome] | None = None
    talking: bool = False
    descriptor: int = -1
    wait: Wait | None = None
    deadline: float = 0.0
    errand: bool = False
    not_before: float = 0.0
    pause: float = 1.0

    def take_messages(self) -> list[Made]:
        """What it has not finished, which it then has no more."""
        found = [made for made in (self.ahead, self.now) if made is not None]
        self.now = self.ahead = self.dialogue = None
        return found


class ErrandDone(NamedTuple):
    """An errand's end: the connection that it brought, or why it failed."""

    line: Line
    connection: Connection | None
    error: BaseException | None


class Errands:
    """A few threads that open and close sessions; what they did lies in the wire's inbox afterwards."""

    def __init__(self, inbox: Inbox[Any], most: int, name: str) -> None:
        self._inbox = inbox
        self._most = most
        self._name = name
        self._pool: ThreadPoolExecutor | None = None
        self._left = False

    def run(self, line: Line, errand: Callable[[], Connection | None]) -> None:
        """Do something for a line, in another thread."""
        if self._pool is None:
            # ``service/stopping`` finds the threads that hang at the end by this name.
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix=f"errand-{self._name}")
        line.errand = True

        def tell(future: Future[Connection | None]) -> None:
            error = future.exception()
            if self._left:  # nobody hears of it any more
                for connection in (None if error else future.result(), line.connection):
                    if connection is not None:
                        connection.close()
                return
            self._inbox.put(ErrandDone(line, None if error else future.result(), error))

        self._pool.submit(errand).add_done_callback(tell)

    def leave(self) -> None:
        """Wait for none of them: those under way close what they open."""
        self._left = True

    def close(self, *, wait: bool) -> None:
        """Run no more; ``wait`` for those under way."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait)


def reopen(connection: Connection) -> None:
    """Open a new session, as an errand."""
    connection.open()


def close(connection: Connection) -> None:
    """End a connection, as an errand."""
    connection.close()
