"""When a deferred delivery is tried again, and when it is given up. The clock and the jitter come from the caller."""

from __future__ import annotations

from datetime import datetime

from syndicate.model import RetryPlan

_JITTER = 0.1  # of the delay, to either side: deliveries deferred together do not come back together


def next_attempt(
    plan: RetryPlan, *, attempts: int, first_queued_at: datetime, now: datetime, jitter: float
) -> datetime | None:
    """The time of the next attempt, or None to give up (RFC 5321 4.5.4.1).

    ``attempts`` counts those made (at least 1); ``jitter`` is a number from 0 to 1 that moves the delay by up to 10 %
    to either side. No attempt lies after ``first_queued_at + give_up_after``: the last one is drawn forward to that
    moment.
    """
    if attempts < 1 or not 0.0 <= jitter <= 1.0:
        raise ValueError("attempts is at least 1, jitter from 0 to 1")
    deadline = first_queued_at + plan.give_up_after
    if now >= deadline:
        return None
    delay = plan.delays[min(attempts, len(plan.delays)) - 1] * (1 + _JITTER * (2 * jitter - 1))
    return min(now + delay, deadline)
