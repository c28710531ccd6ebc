from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.pace import WINDOW, pace_of, window_start

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7), st.integers(0, 300))
def test_going_on_at_this_pace_ends_at_the_time_that_is_told(
    accepted: int, refused: int, waiting: int, seconds: int
) -> None:
    ended = accepted + refused
    since = NOW - timedelta(seconds=seconds)
    pace = pace_of(issue=1, accepted=accepted, ended=ended, waiting=waiting, since=since, now=NOW)
    assert 0 <= pace.accepted_per_second <= accepted
    assert (pace.done_at is None) == (ended == 0 or waiting == 0)
    if pace.done_at is not None:
        left = (pace.done_at - NOW).total_seconds()
        assert left == pytest.approx(waiting * max(seconds, 1) / ended, abs=1e-5)


def test_lately_is_five_minutes_or_since_the_issue_began() -> None:
    assert window_start(NOW - timedelta(hours=1), NOW) == NOW - WINDOW
    began = NOW - timedelta(seconds=20)
    since = window_start(began, NOW)
    assert since == began
    pace = pace_of(issue=1, accepted=1000, ended=1000, waiting=500, since=since, now=NOW)
    assert (pace.accepted_per_second, pace.accepted_per_minute) == (50, 3000)
    assert pace.done_at == NOW + timedelta(seconds=10)
