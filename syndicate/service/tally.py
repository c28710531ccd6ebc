"""What this process counts while it works, for ``/metrics``: plain numbers, so that who sends loads nothing for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock

from syndicate.model import PollResult
from syndicate.store.deliveries import Result


class Tally:
    """Counts by labels; written by any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._deliveries: Counter[tuple[str, str]] = Counter()
        self._polls: Counter[tuple[str, str]] = Counter()
        self._articles: Counter[tuple[str, str]] = Counter()
        self._webhooks: Counter[str] = Counter()
        #: Written by the web part's event loop alone, for each answer under ``/feeds``.
        self.feed_statuses: Counter[int] = Counter()

    def heard(self, results: Sequence[Result]) -> None:
        """Count outcomes that were committed, by state and relay."""
        found = Counter((result.state.value, result.outcome.relay) for result in results for _ in result.task.rows)
        with self._lock:
            self._deliveries.update(found)

    def polled(self, result: PollResult) -> None:
        """Count a reading of a source."""
        with self._lock:
            self._polls[result.source, "error" if result.error else "ok"] += 1
            for change in ("added", "updated", "withdrawn"):
                self._articles[result.source, change] += getattr(result, change)

    def called(self, *, delivered: int, failed: int, given_up: int) -> None:
        """Count what was handed to webhooks."""
        with self._lock:
            self._webhooks.update({"delivered": delivered, "failed": failed, "given_up": given_up})

    def counts(self) -> dict[str, dict[tuple[str, ...], int]]:
        """All of it at one moment, by name and labels."""
        with self._lock:
            return {
                "deliveries": {(*key,): count for key, count in self._deliveries.items()},
                "polls": {(*key,): count for key, count in self._polls.items()},
                "articles": {(*key,): count for key, count in self._articles.items()},
                "webhooks": {(word,): count for word, count in self._webhooks.items()},
                "feeds": {(str(status),): count for status, count in list(self.feed_statuses.items())},
            }
