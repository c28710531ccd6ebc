"""Durations and sizes as operators write them: "90s", "15m", "1h", "2d", "4w"; "50 MB"."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_duration(value: Any) -> timedelta:
    """Read "1h30m" or a timedelta; a bare number is refused, since its unit would be a guess.

    Raises ValueError with what was expected.
    """
    if isinstance(value, timedelta):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(f'expected a duration such as "90s", "15m", "1h", "2d" or "1h30m", not {value!r}')
    total = timedelta()
    for amount, unit in parts:
        total += timedelta(**{_UNITS[unit]: float(amount)})
    return total


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest units that are exact: ``timedelta(minutes=90)`` becomes "1h30m"."""
    rest = int(value.total_seconds())
    parts = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, rest = divmod(rest, seconds)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: Any) -> int:
    """Read "50 MB", "2 GiB" or a number of bytes. Raises ValueError with what was expected."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value.lower()) if isinstance(value, str) else None
    if not match or match[2] not in _SIZES:
        raise ValueError(f'expected a size such as "200 MB" or a number of bytes, not {value!r}')
    return int(float(match[1]) * _SIZES[match[2]])


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
