"""Local delivery time: every reader's clock shows the run's time, on any day, in any zone, once."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Digest
from syndicate.core.periods import next_run, runs_until
from syndicate.core.waves import (
    EASTMOST,
    WESTMOST,
    LocalTime,
    by_time,
    clock_reading,
    not_before,
    opens_at,
    wave_at,
    wave_times,
    zone_or,
)

LONDON = ZoneInfo("Europe/London")
# Half-hour and quarter-hour zones, half-hour daylight saving, the first and the last of the day, both hemispheres.
ODD = (
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/St_Johns",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Africa/Casablanca",
    "America/New_York",
    "Europe/Dublin",
    "Asia/Tehran",
)
ZONES = st.one_of(st.sampled_from(ODD), st.sampled_from(sorted(available_timezones())))
READINGS = st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31)).map(  # noqa: DTZ001 - what a clock shows
    lambda each: each.replace(second=0, microsecond=0)
)


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "reading", "shown"),
    [
        ("Europe/London", "2026-03-29T01:30", "2026-03-29T02:30+01:00"),  # 01:00 to 02:00 does not exist
        ("Europe/London", "2026-10-25T01:30", "2026-10-25T01:30+01:00"),  # it exists twice: the first
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T03:30-04:00"),
        ("America/New_York", "2026-11-01T01:15", "2026-11-01T01:15-04:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:45+11:00"),  # the clock moves by half an hour
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:45+11:00"),
        ("Pacific/Chatham", "2026-09-27T03:00", "2026-09-27T04:00+13:45"),
        ("America/St_Johns", "2026-03-08T02:10", "2026-03-08T03:10-02:30"),
        ("Asia/Kathmandu", "2026-11-22T07:30", "2026-11-22T07:30+05:45"),
        ("Asia/Kolkata", "2026-11-22T07:30", "2026-11-22T07:30+05:30"),
        ("Pacific/Kiritimati", "2026-11-22T07:30", "2026-11-22T07:30+14:00"),
        ("Pacific/Apia", "2011-12-30T07:30", "2011-12-31T07:30+14:00"),  # that day there was no 30 December
    ],
)
def test_days_of_daylight_change(zone: str, reading: str, shown: str) -> None:
    found = wave_at(naive(reading), ZoneInfo(zone)).astimezone(ZoneInfo(zone))
    assert found.isoformat(timespec="minutes") == shown


@given(ZONES, READINGS)
def test_clocks_show_the_reading_or_what_is_as_long_after_midnight(name: str, reading: datetime) -> None:
    zone = ZoneInfo(name)
    shown = wave_at(reading, zone).astimezone(zone)
    if shown.replace(tzinfo=None) == reading:
        assert shown.fold == 0, "of a time that exists twice the first counts"
    else:  # it does not exist: the clock was set forward over it, by so much
        leap = shown.replace(tzinfo=None) - reading
        assert timedelta(0) < leap <= timedelta(hours=24)
        before, after = (reading + step for step in (-leap, leap))
        assert wave_at(before, zone).astimezone(zone).replace(tzinfo=None) == before
        assert wave_at(after, zone) - wave_at(before, zone) == leap


@given(ZONES, st.dates(date(2012, 1, 2), date(2037, 12, 30)), st.times())
def test_each_day_has_one_wave_later_than_the_day_before(name: str, day: date, at: time) -> None:
    zone = ZoneInfo(name)
    today, tomorrow = (wave_at(datetime.combine(each, at), zone) for each in (day, day + timedelta(days=1)))
    assert timedelta(hours=20) < tomorrow - today < timedelta(hours=28)


@given(READINGS, st.lists(st.one_of(ZONES, st.sampled_from(["", None, "Mars/Olympus", "../etc/passwd"]))), ZONES)
def test_the_first_wave_opens_the_run_at_the_latest_in_the_digests_own_zone(
    reading: datetime, names: list[str | None], own: str
) -> None:
    fallback = ZoneInfo(own)
    opens = opens_at(reading, names, fallback)
    times = wave_times(reading, names, fallback)
    assert opens == min([*times.values(), wave_at(reading, fallback)])
    assert set(times) == {name or "" for name in names}
    assert sum(len(group) for group in by_time(times).values()) == len(times)
    if reading.year > 2011:
        assert not_before(reading) <= opens
        assert all(at <= wave_at(reading, WESTMOST) + timedelta(hours=2) for at in times.values())
    assert wave_at(reading, EASTMOST) == reading.replace(tzinfo=UTC) - timedelta(hours=14)


def test_what_has_gone_by_is_due_at_once() -> None:
    local = LocalTime(reading=naive("2026-11-22T07:30"), zone=LONDON)
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    found = local.due_times(["Asia/Kolkata", "America/New_York", ""], not_before=now)
    assert found == {
        "Asia/Kolkata": now,  # 02:00 UTC
        "": datetime(2026, 11, 22, 7, 30, tzinfo=UTC),
        "America/New_York": datetime(2026, 11, 22, 12, 30, tzinfo=UTC),
    }
    assert local.day == date(2026, 11, 22)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - given a zone here
    st.sampled_from(["daily", "weekly", "monthly"]),
    ZONES,
    st.lists(ZONES, max_size=4),
    st.lists(ZONES, max_size=4),
)
def test_every_run_opens_once_whatever_zones_readers_move_to(
    start: datetime, rhythm: str, own: str, before: list[str], after: list[str]
) -> None:
    """The clock looks every few hours; half way through the readers move to other zones."""
    digest = Digest(frequencies=("daily", "weekly", "monthly"), send_at="07:30", timezone="subscriber")
    zone = ZoneInfo(own)
    due = next_run(digest, rhythm, after=start, zone=zone)
    made: list[date] = []
    now = start
    for step in range(60):
        zones = before if step < 30 else after

        def opens(run: datetime, zones: list[str] = zones) -> datetime:
            return opens_at(clock_reading(digest, run, zone), zones, zone)

        assert due is not None
        runs = runs_until(digest, rhythm, first=due, until=now, zone=zone, limit=32, opens=opens)
        made += [clock_reading(digest, run, zone).date() for run in runs]
        if runs:
            due = next_run(digest, rhythm, after=runs[-1], zone=zone)
        now += timedelta(hours=5)
    assert len(set(made)) == len(made)
    assert made == sorted(made)
    if rhythm == "daily":
        assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(made))
        assert len(made) >= 11, "twelve days and a half have at least so many mornings"


def test_the_reading_is_what_is_set_also_where_the_digests_own_clock_jumps() -> None:
    digest = Digest(send_at="01:30", timezone="subscriber")
    due = next_run(digest, "daily", after=datetime(2026, 3, 28, 12, tzinfo=UTC), zone=LONDON)
    assert due == datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "02:30 in London"
    assert clock_reading(digest, due, LONDON) == naive("2026-03-29T01:30")
    by_line = Digest(schedule="0 7 * * mon-fri", timezone="subscriber")
    due = next_run(by_line, "schedule", after=datetime(2026, 11, 22, 12, tzinfo=UTC), zone=LONDON)
    assert due is not None
    assert clock_reading(by_line, due, LONDON) == naive("2026-11-23T07:00")


def test_a_zone_that_is_not_known_is_the_digests() -> None:
    assert zone_or(None, LONDON) == zone_or("", LONDON) == zone_or("Mars/Olympus", LONDON) == LONDON
    assert zone_or("../../etc/passwd", LONDON) == zone_or("a" * 5000, LONDON) == zone_or("Asia\0", LONDON) == LONDON
    assert zone_or("Asia/Tokyo", LONDON) == ZoneInfo("Asia/Tokyo")
