"""Crontab lines with their standard meaning, turned into APScheduler triggers, which compute the times.

APScheduler's own ``from_crontab`` takes 0 for Monday ("a historical mistake") and joins day of month and day of week
by AND; crontab(5) takes 0 and 7 for Sunday and joins them by OR when both are given. Days are passed on by name.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = 5
_SUNDAY_AGAIN = 7


def next_crontab_time(line: str, *, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first time strictly after ``after`` (aware) at which a crontab line fires, in UTC; None if never.

    A time that does not exist on a day of daylight change fires when the clock has moved on; one that exists twice
    gives two times with one local clock reading (their period key is the same). Raises ValueError with what is wrong
    with the line.
    """
    return _Crontab(line, zone).next_after(after)


class _Crontab:
    def __init__(self, line: str, zone: ZoneInfo) -> None:
        fields = line.split()
        if len(fields) != _FIELDS:
            raise ValueError(f'expected five fields such as "0 7 * * mon-fri", not {line!r}')
        minute, hour, day, month, weekday = (field.lower() for field in fields)
        common = {"minute": minute, "hour": hour, "month": month, "timezone": zone}
        weekdays = _weekday_names(weekday)
        day_open, weekday_open = day.startswith("*"), weekday.startswith("*")
        if day_open or weekday_open:
            triggers = [CronTrigger(day=day, day_of_week=weekdays, **common)]
        else:
            triggers = [CronTrigger(day=day, **common), CronTrigger(day_of_week=weekdays, **common)]
        self._trigger = triggers[0] if len(triggers) == 1 else OrTrigger(triggers)
        self._zone = zone

    def next_after(self, after: datetime) -> datetime | None:
        local = (after + timedelta(microseconds=1)).astimezone(self._zone)
        found: datetime | None = self._trigger.get_next_fire_time(None, local)
        return found.astimezone(UTC) if found else None


def _weekday_names(field: str) -> str:
    """Translate a day-of-week field to names: numbers 0-7, ranges that may end in 7 or wrap, steps, lists."""
    if field == "*":
        return "*"
    days: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
        if not match:
            raise ValueError(f"expected weekdays such as 1-5 or mon,wed, not {field!r}")
        first, last, step = match[1], match[2], int(match[3] or 1)
        if first == "*":
            start, end = 0, 6
        else:
            start = _weekday(first)
            end = _weekday(last) if last else (6 if match[3] else start)
        if step < 1:
            raise ValueError(f"expected a step of at least 1 in {field!r}")
        if end < start:  # fri-mon
            end += _SUNDAY_AGAIN
        days |= {day % 7 for day in range(start, end + 1, step)}
    return ",".join(_DAYS[day] for day in sorted(days))


def _weekday(text: str) -> int:
    if text.isdigit() and int(text) <= _SUNDAY_AGAIN:
        return int(text)
    if text[:3] in _DAYS:
        return _DAYS.index(text[:3])
    raise ValueError(f"expected a weekday (0-7 with 0 and 7 = Sunday, or mon, tue, …), not {text!r}")
