"""How fast an issue goes out, and when it will be done, from what its ledger recorded lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: What is called lately.
WINDOW = timedelta(minutes=5)
_LEAST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pace of one running issue. ``waiting``: queued or sending; what is deferred waits for its own time.

    ``done_at`` is when nothing will be waiting at this pace; None when nothing ended lately.
    """

    issue: int
    accepted_per_second: float
    waiting: int
    done_at: datetime | None

    @property
    def accepted_per_minute(self) -> float:
        return self.accepted_per_second * 60


def window_start(started_at: datetime, now: datetime) -> datetime:
    """Where "lately" begins for an issue whose first delivery was taken up at ``started_at``."""
    return max(started_at, now - WINDOW)


def pace_of(*, issue: int, accepted: int, ended: int, waiting: int, since: datetime, now: datetime) -> Pace:
    """The pace of an issue of which ``ended`` deliveries came to their end after ``since``, ``accepted`` of them."""
    seconds = max(now - since, _LEAST).total_seconds()
    done_at = None
    if ended and waiting:
        done_at = now + timedelta(seconds=waiting * seconds / ended)
    return Pace(issue=issue, accepted_per_second=accepted / seconds, waiting=waiting, done_at=done_at)
