"""What a language tag (BCP 47) means for a page: its Babel locale, its direction, and the tags to fall back to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.lists import format_list

ENGLISH = "en"


def fallback_chain(*tags: str | None) -> list[str]:
    """Each tag followed by its shorter forms (``pt-BR``, ``pt``), then English; lower case, without repetition."""
    chain: dict[str, None] = {}
    for tag in (*tags, ENGLISH):
        parts = (tag or "").replace("_", "-").lower().split("-")
        for length in range(len(parts), 0, -1):
            chain["-".join(parts[:length])] = None
    chain.pop("", None)
    return list(chain)


@lru_cache(maxsize=256)
def locale_of(tag: str) -> Locale:
    """The nearest locale that Babel knows; English when it knows none."""
    for candidate in fallback_chain(tag):
        try:
            return Locale.parse(candidate, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return Locale(ENGLISH)  # pragma: no cover - the chain ends with English


def list_of(names: Sequence[str], tag: str) -> str:
    """Names as they are listed in a language: ``A, B and C``."""
    return str(format_list(list(names), locale=locale_of(tag)))


@lru_cache(maxsize=256)
def date_locale(tag: str, zone: str) -> Locale:
    """How dates are written for a language: as its own region does (``en-GB``), else as the country of the zone does.

    ``zone`` is an IANA name. English in Europe/London gives 22 November 2026, in America/New_York November 22, 2026.
    """
    locale = locale_of(tag)
    territory = get_global("zone_territories").get(zone)
    if locale.territory or locale.script or not territory:
        return locale
    try:
        return Locale.parse(f"{locale.language}_{territory}")
    except (ValueError, UnknownLocaleError):  # nobody writes this language there that CLDR knows of
        return locale


def with_region(tag: str, *wanted: str | None) -> str:
    """The tag with the region of the first wanted one that is of the same language and has one (``en``, ``en-GB``).

    Only regions that Babel knows count, so that the tags of readers cannot make editions without end.
    """
    own = locale_of(tag)
    if not own.territory:
        for other in map(locale_of, filter(None, wanted)):
            if other.language == own.language and other.territory:
                return f"{tag}-{other.territory}"
    return tag


def language_name(tag: str) -> str:
    """What a language calls itself ("Deutsch", "العربية"); the tag of one that Babel does not know."""
    locale = locale_of(tag)
    known = locale.language == fallback_chain(tag)[0].partition("-")[0]
    return (known and locale.get_display_name()) or tag


def direction(tag: str) -> str:
    """``rtl`` for languages written from right to left, else ``ltr``, as HTML's dir attribute wants it."""
    return str(locale_of(tag).text_direction) if tag else "ltr"
