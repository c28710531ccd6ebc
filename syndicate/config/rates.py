"""Rates as operators write them: "100/1m" is at most 100 messages in any minute."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

from syndicate.config.durations import format_duration, parse_duration
from syndicate.model import Rate

RATE_EXAMPLE = 'a number of messages in a time, such as "100/1m" or "5000/1h"'
_RATE = re.compile(r"([0-9]{1,9})\s*/\s*(.+)")


def parse_rate(value: Any) -> Rate:
    """Read "100/1m". Raises ValueError with what was expected."""
    if isinstance(value, Rate):
        return value
    if isinstance(value, dict) and isinstance(value.get("period"), timedelta) and value.keys() == {"count", "period"}:
        return Rate(**value)  # from a model that was dumped; no file holds such a time
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"expected {RATE_EXAMPLE}")
    try:
        period = parse_duration(match[2])
    except ValueError:
        raise ValueError(f"expected {RATE_EXAMPLE}") from None
    if not period:
        raise ValueError(f"expected {RATE_EXAMPLE}")
    return Rate(int(match[1]), period)


def format_rate(rate: Rate) -> str:
    """Write a rate as it stands in the file."""
    return f"{rate.count}/{format_duration(rate.period)}"


RateText = Annotated[Rate, BeforeValidator(parse_rate)]
