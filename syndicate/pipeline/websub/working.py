"""Works off exchanges with other machines: many at once, while one thread alone reads and writes the database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import TypeVar

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

# How often it is asked for more while exchanges are under way: a slow one must not keep others waiting.
_LOOK_EVERY = 0.25


def is_due(due_at: datetime | None, now: datetime) -> bool:
    """Whether the earliest time of something owed has come; None: nothing is owed."""
    return due_at is not None and due_at <= now


def work_off(
    *,
    take: Callable[[int, Counter[str]], Sequence[Work]],
    place: Callable[[Work], str],
    perform: Callable[[Work], Outcome],
    record: Callable[[Sequence[Outcome]], None],
    slots: int,
    stop: threading.Event,
) -> None:
    """Perform what ``take`` gives until it gives nothing more and all is recorded.

    ``take`` gets the number of free slots and how many exchanges each place has under way; it takes up that much at
    most. ``record`` gets outcomes in groups, one commit for each. ``perform`` runs in threads, touches no database and
    raises nothing. After ``stop`` nothing is taken up; what is under way is still recorded.
    """
    under_way: dict[Future[Outcome], str] = {}
    pool = ThreadPoolExecutor(slots, thread_name_prefix="websub")
    try:
        while True:
            free = slots - len(under_way)
            if free and not stop.is_set():
                for work in take(free, Counter(under_way.values())):
                    under_way[pool.submit(perform, work)] = place(work)
            if not under_way:
                return
            done, _ = wait(under_way, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
            if done:
                for future in done:
                    del under_way[future]
                record([future.result() for future in done])
    finally:
        pool.shutdown(wait=False)
