"""Figures that cost a look at very many rows: counted once, then shown as they were a moment ago while counted anew."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from syndicate.errors import SyndicateError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
log = logging.getLogger(__name__)

CHEAP: Final = 0.02  # seconds: what takes less is counted at each look
#: What takes longer is kept so many times as long: counting takes at most two per cent of one processor.
FACTOR: Final = 50
_MOST: Final = 500  # keys


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V
    at: float
    took: float
    busy: bool = False


class Remembered(Generic[K, V]):
    """Values by key. The first look waits for its value; later ones never do, once it was slow to count."""

    def __init__(self, count: Callable[[K], V]) -> None:
        self._count = count
        self._entries: dict[K, _Entry[V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V:
        """The value, at most about ``FACTOR`` times as old as counting it takes, and one look more."""
        entry = self._entries.get(key)
        if entry is None or entry.took < CHEAP:
            return self._renew(key).value
        with self._lock:
            due = not entry.busy and time.monotonic() - entry.at > FACTOR * entry.took
            entry.busy = entry.busy or due
        if due:
            threading.Thread(target=self._behind, args=(key, entry), daemon=True).start()
        return entry.value

    def forget(self, key: K) -> None:
        """Something was changed just now: the next look counts."""
        self._entries.pop(key, None)

    def _renew(self, key: K) -> _Entry[V]:
        began = time.monotonic()
        value = self._count(key)
        now = time.monotonic()
        entry = _Entry(value, now, now - began)
        with self._lock:
            while len(self._entries) >= _MOST:
                self._entries.pop(next(iter(self._entries)))
            self._entries[key] = entry
        return entry

    def _behind(self, key: K, entry: _Entry[V]) -> None:
        try:
            self._renew(key)
        except SyndicateError as error:  # the old value stays; the next look tries again
            log.warning("a figure of the console could not be counted: %s", error)
        finally:
            entry.busy = False
