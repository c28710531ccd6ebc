"""Days without an issue: dates as written, and a country's public holidays, which the package ``holidays`` knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache

_COUNTRY = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,4}))?")
_YEARLY = re.compile(r"(\d\d)-(\d\d)")
_LEAP = 2024
_EXPECTED = (
    'expected a date such as "2026-12-25", a day of each year such as "12-25", the first and last of several such as '
    '"2026-12-24..2027-01-01", or a country such as "GB" or "GB-ENG" for its public holidays'
)


@dataclass(frozen=True, slots=True)
class _Days:
    """Days from the first to the last; yearly ones by month and day only."""

    first: tuple[int, ...]
    last: tuple[int, ...]

    def holds(self, day: date) -> bool:
        parts = (day.month, day.day) if len(self.first) == 2 else (day.year, day.month, day.day)  # noqa: PLR2004 - month and day
        if self.first <= self.last:
            return self.first <= parts <= self.last
        return parts >= self.first or parts <= self.last  # over the turn of the year


def check_holiday(entry: str) -> None:
    """Raise ValueError that says what is wrong with an entry of the list."""
    if _COUNTRY.fullmatch(entry):
        _check_country(entry)
    else:
        _days(entry)


def holiday(entries: Iterable[str], day: date) -> str | None:
    """The name of the holiday that a day is, or the entry that makes it one; None on other days."""
    for entry in entries:
        if match := _COUNTRY.fullmatch(entry):
            if name := _public(match[1], match[2], day.year).get(day):
                return name
        elif _days(entry).holds(day):
            return entry
    return None


@lru_cache(maxsize=256)
def _days(entry: str) -> _Days:
    first, dots, last = (part.strip() for part in entry.partition(".."))
    days = _Days(_parts(first), _parts(last if dots else first))
    if len(days.first) != len(days.last):
        raise ValueError(_EXPECTED)
    if len(days.first) == 3 and days.first > days.last:  # noqa: PLR2004 - with a year
        raise ValueError(f"{last} lies before {first}")
    return days


def _parts(text: str) -> tuple[int, ...]:
    try:
        if match := _YEARLY.fullmatch(text):
            found = date(_LEAP, int(match[1]), int(match[2]))
            return found.month, found.day
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError(_EXPECTED) from None
    return found.year, found.month, found.day


def _check_country(entry: str) -> None:
    import holidays  # here: it takes 20 MB, and few need it

    known = holidays.list_supported_countries()
    country, _, part = entry.partition("-")
    if country not in known:
        raise ValueError(f"no public holidays are known for {country!r}; {_EXPECTED}")
    if part and part not in known[country]:
        near = get_close_matches(part, known[country], 1) or known[country][:1]
        hint = f', as "{country}-{near[0]}"' if near else ""
        raise ValueError(f"no public holidays are known for the part {part!r} of {country}; leave it out{hint}")


@lru_cache(maxsize=64)
def _public(country: str, part: str | None, year: int) -> dict[date, str]:
    import holidays  # here: the same

    return dict(holidays.country_holidays(country, subdiv=part, years=year))
