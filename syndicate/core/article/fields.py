"""Reads the values that front matter and foreign columns hold: texts, lists, dates, words, numbers.

Tolerant where nothing can be misunderstood; what is nonsense is an ArticleError that names the field and the value.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from syndicate.core.article.text import clean_line
from syndicate.errors import ArticleError

MAX_NAME = 200  # characters of an author, tag, category or publisher: they stand in indexes and in file names of feeds
_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0", ""})
_EARLIEST_YEAR, _LATEST_YEAR = 1000, 2999  # beyond stand the "never" and "unknown" of databases (0001, 9999)
_NEVER_YEAR = 9000  # an expiry from here on is the usual way of saying "never"
_EPOCH_MILLISECONDS = 1e11  # a larger number of seconds would be the year 5138: it counts milliseconds
_MAX_INTEGER = 2**31 - 1
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*|[xi](-[A-Za-z0-9]{1,8})+")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,9})?")

Fields = Mapping[str, Any]


def first(fields: Fields, *names: str) -> Any:
    """Give the first value among several names of one field that is there and not empty, else None."""
    for name in names:
        value = fields.get(name)
        if value is not None and value != "":
            return value
    return None


def shown(value: Any) -> str:
    """Show a value in a message: short, even if it is a nest of lists, and without forbidden characters."""
    return str(value) if isinstance(value, date | time | Decimal | UUID) else clean_line(reprlib.repr(value))


def read_text(value: Any, name: str) -> str:
    """Read a scalar as text. A list or a table where one text belongs is an error."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ArticleError(f"{name}: the bytes are no UTF-8 text ({error.reason} at byte {error.start})") from error
    if isinstance(value, int | float | Decimal | date | time | UUID):
        return str(value)
    raise ArticleError(f"{name}: expected a text, not {shown(value)}")


def read_line(value: Any, name: str, *, limit: int = MAX_NAME) -> str:
    """Read one line of plain text; longer than ``limit`` characters is an error."""
    if value is None:
        return ""
    line = clean_line(read_text(value, name))
    if len(line) > limit:
        raise ArticleError(f"{name}: {len(line)} characters, at most {limit} are taken ({shown(line)})")
    return line


def read_names(value: Any, name: str, *, split_commas: bool = False) -> tuple[str, ...]:
    """Read a text, a list of texts or a JSON list as names, without empty and repeated ones.

    An author may be a table with ``name``.
    """
    if value is None:
        return ()
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json_list(value)
    values = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    if split_commas:
        values = [part for entry in values for part in (entry.split(",") if isinstance(entry, str) else [entry])]
    names = (read_line(entry.get("name") if isinstance(entry, Mapping) else entry, name) for entry in values)
    return tuple(dict.fromkeys(entry for entry in names if entry))


def _json_list(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def read_flag(value: Any, name: str) -> bool:
    """Read yes or no: a truth value, 0 or 1, or a word."""
    if value is None:
        return False
    word = clean_line(read_text(value, name)).casefold()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ArticleError(f"{name}: expected true or false, not {shown(value)}")


def read_number(value: Any, name: str) -> float | None:
    """Read a finite number."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise ArticleError(f"{name}: expected a number, not {shown(value)}")
    try:
        number = float(value if isinstance(value, int | float | Decimal) else read_text(value, name).strip())
    except (ValueError, OverflowError) as error:
        raise ArticleError(f"{name}: expected a number, not {shown(value)}") from error
    if not math.isfinite(number):
        raise ArticleError(f"{name}: expected a number, not {shown(value)}")
    return number


def read_count(value: Any, name: str) -> int | None:
    """Read a whole number, 0 or more."""
    number = read_number(value, name)
    if number is None:
        return None
    if number != int(number) or not 0 <= number <= _MAX_INTEGER:
        raise ArticleError(f"{name}: expected a whole number from 0 to {_MAX_INTEGER}, not {shown(value)}")
    return int(number)


def read_language(value: Any, name: str) -> str | None:
    """Read a language tag and write it as BCP 47 (RFC 5646, section 2.1.1) recommends: ``pt_br`` becomes ``pt-BR``."""
    if value is None:
        return None
    text = clean_line(read_text(value, name)).replace("_", "-")
    if not text:
        return None
    if not _LANGUAGE.fullmatch(text) or len(text) > MAX_NAME:
        raise ArticleError(f'{name}: expected a language tag such as "en" or "pt-BR", not {shown(value)}')
    language, *rest = text.split("-")
    parts = [language.lower()]
    for part in rest:
        # After a singleton (x, u, t …) everything is lower case.
        if len(parts[-1]) == 1 or any(len(earlier) == 1 for earlier in parts):
            parts.append(part.lower())
        elif len(part) == 2:  # noqa: PLR2004 - a region: two letters
            parts.append(part.upper())
        elif len(part) == 4 and part.isalpha():  # noqa: PLR2004 - a script: four letters
            parts.append(part.title())
        else:
            parts.append(part.lower())
    return "-".join(parts)


def read_expiry(value: Any, name: str, zone: ZoneInfo) -> datetime | None:
    """Read when an article ends; a year from 9000 on says "never"."""
    year = value.year if isinstance(value, date) else None
    if isinstance(value, str) and re.match(r"\s*9\d{3}-", value):
        year = int(value.strip()[:4])
    return None if year is not None and year >= _NEVER_YEAR else read_time(value, name, zone)


def read_time(value: Any, name: str, zone: ZoneInfo) -> datetime | None:
    """Read a time as aware UTC, whole seconds; without a zone it is meant in ``zone``, a bare date is its midnight.

    Takes dates, datetimes, seconds or milliseconds since 1970, ISO 8601 and RFC 5322 (section 3.3) texts.
    """
    if value is None or value == "":
        return None
    try:
        found = _parse(value)
        if not _EARLIEST_YEAR <= found.year <= _LATEST_YEAR:
            raise ArticleError(
                f"{name}: {shown(value)} lies outside the years {_EARLIEST_YEAR} to {_LATEST_YEAR}; is it a stand-in "
                "for an unknown date? Leave the field empty then"
            )
        aware = found if found.tzinfo else found.replace(tzinfo=zone)
        return aware.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise ArticleError(
            f'{name}: expected a date such as "2026-11-22" or "2026-11-22T07:30:00Z", not {shown(value)}'
        ) from error


def _parse(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, bool):
        raise TypeError(value)
    if isinstance(value, int | float | Decimal):
        return _from_epoch(float(value))
    text = clean_line(read_text(value, "date"))
    if len(text) == 8 and text.isdigit():  # noqa: PLR2004 - 20261122 is a date, not seconds
        return datetime.fromisoformat(text)
    if _NUMBER.fullmatch(text):
        return _from_epoch(float(text))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _from_epoch(seconds: float) -> datetime:
    if abs(seconds) >= _EPOCH_MILLISECONDS:
        seconds /= 1000
    return datetime.fromtimestamp(seconds, UTC)
