"""When a crontab line fires. It is read in ``config/crontab.py``; APScheduler's triggers compute the times.

APScheduler's own ``from_crontab`` takes 0 for Monday ("a historical mistake") and joins day of month and day of week
by AND; crontab(5) takes 0 and 7 for Sunday and joins them by OR when both are given. Days are passed on by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from syndicate.config.crontab import read_crontab

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def next_crontab_time(line: str, *, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first time strictly after ``after`` (aware) at which a crontab line fires, in UTC; None if never.

    A time that does not exist on a day of daylight change fires when the clock has moved on; one that exists twice
    gives two times with one local clock reading (their period key is the same). Raises ValueError with what is wrong
    with the line.
    """
    local = (after + timedelta(microseconds=1)).astimezone(zone)
    found: datetime | None = _trigger(line, zone).get_next_fire_time(None, local)
    return found.astimezone(UTC) if found else None


def _trigger(line: str, zone: ZoneInfo) -> CronTrigger | OrTrigger:
    crontab = read_crontab(line)
    common = {
        "minute": _listed(sorted(crontab.minutes)),
        "hour": _listed(sorted(crontab.hours)),
        "month": _listed(sorted(crontab.months)),
        "timezone": zone,
    }
    day = _listed(sorted(crontab.days))
    weekday = _listed(_DAYS[number] for number in sorted(crontab.weekdays))
    if crontab.either_day:
        return OrTrigger([CronTrigger(day=day, **common), CronTrigger(day_of_week=weekday, **common)])
    return CronTrigger(day=day, day_of_week=weekday, **common)


def _listed(values: Iterable[int | str]) -> str:
    return ",".join(str(value) for value in values)
