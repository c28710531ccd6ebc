"""What single values of a feed must look like: addresses, ids, dates, languages, counts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from syndicate.core.feeds.uris import is_uri, is_web_address

__all__ = ["is_count", "is_language", "is_uri", "is_web_address", "rfc822", "rfc3339"]

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*|[xi](-[A-Za-z0-9]{1,8})+")  # RFC 5646, section 2.1, loosely
_RFC3339 = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]\d\d:\d\d)"
)
_RFC822 = re.compile(
    r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{2}|\d{4}) "
    r"\d\d:\d\d(:\d\d)? ([A-Z]{1,3}|[+-]\d{4})"
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_COUNT = re.compile(r"\d{1,18}")


def is_language(text: str) -> bool:
    """Whether a text has the form of a language tag (BCP 47)."""
    return _LANGUAGE.fullmatch(text) is not None


def is_count(text: str) -> bool:
    """Whether a text is a whole number, 0 or more."""
    return _COUNT.fullmatch(text) is not None


def rfc3339(text: str) -> datetime | None:
    """Read a date of Atom or JSON Feed (RFC 3339, section 5.6), None for anything else."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # the 31st of June; a leap second is taken for the second before
        return rfc3339(text.replace(":60", ":59")) if ":60" in text else None


def rfc822(text: str) -> datetime | None:
    """Read a date of RSS (RFC 822, section 5, with years of four digits too), None for anything else."""
    match = _RFC822.fullmatch(text)
    if not match:
        return None
    day, year = match[2], match[4]
    try:
        # The library takes the year 0099 for 1999, as RFC 2822 wants it for mails; a feed's year 0099 is that year.
        found = parsedate_to_datetime(text.replace(f" {year} ", " 2000 ", 1) if year.startswith("00") else text)
        if year.startswith("00") and len(year) > 2:  # noqa: PLR2004 - two digits are a year of RFC 822
            found = found.replace(year=int(year))
    except (ValueError, TypeError, IndexError):
        return None
    if day and _DAYS[found.weekday()] != day:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
