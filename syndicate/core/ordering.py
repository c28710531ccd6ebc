"""In which order articles stand in an issue, and so which of them it holds: by rank, then by section."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from syndicate.config.sections import Digest

if TYPE_CHECKING:
    from syndicate.core.selection import Outline


def ranked(outlines: Iterable[Outline], digest: Digest, carried: Collection[int]) -> list[Outline]:
    """Put articles in order: pinned ones, then what was carried (oldest first, in any order), then by ``order``.

    What was carried stands before what is new, or an article that few read would be carried for ever.
    """
    key = _KEYS[digest.order]
    return sorted(
        outlines,
        key=lambda each: (
            not each.pinned,
            each.id not in carried,
            (each.published_at, -each.id) if each.id in carried else key(each),
        ),
    )


def by_section(outlines: Sequence[Outline], sections: Sequence[str]) -> tuple[Outline, ...]:
    """Put the articles of a section together: sections with a pinned article, those named, then the others.

    Within a section, and among the others, the order stays; articles without a category come last unless pinned.
    Without ``sections`` nothing is moved.
    """
    if not sections:
        return tuple(outlines)
    named = {section.casefold(): place for place, section in enumerate(sections)}
    first: dict[str, int] = {}
    pinned = {outline.category for outline in outlines if outline.pinned}
    for place, outline in enumerate(outlines):
        first.setdefault(outline.category, place)

    def place_of(outline: Outline) -> tuple[bool, bool, int, int]:
        category = outline.category
        alone = not category
        leads = outline.pinned if alone else category in pinned
        return not leads, alone and not leads, named.get(category, len(named)), first[category]

    return tuple(sorted(outlines, key=place_of))


def _by_title(outline: Outline) -> tuple[Any, ...]:
    # É stands beside E, not after Z.
    plain = "".join(each for each in unicodedata.normalize("NFKD", outline.title) if not unicodedata.combining(each))
    return plain.casefold(), *_newest(outline)


def _newest(outline: Outline) -> tuple[Any, ...]:
    return -outline.published_at.timestamp(), -outline.id


def _by_popularity(outline: Outline) -> tuple[Any, ...]:
    known = outline.popularity is not None
    return not known, -(outline.popularity or 0.0), *_newest(outline)


_KEYS = {
    "newest": _newest,
    "oldest": lambda outline: (outline.published_at, outline.id),
    "popularity": _by_popularity,
    "title": _by_title,
}
