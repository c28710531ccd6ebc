"""Figures that are slow to count are shown as they were, and counted anew behind."""

from __future__ import annotations

import threading
import time

import pytest
from running import until

from syndicate.errors import StoreError
from syndicate.service import remembered
from syndicate.service.remembered import Remembered


class Counter:
    def __init__(self, slow: bool) -> None:
        self.slow, self.calls, self.fails = slow, 0, False
        self.threads: set[str] = set()

    def __call__(self, _key: str) -> int:
        self.threads.add(threading.current_thread().name)
        if self.slow:
            time.sleep(remembered.CHEAP * 1.5)
        if self.fails:
            raise StoreError("gone")
        self.calls += 1
        return self.calls


def test_what_is_quick_is_counted_at_each_look() -> None:
    figures = Remembered(Counter(slow=False))
    assert [figures.get("a"), figures.get("a"), figures.get("b")] == [1, 2, 3]


def test_what_is_slow_is_kept_and_renewed_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Counter(slow=True)
    figures = Remembered(count)
    assert figures.get("a") == figures.get("a") == 1
    monkeypatch.setattr(remembered, "FACTOR", 0)  # too old at once
    assert figures.get("a") == 1  # nobody waits
    until(lambda: count.calls >= 2, "it was counted behind")
    until(lambda: figures.get("a") >= 2, "and is shown")
    assert len(count.threads) >= 2


def test_what_cannot_be_counted_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Counter(slow=True)
    figures = Remembered(count)
    figures.get("a")
    monkeypatch.setattr(remembered, "FACTOR", 0)
    count.fails = True
    for _ in range(3):
        assert figures.get("a") == 1
    figures.forget("a")
    with pytest.raises(StoreError):
        figures.get("a")


def test_the_number_of_figures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST", 10)
    figures: Remembered[int, int] = Remembered(lambda key: key)
    for key in range(100):
        figures.get(key)
    assert len(figures._entries) <= 10
