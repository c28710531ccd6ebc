"""Recurrence rules (RFC 5545 3.3.10) as schedules: "every other Tuesday". Read and computed by dateutil.

All is counted on local clocks, without a zone: ``core/periods.py`` says what that is in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, rrulestr

MARK = "RRULE:"
_FREQUENCIES = {YEARLY: "year", MONTHLY: "month", WEEKLY: "week", DAILY: "day"}
# A rule that does not fire within so long never does; dateutil would look for it until the year 9999.
_HORIZON = timedelta(days=366 * 9)
_STARTS = (date(2024, 1, 1), date(2024, 2, 7), date(2023, 5, 20))
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "last but one"}


def is_rule(schedule: str) -> bool:
    """Whether a schedule is a recurrence rule; else it is a crontab line."""
    return schedule.upper().startswith(MARK)


def check_rule(schedule: str, *, start: date | None) -> None:
    """Raise ValueError that says what is wrong with a rule, also for one that would never fire."""
    rule = _rule(schedule, start or _STARTS[0], time(7, 30))
    if next(iter(_bounded(rule, datetime.combine(start or _STARTS[0], time()))), None) is None:
        raise ValueError("this rule never comes")
    if start is None and len({tuple(_some(schedule, each)) for each in _STARTS}) > 1:
        raise ValueError("this rule counts from a day: name it in schedule_from")


def _some(schedule: str, start: date) -> list[datetime]:
    """A few readings, by which one sees whether a rule depends on its start."""
    found = datetime.combine(date(2025, 6, 1), time())
    readings: list[datetime] = []
    for _ in range(6):
        after = next(iter(_later(_rule(schedule, start, time(7, 30)), found)), None)
        if after is None:
            break
        found = after
        readings.append(after)
    return readings


def next_reading(schedule: str, *, start: date | None, send_at: time, after: datetime) -> datetime | None:
    """The first clock reading (naive) strictly after ``after`` (naive) at which a rule fires; None if never again.

    ``send_at`` is the time of day where the rule names none.
    """
    # dateutil walks from the start: a rule that counts from nothing may as well begin lately.
    first = start or date(after.year - 1, 1, 1)
    return next(iter(_later(_rule(schedule, first, send_at), after)), None)


@lru_cache(maxsize=256)
def _rule(schedule: str, start: date, send_at: time) -> rrule:
    text = schedule[len(MARK) :].strip().upper()
    if not text or "\n" in text or ":" in text:
        raise ValueError('expected one recurrence rule such as "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"')
    if any(part.partition("=")[0] in {"DTSTART", "BYSECOND", "BYEASTER"} for part in text.split(";")):
        raise ValueError("expected a rule without DTSTART (use schedule_from), BYSECOND and BYEASTER")
    try:
        rule = rrulestr(text, dtstart=datetime.combine(start, send_at), cache=False)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError('expected a recurrence rule such as "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"') from error
    if not isinstance(rule, rrule) or rule._freq not in _FREQUENCIES:  # type: ignore[attr-defined] # noqa: SLF001 - not shown
        raise ValueError(
            "expected FREQ=YEARLY, MONTHLY, WEEKLY or DAILY: for less use instant issues or a crontab line"
        )
    return rule


def _later(rule: rrule, after: datetime) -> list[datetime]:
    return [found for found in _bounded(rule, after) if found > after]


def _bounded(rule: rrule, after: datetime) -> list[datetime]:
    """The first readings from ``after`` on: at most two, and none that is far away."""
    until = after + _HORIZON
    if rule._count is not None:  # type: ignore[attr-defined] # noqa: SLF001 - COUNT and UNTIL exclude each other
        return [found for found in rule if after <= found <= until][:2]
    own = rule._until  # type: ignore[attr-defined] # noqa: SLF001 - not shown
    limited = rule.replace(until=until if own is None else min(until, own.replace(tzinfo=None)))
    found = limited.after(after, inc=True)
    rest = None if found is None else limited.after(found)
    return [each for each in (found, rest) if each is not None]


def words_for_rule(schedule: str) -> str:
    """A rule in English words as far as it is a common one; else the rule itself."""
    try:
        rule = _rule(schedule, date(2024, 1, 1), time(7, 30))
    except ValueError:
        return schedule
    if len(set(_named(schedule)) - {"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "WKST"}):
        return schedule
    unit, interval = _FREQUENCIES[rule._freq], rule._interval  # type: ignore[attr-defined] # noqa: SLF001 - not shown
    often = {1: f"every {unit}", 2: f"every other {unit}"}.get(interval, f"every {interval} {unit}s")
    days = rule._byweekday or ()  # type: ignore[attr-defined] # noqa: SLF001 - not shown
    if "BYDAY" in _named(schedule) and days:
        names = _listed([_DAYS[day] for day in days])
        if unit == "week":
            return {1: f"every {names}", 2: f"every other {names}"}.get(interval, f"{often} on {names}")
        return f"{often} on {names}"
    nth = rule._bynweekday or ()  # type: ignore[attr-defined] # noqa: SLF001 - not shown
    if "BYDAY" in _named(schedule) and all(n in _ORDINALS for _, n in nth):
        return f"on the {_listed([f'{_ORDINALS[n]} {_DAYS[day]}' for day, n in nth])} of {often}"
    if "BYMONTHDAY" in _named(schedule):
        return schedule
    return often


def _named(schedule: str) -> list[str]:
    return [part.partition("=")[0].strip() for part in schedule[len(MARK) :].upper().split(";") if part]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
