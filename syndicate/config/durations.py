"""Durations and sizes as operators write them: "90s", "15m", "1h", "2d", "4w"; "50 MB"."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_NUMBER = r"([0-9]{1,19}(?:\.[0-9]{1,15})?)"
_PART = re.compile(_NUMBER + r"\s*(ms|s|m|h|d|w)\s*")
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(_NUMBER + r"\s*([a-z]*)")

DURATION_EXAMPLE = 'a duration such as "90s", "15m", "1h", "2d" or "1h30m"'
SIZE_EXAMPLE = 'a size such as "200 MB" or a number of bytes'
LONGEST = timedelta(days=36_500)  # a hundred years: added to any date we meet it stays inside the calendar
LARGEST = 2**63 - 1  # what a database's integer holds


def parse_duration(value: Any) -> timedelta:
    """Read "1h30m" or a timedelta; a bare number is refused, since its unit would be a guess.

    Raises ValueError with what was expected.
    """
    if isinstance(value, timedelta):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    milliseconds = Decimal(0)
    position = 0
    while part := _PART.match(text, position):
        milliseconds += Decimal(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not position or position < len(text):
        raise ValueError(f"expected {DURATION_EXAMPLE}")
    if milliseconds > LONGEST // timedelta(milliseconds=1):
        raise ValueError(f"expected {DURATION_EXAMPLE}, at most {LONGEST.days}d")
    return timedelta(milliseconds=int(milliseconds))


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest units that are exact: ``timedelta(minutes=90)`` becomes "1h30m"."""
    rest = value // timedelta(milliseconds=1)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        amount, rest = divmod(rest, _UNITS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: Any) -> int:
    """Read "50 MB", "2 GiB" or a number of bytes. Raises ValueError with what was expected."""
    size: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip().lower())) and match[2] in _SIZES:
        size = int(Decimal(match[1]) * _SIZES[match[2]])
    if size is None or not 0 <= size <= LARGEST:
        raise ValueError(f"expected {SIZE_EXAMPLE}")
    return size


def format_size(value: int) -> str:
    """Write a number of bytes in the largest decimal unit that is exact: 10 000 000 becomes "10 MB"."""
    for unit in ("TB", "GB", "MB", "KB"):
        if value and value % _SIZES[unit.lower()] == 0:
            return f"{value // _SIZES[unit.lower()]} {unit}"
    return f"{value} B"


def above_zero(value: timedelta) -> timedelta:
    """Refuse a duration of nothing where it would mean a loop without a pause or a wait that never ends."""
    if value <= timedelta():
        raise ValueError(f"expected {DURATION_EXAMPLE}, more than nothing")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Interval = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(above_zero)]
Size = Annotated[int, BeforeValidator(parse_size)]
