from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Digest
from syndicate.core.crontab import next_crontab_time
from syndicate.core.periods import instant_key, manual_key, next_run, period_key, rhythms, runs_until

ZONES = [
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
]
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware at once
zones = st.sampled_from(ZONES).map(ZoneInfo)
clocks = st.times().map(lambda moment: f"{moment:%H:%M}")
digests = st.builds(
    Digest,
    frequencies=st.just(("daily", "weekly", "monthly", "instant")),
    send_at=clocks,
    weekly_on=st.sampled_from(["monday", "thursday", "sunday"]),
    monthly_on=st.integers(1, 31),
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def upcoming(digest: Digest, rhythm: str, *, after: datetime, zone: ZoneInfo, count: int) -> list[datetime]:
    runs: list[datetime] = []
    for _ in range(count):
        due = next_run(digest, rhythm, after=runs[-1] if runs else after, zone=zone)
        assert due is not None
        runs.append(due)
    return runs


@given(digests, st.sampled_from(["daily", "weekly", "monthly"]), moments, zones)
def test_runs_are_after_and_have_distinct_increasing_keys(
    digest: Digest, rhythm: str, after: datetime, zone: ZoneInfo
) -> None:
    runs = upcoming(digest, rhythm, after=after, zone=zone, count=4)
    assert all(run > after for run in runs)
    assert runs == sorted(runs)
    keys = [period_key(rhythm, run, zone) for run in runs]
    assert keys == sorted(set(keys))


@given(digests, moments, zones)
def test_every_local_date_has_exactly_one_daily_run(digest: Digest, after: datetime, zone: ZoneInfo) -> None:
    runs = upcoming(digest, "daily", after=after, zone=zone, count=10)
    dates = [run.astimezone(zone).date() for run in runs]
    for one, following in pairwise(dates):
        days = (following - one).days
        # Samoa left out 30 December 2011; a gap at midnight may carry a run over to the next date.
        assert days in {0, 1, 2}
    assert len({period_key("daily", run, zone) for run in runs}) == len(runs)


@given(digests, st.sampled_from(["daily", "weekly", "monthly"]), moments, zones)
def test_no_run_lies_between_a_time_and_its_next_run(
    digest: Digest, rhythm: str, after: datetime, zone: ZoneInfo
) -> None:
    due = next_run(digest, rhythm, after=after, zone=zone)
    assert due is not None
    assert next_run(digest, rhythm, after=due - timedelta(seconds=1), zone=zone) == due


def test_daylight_changes_in_berlin() -> None:
    berlin, digest = ZoneInfo("Europe/Berlin"), Digest(send_at="02:30")
    # The hour from 2 to 3 exists twice on 2026-10-25: the first one counts, once.
    assert upcoming(digest, "daily", after=utc("2026-10-24T12:00"), zone=berlin, count=2) == [
        utc("2026-10-25T00:30"),
        utc("2026-10-26T01:30"),
    ]
    # It does not exist on 2027-03-28: an hour later by the clock.
    assert next_run(digest, "daily", after=utc("2027-03-27T12:00"), zone=berlin) == utc("2027-03-28T01:30")


def test_monthly_on_31_is_the_last_day_of_shorter_months() -> None:
    digest = Digest(frequencies=("monthly",), monthly_on=31, send_at="07:00")
    runs = upcoming(digest, "monthly", after=utc("2027-01-31T08:00"), zone=ZoneInfo("UTC"), count=3)
    assert [f"{run:%m-%d}" for run in runs] == ["02-28", "03-31", "04-30"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 8 * * 1", "2026-11-23T08:00"),  # Monday, not Tuesday as APScheduler's own from_crontab has it
        ("0 8 * * 0", "2026-11-29T08:00"),
        ("0 8 * * 7", "2026-11-29T08:00"),
        ("0 7 * * mon-fri", "2026-11-23T07:00"),
        ("0 7 * * 5-7", "2026-11-27T07:00"),
        ("0 7 * * fri-mon", "2026-11-23T07:00"),
        ("0 7 * * */2", "2026-11-24T07:00"),
        ("*/15 * * * *", "2026-11-22T10:15"),
        ("0 7 1 * 3", "2026-11-25T07:00"),  # both given: either day counts
        ("30 6 1 1 *", "2027-01-01T06:30"),
    ],
)
def test_crontab_has_its_standard_meaning(line: str, expected: str) -> None:
    assert next_crontab_time(line, after=utc("2026-11-22T10:00"), zone=ZoneInfo("UTC")) == utc(expected)


@pytest.mark.parametrize(
    "line", ["", "0 7 * *", "0 7 * * noday", "0 7 * * 8", "61 7 * * *", "0 7 * * 1/0", "a b c d e"]
)
def test_a_wrong_crontab_line_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        next_crontab_time(line, after=utc("2026-11-22T10:00"), zone=ZoneInfo("UTC"))


def test_a_crontab_time_in_the_repeated_hour_has_one_key() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    digest = Digest(schedule="30 2 * * *", frequencies=("daily",))
    first = next_run(digest, "schedule", after=utc("2026-10-24T12:00"), zone=berlin)
    assert first is not None
    second = next_run(digest, "schedule", after=first, zone=berlin)
    assert second is not None
    if second - first == timedelta(hours=1):
        assert period_key("schedule", first, berlin) == period_key("schedule", second, berlin)
    else:
        assert period_key("schedule", first, berlin) != period_key("schedule", second, berlin)


def test_missed_runs_are_counted_from_the_first_to_now() -> None:
    digest = Digest(send_at="07:30")
    runs = runs_until(
        digest, "daily", first=utc("2026-11-18T07:30"), until=utc("2026-11-21T08:00"), zone=ZoneInfo("UTC"), limit=10
    )
    assert [run.day for run in runs] == [18, 19, 20, 21]
    assert [
        run.day
        for run in runs_until(
            digest, "daily", first=utc("2026-11-18T07:30"), until=utc("2026-11-21T08:00"), zone=ZoneInfo("UTC"), limit=2
        )
    ] == [20, 21]


def test_keys_of_instant_and_manual_runs_sort_by_time() -> None:
    assert instant_key(9) < instant_key(10)
    assert manual_key(utc("2026-11-22T08:00")) == "manual/2026-11-22T08:00:00.000000Z"


def test_instant_is_no_clocked_rhythm() -> None:
    assert rhythms(Digest(frequencies=("instant", "weekly"))) == ("weekly",)
    assert rhythms(Digest(schedule="0 7 * * 1")) == ("schedule",)
