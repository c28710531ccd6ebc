from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.rates import format_rate, parse_rate
from syndicate.model import Rate


@given(st.builds(Rate, st.integers(1, 10**9 - 1), st.integers(1, 10**8).map(lambda ms: timedelta(milliseconds=ms))))
def test_what_is_written_is_read_again(rate: Rate) -> None:
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize("text", ["100/1m", " 100 / 1m ", "100/60s"])
def test_a_rate_is_a_number_in_a_time(text: str) -> None:
    assert parse_rate(text) == Rate(100, timedelta(minutes=1))


@pytest.mark.parametrize("value", ["", "100", "/1m", "100/", "0/1m", "-1/1m", "1.5/1m", "100/m", "100/0s", 100, None])
def test_everything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match='such as "100/1m"'):
        parse_rate(value)
