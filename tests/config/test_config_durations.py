from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.durations import (
    LARGEST,
    LONGEST,
    above_zero,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

DURATIONS = st.timedeltas(min_value=timedelta(), max_value=LONGEST).map(lambda d: d - d % timedelta(milliseconds=1))


@given(DURATIONS)
def test_every_duration_is_read_as_it_was_written(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        (" 1H 30 m ", timedelta(minutes=90)),
        ("0.5s", timedelta(milliseconds=500)),
        ("250ms", timedelta(milliseconds=250)),
        ("4w", timedelta(days=28)),
        ("0s", timedelta()),
    ],
)
def test_durations_as_operators_write_them(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "-5m",
        "m",
        "5 minutes",
        "1h x",
        "1h-30m",
        "1..5s",
        "٣m",
        "99999999w",
        "9" * 5000 + "s",
        None,
        5,
        1.5,
        True,
        [],
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match='expected a duration such as "90s"'):
        parse_duration(text)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text())))
def test_junk_is_a_duration_or_a_value_error(junk: object) -> None:
    try:
        found: timedelta | str = parse_duration(junk)
    except ValueError as error:
        found = str(error)
    assert found.startswith("expected a duration") if isinstance(found, str) else timedelta() <= found <= LONGEST


def test_nothing_is_refused_where_a_pause_is_needed() -> None:
    assert above_zero(timedelta(milliseconds=1)) == timedelta(milliseconds=1)
    with pytest.raises(ValueError, match="more than nothing"):
        above_zero(timedelta())


@given(st.integers(min_value=0, max_value=LARGEST))
def test_every_size_is_read_as_it_was_written(size: int) -> None:
    assert parse_size(format_size(size)) == size
    assert parse_size(size) == size


@pytest.mark.parametrize(
    ("text", "expected"), [("200 MB", 200_000_000), ("2gib", 2**31), ("1.5 KB", 1500), ("7", 7), ("0", 0)]
)
def test_sizes_as_operators_write_them(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", -1, True, 1.5, "5 parsecs", "9" * 5000, "999999999999 TB", LARGEST + 1, None]
)
def test_what_is_no_size_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match='expected a size such as "200 MB"'):
        parse_size(text)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_junk_is_a_size_or_a_value_error(junk: object) -> None:
    try:
        found: int | str = parse_size(junk)
    except ValueError as error:
        found = str(error)
    assert found.startswith("expected a size") if isinstance(found, str) else 0 <= found <= LARGEST
