"""The filters that templates have beside Jinja's own: dates, shortening, addresses, fixed words with values in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

from syndicate.core.article.text import cut_text
from syndicate.core.render.graphemes import display_width
from syndicate.core.render.languages import date_locale
from syndicate.core.render.slots import Slot
from syndicate.core.render.text_part import WIDTH
from syndicate.core.render.web_addresses import safe_url

_NAMED = ("short", "medium", "long", "full")
_FIELD = re.compile(r"\{(\w+)\}")


def filters_for(language: str, zone: ZoneInfo) -> Mapping[str, Callable[..., Any]]:
    """All filters, with dates bound to an edition's language and zone."""
    locale = date_locale(language, zone.key)

    def localised(value: date | datetime | None, pattern: str = "long") -> str:
        """A date as the language and region have it: ``short``, ``medium``, ``long``, ``full``, or a CLDR pattern."""
        if value is None:
            return ""
        if not isinstance(value, date):
            # str() of something undefined says what is undefined.
            raise TypeError(f"the date filter wants a date such as issue.date, not {str(value)!r}")
        if isinstance(value, datetime):
            if pattern not in _NAMED:
                return str(format_datetime(value, pattern, tzinfo=zone, locale=locale))
            value = value.astimezone(zone).date()
        return str(format_date(value, pattern, locale=locale))

    return {
        "date": localised,
        "fallback": _fallback,
        "put": _put,
        "truncate_text": _truncate_text,
        "underline": _underline,
        "url": _url,
    }


def _fallback(value: Any, text: Any) -> Slot:
    if not isinstance(value, Slot):
        raise TypeError('fallback is for slots: {{ recipient.name | fallback("reader") }}')
    return value.or_else(str(text))


def _truncate_text(value: Any, length: int) -> str:
    return cut_text(str(value), length)


def _url(value: Any) -> str:
    return safe_url(str(value))


def _put(value: Any, **values: Any) -> str:
    """Values in the places of a sentence of the word tables: ``"By {names}" | put(names=…)``."""
    return _FIELD.sub(lambda match: str(values[match[1]]) if match[1] in values else match[0], str(value))


def _underline(value: Any, character: str = "-") -> str:
    """A heading of the text part: the line and one of dashes of the same display width."""
    line = " ".join(str(value).split())
    return f"{line}\n{character * min(max(display_width(line), 3), WIDTH)}"
