from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.crontab import crontab_line
from syndicate.core.crontab import next_crontab_time

DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def field(lowest: int, highest: int, names: list[str] | None = None) -> st.SearchStrategy[str]:
    number = st.integers(lowest, highest)
    one = number.map(str)
    if names:
        one |= st.sampled_from(names)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, highest - lowest).map(lambda n: f"*/{n}")
    return st.one_of(st.just("*"), st.lists(one | span, min_size=1, max_size=3).map(",".join), step)


LINES = st.tuples(field(0, 59), field(0, 23), st.just("*") | field(1, 28), field(1, 12, MONTHS), field(0, 6, DAYS)).map(
    " ".join
)


@given(LINES)
def test_what_the_configuration_accepts_the_core_can_compute(line: str) -> None:
    accepted = crontab_line(line)
    after = datetime(2026, 11, 22, tzinfo=UTC)
    due = next_crontab_time(accepted, after=after, zone=ZoneInfo("Europe/London"))
    assert due is not None
    assert due > after


@pytest.mark.parametrize(
    "line",
    [
        "0 7 * * mon-fri",
        "*/15 * * * *",
        "0 7 * * sat-sun",
        "0 7 * * fri-mon",
        "0 7 * * 5-7",
        "0 7 1,15 jan-mar *",
        "0 7 31 1,2 *",
        "0 7 29 2 *",
    ],
)
def test_lines_that_operators_write(line: str) -> None:
    assert crontab_line(line) == line
    assert next_crontab_time(line, after=datetime(2026, 11, 22, tzinfo=UTC), zone=ZoneInfo("UTC"))


def test_case_and_spaces_do_not_matter() -> None:
    assert crontab_line("  0   7 * *  MON ") == "0 7 * * mon"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "five fields"),
        ("0 7 * *", "five fields"),
        ("@daily", "five fields"),
        ("60 7 * * *", "the minute 0 to 59"),
        ("0 24 * * *", "the hour 0 to 23"),
        ("0 7 0 * *", "the day of the month 1 to 31"),
        ("0 7 * 13 *", "the month 1 to 12 or jan to dec"),
        ("0 7 * * 8", "the day of the week 0 to 7 or sun to sat"),
        ("0 7 * * someday", "the day of the week"),
        ("*/0 7 * * *", "the minute"),
        ("*/75 7 * * *", "steps that fit"),
        ("5/2 7 * * *", "the minute"),
        ("0 9-7 * * *", "rising order"),
        ("0 7 30 2 *", "never comes"),
        ("0 7 31 4,6 *", "never comes"),
    ],
)
def test_what_can_never_work_is_refused_by_field(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        crontab_line(line)


@given(st.text(alphabet="0123456789*/-, amonfri", max_size=40))
def test_junk_is_a_line_or_a_value_error(text: str) -> None:
    try:
        line = crontab_line(text)
    except ValueError as error:
        line = str(error)
    assert line.startswith("expected ") or len(line.split()) == 5
