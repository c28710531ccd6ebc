"""What the threads that send ask of the ledger, and in whose name: outcomes to record, deliveries to mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from syndicate.errors import RelayError, SyndicateError
from syndicate.store.deliveries import Result, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """This process as a sender. ``alone``: a lock proves that no other process sends from this database (SQLite)."""

    name: str
    host: str
    pid: int
    alone: bool
    boot_id: str | None = None  # which start of this machine it is, where that can be known


class LostHoldError(SyndicateError):
    """Another process took this one's rows over, believing it dead: it must stop sending at once."""


class Answers(Protocol):
    """Where an answered request is laid: a queue, or the inbox of a thread that waits for more than that."""

    def put(self, item: Request, /) -> None:
        """Lay it in; never waits."""


@dataclass(slots=True, eq=False)
class Request:
    """Outcomes to record, tasks to put back unsent, and how many new ones are wanted; ``answers`` is told when done.

    ``relay`` is whose connections ask, ``failure`` why it does not work. The answer: ``tasks``, how many
    ``connections`` the relay may have, and when there are no tasks, in how many seconds to ask ``again``; None when
    nothing more is due.
    """

    results: Sequence[Result]
    put_back: Sequence[Task]
    want: int
    answers: Answers
    relay: str = ""
    failure: RelayError | None = None
    tasks: list[Task] = field(default_factory=list)
    connections: int | None = None
    again: float | None = None
    error: BaseException | None = None
