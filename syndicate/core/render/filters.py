"""The filters that templates have beside Jinja's own: dates, shortening, addresses, fixed words with values in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from syndicate.core.article.text import cut_text
from syndicate.core.render.graphemes import display_width
from syndicate.core.render.languages import date_locale, locale_of
from syndicate.core.render.reading import reading_text
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
        "number": partial(_number, language),
        "put": partial(_put, language),
        "text": _text,
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


def _number(language: str, value: float, decimals: int | None = None) -> str:
    """A number as the language writes it: ``1,234.5``, ``1.234,5``; ``decimals`` rounds it."""
    return str(format_decimal(value if decimals is None else round(value, decimals), locale=locale_of(language)))


def _put(language: str, sentence: Any, /, **values: Any) -> str:
    """Values in the places of a sentence of the words, as in ``words.left_out | put(count=3)``.

    Whole numbers are written as the language does; of several forms, ``count`` chooses the one to take (CLDR).
    """
    if isinstance(sentence, Mapping):
        count = values.get("count")
        if not isinstance(count, int):
            raise TypeError("this sentence has a form for each kind of number: put(count=…) must be a whole number")
        sentence = sentence.get(locale_of(language).plural_form(count), sentence["other"])
    shown = {name: _number(language, one) if type(one) is int else str(one) for name, one in values.items()}
    return _FIELD.sub(lambda match: shown.get(match[1], match[0]), str(sentence))


def _text(value: Any, first: int = 1) -> str:
    """HTML as text for reading; its links are numbered from ``first`` and listed below it."""
    return reading_text(str(value), first=first)


def _underline(value: Any, character: str = "-") -> str:
    """A heading of the text part: the line and one of dashes of the same display width."""
    line = " ".join(str(value).split())
    return f"{line}\n{character * min(max(display_width(line), 3), WIDTH)}"
