"""Reads a crontab line (crontab(5)): five fields, their names and ranges. When it fires: ``core/crontab.py``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
_WEEK = 7
_PART = re.compile(r"(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class _Field:
    title: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"the {self.title} {self.lowest} to {self.highest}{names}"

    def number(self, word: str) -> int:
        if word in self.names:
            return self.names.index(word) + (1 if self.lowest == 1 else 0)
        number = int(word) if word.isdecimal() else -1
        if not self.lowest <= number <= self.highest:
            raise ValueError(f"expected {self.expected} in a schedule")
        return number

    def values(self, text: str) -> frozenset[int]:
        """Every number that the field's text stands for."""
        found: set[int] = set()
        for part in text.split(","):
            match = _PART.fullmatch(part)
            if not match or (match[4] and (int(match[4]) == 0 or not (match[1] or match[3]))):
                raise ValueError(f'expected {self.expected}, as "1", "1,3", "1-5", "*" or "*/2", in a schedule')
            if match[1]:
                first, last = self.lowest, self.highest
            else:
                first = self.number(match[2])
                last = self.number(match[3]) if match[3] else first
            if self.names is _DAYS and last < first:
                last += _WEEK  # "fri-mon" and "sat-sun" go round the week
            if first > last:
                raise ValueError(f'expected {self.expected} in rising order, not "{part}", in a schedule')
            step = int(match[4] or 1)
            if step > max(last - first, 1):
                raise ValueError(f'expected steps that fit into the {self.title}, not "{part}", in a schedule')
            found.update(range(first, last + 1, step))
        return frozenset(found)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Crontab:
    """A crontab line as numbers. Weekdays count from Sunday, 0 to 6; ``line`` is its text, lower case, single spaces.

    ``either_day``: day of month and day of week are both given, and a day that is one of them will do (crontab(5)).
    """

    line: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool


def read_crontab(value: str) -> Crontab:
    """Read a line such as ``0 7 * * mon-fri``.

    Raises ValueError that names the field and what it takes, also for a line that could never fire (30 February).
    """
    words = value.lower().split()
    if len(words) != len(_FIELDS):
        names = ", ".join(field.title for field in _FIELDS)
        raise ValueError(f'expected five fields ({names}) such as "0 7 * * mon-fri"')
    minutes, hours, days, months, weekdays = (field.values(word) for field, word in zip(_FIELDS, words, strict=True))
    # "*/2" begins with a star, too: crontab(5) goes by that.
    either_day = not (words[2].startswith("*") or words[4].startswith("*"))
    if not either_day and min(days) > max(_LONGEST[month] for month in months):
        raise ValueError("expected a day that the month has: this schedule never comes")
    return Crontab(
        line=" ".join(words),
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % _WEEK for day in weekdays),
        either_day=either_day,
    )


def crontab_line(value: str) -> str:
    """Check a line and return it in lower case with single spaces. Raises as ``read_crontab``."""
    return read_crontab(value).line
