from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.retry import next_attempt
from syndicate.model import RetryPlan

QUEUED = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLAN = RetryPlan(
    delays=tuple(minutes * MINUTE for minutes in (5, 15, 30, 60, 120, 240)), give_up_after=timedelta(days=2)
)

DELAYS = st.lists(st.timedeltas(timedelta(seconds=1), timedelta(hours=12)), min_size=1, max_size=8).map(tuple)
PLANS = st.builds(RetryPlan, delays=DELAYS, give_up_after=st.timedeltas(timedelta(minutes=1), timedelta(days=7)))
JITTER = st.floats(0, 1)


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 5), (2, 15), (3, 30), (6, 240), (7, 240), (100, 240)])
def test_delays_in_order_and_the_last_one_repeats(attempts: int, minutes: int) -> None:
    due = next_attempt(PLAN, attempts=attempts, first_queued_at=QUEUED, now=QUEUED, jitter=0.5)
    assert due == QUEUED + minutes * MINUTE


def test_jitter_is_a_tenth_to_either_side() -> None:
    early, late = (next_attempt(PLAN, attempts=4, first_queued_at=QUEUED, now=QUEUED, jitter=j) for j in (0.0, 1.0))
    assert (early, late) == (QUEUED + 54 * MINUTE, QUEUED + 66 * MINUTE)


def test_the_last_attempt_is_at_the_end_of_its_time() -> None:
    almost = QUEUED + PLAN.give_up_after - 20 * MINUTE
    assert next_attempt(PLAN, attempts=9, first_queued_at=QUEUED, now=almost, jitter=0.5) == QUEUED + PLAN.give_up_after
    over = QUEUED + PLAN.give_up_after
    assert next_attempt(PLAN, attempts=10, first_queued_at=QUEUED, now=over, jitter=0.5) is None


@given(plan=PLANS, attempts=st.integers(1, 50), waited=st.timedeltas(timedelta(0), timedelta(days=9)), jitter=JITTER)
def test_always_later_and_never_beyond_the_end(
    plan: RetryPlan, attempts: int, waited: timedelta, jitter: float
) -> None:
    now, end = QUEUED + waited, QUEUED + plan.give_up_after
    due = next_attempt(plan, attempts=attempts, first_queued_at=QUEUED, now=now, jitter=jitter)
    if now >= end:
        assert due is None
        return
    assert due is not None
    delay = plan.delays[min(attempts, len(plan.delays)) - 1]
    assert now < due <= end
    assert due - now <= 1.1 * delay + timedelta(microseconds=1)
    assert due == end or due - now >= 0.9 * delay - timedelta(microseconds=1)


@given(plan=PLANS, jitter=JITTER)
def test_every_delivery_is_given_up_at_last(plan: RetryPlan, jitter: float) -> None:
    now, attempts = QUEUED, 1
    while (due := next_attempt(plan, attempts=attempts, first_queued_at=QUEUED, now=now, jitter=jitter)) is not None:
        assert due > now
        now, attempts = due, attempts + 1
        if attempts > 2000:  # many short delays: the property above carries the rest
            return
    assert now == QUEUED + plan.give_up_after


@pytest.mark.parametrize(("attempts", "jitter"), [(0, 0.5), (1, -0.1), (1, 1.1)])
def test_senseless_arguments(attempts: int, jitter: float) -> None:
    with pytest.raises(ValueError, match="attempts"):
        next_attempt(PLAN, attempts=attempts, first_queued_at=QUEUED, now=QUEUED, jitter=jitter)
