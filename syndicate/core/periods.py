"""When a digest's runs are due, and the period key that makes each run happen once.

Times are computed from local calendar dates, so a day of daylight change has exactly one run: a time that does not
exist that day is taken as long after midnight as on the day before (02:30 becomes 03:30), one that exists twice is
its first occurrence.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from syndicate.config.recurrence import is_rule, next_reading
from syndicate.config.sections import Digest
from syndicate.core.crontab import next_crontab_time
from syndicate.core.waves import wave_at
from syndicate.model import Frequency

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SCHEDULE = "schedule"


def rhythms(digest: Digest) -> tuple[str, ...]:
    """The clocked rhythms of a digest: its ``schedule``, or its frequencies but ``instant``."""
    if digest.schedule is not None:
        return (SCHEDULE,)
    return tuple(frequency.value for frequency in digest.frequencies if frequency is not Frequency.INSTANT)


def next_run(digest: Digest, rhythm: str, *, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first time strictly after ``after`` (aware) at which a rhythm is due, in UTC; None if it never is."""
    hour, minute = (int(part) for part in digest.send_at.split(":"))
    if rhythm == SCHEDULE and is_rule(digest.schedule or ""):
        return _next_by_rule(digest, time(hour, minute), after=after, zone=zone)
    if rhythm == SCHEDULE:
        return next_crontab_time(digest.schedule or "", after=after, zone=zone)
    start = after.astimezone(zone).date() - timedelta(days=1)
    for day in _dates(digest, rhythm, start):
        due = datetime.combine(day, time(hour, minute), tzinfo=zone).astimezone(UTC)
        if due > after:
            return due
    return None


def _next_by_rule(digest: Digest, send_at: time, *, after: datetime, zone: ZoneInfo) -> datetime | None:
    # A day earlier: where the clock was set back, a later reading may be an earlier time.
    reading = after.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
    while True:
        found = next_reading(digest.schedule or "", start=digest.schedule_from, send_at=send_at, after=reading)
        if found is None:
            return None
        due = wave_at(found, zone)
        if due > after:
            return due
        reading = found


def _dates(digest: Digest, rhythm: str, start: date) -> Iterator[date]:
    day = start
    while day.year < date.max.year:
        if (
            rhythm == Frequency.DAILY
            or (rhythm == Frequency.WEEKLY and _WEEKDAYS[day.weekday()] == digest.weekly_on)
            or (rhythm == Frequency.MONTHLY and day.day == _month_day(day, digest.monthly_on))
        ):
            yield day
        day += timedelta(days=1)


def _month_day(day: date, wanted: int) -> int:
    return min(wanted, calendar.monthrange(day.year, day.month)[1])


def runs_until(
    digest: Digest,
    rhythm: str,
    *,
    first: datetime,
    until: datetime,
    zone: ZoneInfo,
    limit: int,
    opens: Callable[[datetime], datetime] = lambda due: due,
) -> list[datetime]:
    """The runs from ``first`` (itself one) to ``until``, at most the last ``limit`` of them: those that were missed.

    ``opens`` says when a run is to be composed, which is before it is due in the digest's zone when readers further
    east get it at their own local time.
    """
    runs: list[datetime] = []
    due: datetime | None = first
    while due is not None and opens(due) <= until:
        runs.append(due)
        due = next_run(digest, rhythm, after=due, zone=zone)
    return runs[-limit:]


def period_key(rhythm: str, due: datetime, zone: ZoneInfo) -> str:
    """The key of the run that is due then: ``daily/2026-11-22``, ``weekly/2026-W47``, ``monthly/2026-11``."""
    local = due.astimezone(zone)
    if rhythm == Frequency.DAILY:
        return f"daily/{local:%Y-%m-%d}"
    if rhythm == Frequency.WEEKLY:
        year, week, _ = local.isocalendar()
        return f"weekly/{year}-W{week:02}"
    if rhythm == Frequency.MONTHLY:
        return f"monthly/{local:%Y-%m}"
    return f"schedule/{local:%Y-%m-%dT%H:%M}"


def instant_key(seq: int) -> str:
    """The key of an instant issue: the highest sequence number it considered, so no two consider the same."""
    return f"instant/{seq:010}"


def manual_key(now: datetime) -> str:
    """The key of a manual ``send``: the UTC time, to the microsecond, so that it collides with nothing."""
    return f"manual/{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
