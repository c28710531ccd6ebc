"""Names that an article's front matter has and nobody reads: which one was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache

from syndicate.core.article.fields import shown

FIELDS = frozenset(
    {
        "id",
        "title",
        "url",
        "summary",
        "author",
        "authors",
        "publisher",
        "category",
        "tags",
        "language",
        "date",
        "published_at",
        "updated",
        "updated_at",
        "expires",
        "expires_at",
        "withdrawn",
        "pinned",
        "kind",
        "image",
        "image_alt",
        "comments",
        "comments_url",
        "popularity",
    }
)
# Where another word than ours is usual, with site generators mostly. Other unknown names are somebody else's business.
_OTHER_WORDS = {
    "description": "summary",
    "excerpt": "summary",
    "standfirst": "summary",
    "headline": "title",
    "byline": "author",
    "section": "category",
    "keywords": "tags",
    "lang": "language",
    "link": "url",
    "permalink": "url",
    "draft": "withdrawn",
    "published": "published_at",
    "lastmod": "updated",
    "modified": "updated",
}
_SAME = ({"author", "authors"}, {"date", "published_at"}, {"updated", "updated_at"}, {"expires", "expires_at"})
_LIKENESS = 0.75  # "categories" is like "category" by 0.78
_LONGEST = 40  # no misspelt name is longer, and comparing takes the product of the lengths


def unread_fields(names: Iterable[str]) -> Iterator[str]:
    """Give a hint for each name that looks like a field of ours, is none, and whose field is not given as well."""
    given = set(names)
    for name in sorted(given - FIELDS):
        meant = _meant(name[: _LONGEST + 1])
        if meant and not given & _spellings(meant):
            yield f"{shown(name)} is not read; did you mean {shown(meant)}?"


def _spellings(name: str) -> set[str]:
    return next((names for names in _SAME if name in names), {name})


@lru_cache(maxsize=1000)
def _meant(name: str) -> str | None:
    if name in _OTHER_WORDS:
        return _OTHER_WORDS[name]
    close = get_close_matches(name, sorted(FIELDS), n=1, cutoff=_LIKENESS) if len(name) <= _LONGEST else []
    return close[0] if close else None
