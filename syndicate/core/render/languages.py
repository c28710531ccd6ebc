"""What a language tag (BCP 47) means for a page: its Babel locale, its direction, and the tags to fall back to."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale, UnknownLocaleError

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


def direction(tag: str) -> str:
    """``rtl`` for languages written from right to left, else ``ltr``, as HTML's dir attribute wants it."""
    return str(locale_of(tag).text_direction) if tag else "ltr"
