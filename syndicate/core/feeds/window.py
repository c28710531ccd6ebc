"""Which entries a document holds: by count and age from their dates, by size from what they weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from syndicate.core.feeds.entries import FeedEntry

# Articles within max_age stay beyond max_items, but a flood must not make documents that no reader takes.
MOST_TIMES = 4
# What stands around an entry's texts in the longest of the formats, in bytes.
_FRAME = 700


def most_items(max_items: int, max_age: timedelta | None) -> int:
    """The most entries that a window can hold before its size is looked at."""
    return max_items * MOST_TIMES if max_age else max_items


def in_window(
    published: Sequence[datetime], now: datetime, *, max_items: int, max_age: timedelta | None
) -> tuple[int, datetime | None]:
    """How many of these articles, newest first, are in the window, and when time alone takes one out of it.

    A window holds ``max_items``, and beyond them what is younger than ``max_age``.
    """
    if not max_age:
        return min(len(published), max_items), None
    bound = min(len(published), most_items(max_items, max_age))
    kept = min(bound, max_items)
    while kept < bound and published[kept] > now - max_age:
        kept += 1
    return kept, published[kept - 1] + max_age if kept > max_items else None


def weight(entry: FeedEntry) -> int:
    """About how many bytes an entry takes in XML, from its texts alone: the same on every machine."""
    texts = (entry.title, entry.summary, entry.html, entry.markdown or "", *entry.categories, *entry.authors)
    return _FRAME + sum(map(_escaped_size, texts))


def fit(entries: Sequence[FeedEntry], max_size: int) -> tuple[FeedEntry, ...]:
    """The newest entries whose document is about ``max_size`` bytes at most; at least one.

    An entry that alone is larger shows its summary: one enormous article must not push out all others.
    """
    kept: list[FeedEntry] = []
    total = 0
    for entry in entries:
        fitting, size = _lightened(entry, max_size)
        total += size
        if kept and total > max_size:
            break
        kept.append(fitting)
    return tuple(kept)


def all_of(entries: Sequence[FeedEntry], max_size: int) -> tuple[FeedEntry, ...]:
    """All entries, for a document that may leave none out: the largest ones as summaries until the rest is whole."""
    found = [_lightened(entry, max_size) for entry in entries]
    total = sum(size for _, size in found)
    for place in sorted(range(len(found)), key=lambda place: found[place][1], reverse=True):
        if total <= max_size:
            break
        light = _light(found[place][0], max_size)
        total -= found[place][1] - light[1]
        found[place] = light
    return tuple(entry for entry, _ in found)


def _lightened(entry: FeedEntry, max_size: int) -> tuple[FeedEntry, int]:
    size = weight(entry)
    return (entry, size) if size <= max_size else _light(entry, max_size)


def _light(entry: FeedEntry, max_size: int) -> tuple[FeedEntry, int]:
    summary = entry.summary if len(entry.summary) * 4 < max_size else f"{entry.summary[: max_size // 8].rstrip()} …"
    light = replace(entry, html="", markdown=None, summary=summary, categories=_few(entry.categories, max_size))
    return light, weight(light)


def _escaped_size(text: str) -> int:
    """The bytes of a text in XML, escaped (&amp; &lt; &gt;) and in UTF-8; counting costs a twentieth of escaping."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return size + 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))


def _few(terms: tuple[str, ...], max_size: int) -> tuple[str, ...]:
    kept, total = [], 0
    for term in terms:
        total += 40 + len(term.encode())
        if total > max_size // 4:
            break
        kept.append(term)
    return tuple(kept)
