"""Rules such as "every other Tuesday", and days without an issue."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.holidays import check_holiday, holiday
from syndicate.config.recurrence import check_rule, is_rule, next_reading, words_for_rule

MORNING = time(7, 30)
START = date(2026, 12, 1)


def readings(rule: str, count: int, *, start: date | None = None, after: str = "2026-11-28T12:00") -> list[str]:
    found = []
    at: datetime | None = datetime.fromisoformat(after)
    for _ in range(count):
        assert at is not None
        at = next_reading(rule, start=start, send_at=MORNING, after=at)
        if at is None:
            break
        found.append(at.isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        (
            "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
            START,
            ["2026-12-01T07:30", "2026-12-15T07:30", "2026-12-29T07:30", "2027-01-12T07:30"],
        ),
        ("RRULE:FREQ=MONTHLY;BYDAY=1MO", None, ["2026-12-07T07:30", "2027-01-04T07:30"]),
        ("RRULE:FREQ=MONTHLY;BYDAY=-1FR", None, ["2026-12-25T07:30", "2027-01-29T07:30"]),
        (
            "rrule:freq=weekly;byday=mo,fr;byhour=6,18",
            None,
            ["2026-11-30T06:30", "2026-11-30T18:30", "2026-12-04T06:30"],
        ),
        ("RRULE:FREQ=DAILY;COUNT=2", START, ["2026-12-01T07:30", "2026-12-02T07:30"]),
        ("RRULE:FREQ=DAILY;UNTIL=20261202", START, ["2026-12-01T07:30"]),
        ("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", None, ["2028-02-29T07:30", "2032-02-29T07:30"]),
    ],
)
def test_rules_come_when_they_say(rule: str, start: date | None, expected: list[str]) -> None:
    assert is_rule(rule)
    check_rule(rule, start=start)
    assert readings(rule, len(expected), start=start) == expected


def test_a_rule_that_is_over_has_no_next() -> None:
    assert readings("RRULE:FREQ=DAILY;COUNT=2", 5, start=START) == ["2026-12-01T07:30", "2026-12-02T07:30"]


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 8), st.dates(date(2024, 1, 1), date(2034, 1, 1)))
def test_the_weeks_are_counted_from_the_start(start: date, interval: int, after: date) -> None:
    rule = f"RRULE:FREQ=WEEKLY;INTERVAL={interval};BYDAY=TU"
    found = [datetime.fromisoformat(each) for each in readings(rule, 4, start=start, after=f"{after}T12:00")]
    monday = start - timedelta(days=start.weekday())
    assert all(each.weekday() == 1 for each in found)
    assert all((each.date() - timedelta(days=1) - monday).days % (7 * interval) == 0 for each in found)
    assert all(later - earlier == timedelta(weeks=interval) for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "every other Tuesday"),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR", "every Monday, Wednesday and Friday"),
        ("RRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=SU", "every 3 weeks on Sunday"),
        ("RRULE:FREQ=MONTHLY;BYDAY=1MO", "on the first Monday of every month"),
        ("RRULE:FREQ=DAILY", "every day"),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=15", "RRULE:FREQ=MONTHLY;BYMONTHDAY=15"),
        ("RRULE:nonsense", "RRULE:nonsense"),
    ],
)
def test_common_rules_have_words(rule: str, words: str) -> None:
    assert words_for_rule(rule) == words


@given(st.text(max_size=60))
def test_no_text_is_more_than_refused(text: str) -> None:
    with suppress(ValueError):
        check_rule(f"RRULE:{text}", start=None)
    with suppress(ValueError):
        check_holiday(text)


@pytest.mark.parametrize(
    ("entry", "days", "others"),
    [
        ("2026-12-25", ["2026-12-25"], ["2027-12-25", "2026-12-24"]),
        ("12-25", ["2026-12-25", "2031-12-25"], ["2026-12-26"]),
        ("02-29", ["2028-02-29"], ["2027-02-28", "2027-03-01"]),
        (
            "2026-12-24..2027-01-01",
            ["2026-12-24", "2026-12-31", "2027-01-01"],
            ["2026-12-23", "2027-01-02", "2027-12-25"],
        ),
        ("12-24..01-01", ["2026-12-24", "2030-12-31", "2031-01-01"], ["2026-12-23", "2027-01-02", "2027-07-01"]),
        ("GB-ENG", ["2026-12-25", "2026-04-03"], ["2026-12-24"]),
    ],
)
def test_days_without_an_issue(entry: str, days: list[str], others: list[str]) -> None:
    check_holiday(entry)
    assert all(holiday(["2001-01-01", entry], date.fromisoformat(day)) for day in days)
    assert not any(holiday([entry], date.fromisoformat(day)) for day in others)


def test_a_public_holiday_is_named() -> None:
    assert holiday(["GB-ENG"], date(2026, 12, 25)) == "Christmas Day"
    assert holiday(["12-25"], date(2026, 12, 25)) == "12-25"
