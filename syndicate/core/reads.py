"""Which articles a reader's language decides about, where a digest lets readers choose between languages.

The language of the words around the articles is another question: ``render/languages.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Reads:
    """The language of the digest's ``language_choice`` that a reader gets, and the others of it, which they do not."""

    language: str = ""
    others: tuple[str, ...] = ()

    def takes(self, tag: str) -> bool:
        """Whether an article in this language is for the reader: in theirs, or in none that there is a choice of."""
        if not self.others or not tag:
            return True
        return _taken(self, tag)


EVERY_LANGUAGE = Reads()


def reads(choice: Sequence[str], own: str, site: str) -> Reads:
    """What a reader of a language ("" = none chosen) reads, of a digest that offers ``choice``.

    The entry that is their tag, else the first that is the same language (``same_language``); for all others that of
    the site, else the first. Without a choice, or of one only, everybody gets everything.
    """
    if len(choice) <= 1:
        return EVERY_LANGUAGE
    found = _nearest(choice, own) or _nearest(choice, site) or choice[0]
    return Reads(found, tuple(entry for entry in choice if entry != found))


def same_language(one: str, other: str) -> bool:
    """Whether one tag is the beginning of the other: ``en`` and ``en-GB``, not ``pt-BR`` and ``pt-PT``.

    Basic filtering of RFC 4647 (section 3.3.1), in both directions.
    """
    one, other = one.lower(), other.lower()
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")


def _nearest(choice: Sequence[str], tag: str) -> str:
    if not tag:
        return ""
    exact = (entry for entry in choice if entry.lower() == tag.lower())
    near = (entry for entry in choice if same_language(entry, tag))
    return next(exact, None) or next(near, "")


@lru_cache(maxsize=4096)
def _taken(of: Reads, tag: str) -> bool:
    return same_language(of.language, tag) or not any(same_language(other, tag) for other in of.others)
