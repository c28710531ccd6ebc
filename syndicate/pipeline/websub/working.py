"""Works off exchanges with other machines: many at once, while one thread takes what is due and records what came."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session

from syndicate.store.engine import Database

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

# How often it is asked for more while exchanges are under way: a slow one must not keep others waiting.
_LOOK_EVERY = 0.25


def is_due(due_at: datetime | None, now: datetime) -> bool:
    """Whether the earliest time of something owed has come; None: nothing is owed."""
    return due_at is not None and due_at <= now


def work_off(
    database: Database,
    *,
    clock: Callable[[], datetime],
    next_due: Callable[[Session], datetime | None],
    take: Callable[[Session, int, Counter[str]], Sequence[Work]],
    place: Callable[[Work], str],
    perform: Callable[[Work], Outcome],
    record: Callable[[Session, Outcome], None],
    slots: int,
    stop: threading.Event,
    before_look: Callable[[], object] = lambda: None,
) -> None:
    """Perform what ``take`` gives until nothing more is due and all is recorded.

    ``next_due`` says when the earliest thing owed is due, so that a look at nothing costs no write. ``take`` gets the
    number of free slots and how many exchanges each place has under way; it takes up that much at most. Outcomes that
    come together are recorded in one commit. ``perform`` runs in threads and raises nothing. After ``stop`` nothing is
    taken up; what is under way is still recorded.
    """
    under_way: dict[Future[Outcome], str] = {}
    pool = ThreadPoolExecutor(slots, thread_name_prefix="websub")

    def due_now(free: int) -> Sequence[Work]:
        before_look()
        with database.read() as session:
            if not is_due(next_due(session), clock()):
                return []
        with database.write() as session:
            return take(session, free, Counter(under_way.values()))

    try:
        while True:
            free = slots - len(under_way)
            if free and not stop.is_set():
                for work in due_now(free):
                    under_way[pool.submit(perform, work)] = place(work)
            if not under_way:
                return
            done, _ = wait(under_way, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
            if done:
                for future in done:
                    del under_way[future]
                with database.write() as session:
                    for future in done:
                        record(session, future.result())
    finally:
        pool.shutdown(wait=False)
