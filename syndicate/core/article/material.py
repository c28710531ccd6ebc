"""Whether an edit makes an article say something else, or only better: what readers who have it are told of."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from itertools import groupby

from lxml import etree, html

from syndicate.model import ArticleContent

_WORD = re.compile(r"\w+(?:['’.,:]\w+)*")  # noqa: RUF001 - a quotation mark is meant
# Comparing texts longer than this word by word is not worth its time; then another length or beginning decides.
_LONGEST = 20_000


def is_material(before: ArticleContent, after: ArticleContent) -> bool:
    """Whether the words of title, summary or text say something else: added, left out, another number or word.

    Letters that changed places, punctuation, mark-up, pictures, topics and names of authors do not count. A publisher
    who dates edits has the word: an edit that leaves the given date as it was is none.
    """
    if after.updated_at is not None and after.updated_at == before.updated_at:
        return False
    return any(
        _differs(_words(old), _words(new))
        for old, new in (
            (before.title, after.title),
            (before.summary, after.summary),
            (_text(before.html), _text(after.html)),
        )
    )


def _text(source: str) -> str:
    if not source.strip():
        return ""
    root = html.fragment_fromstring(source, create_parent="div")
    # Blocks end words: <p>one</p><p>two</p> are two.
    return " ".join(str(part) for part in root.itertext()) if isinstance(root, etree.ElementBase) else source


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _differs(before: list[str], after: list[str]) -> bool:
    if before == after:
        return False
    if max(len(before), len(after)) > _LONGEST:
        return True
    # Two words that became one, or one that became two, are spelling, too ("a while", "awhile").
    if "".join(before) == "".join(after) and not any(map(str.isdigit, "".join(before))):
        return False
    for tag, old_from, old_to, new_from, new_to in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        old, new = before[old_from:old_to], after[new_from:new_to]
        if len(old) != len(new) or not all(_misspelt(one, other) for one, other in zip(old, new, strict=True)):
            return True
    return False


def _misspelt(one: str, other: str) -> bool:
    """Letters that changed places, were doubled or have another accent: what no other word or number is taken for.

    A letter more, less or another one is a million for a billion, or "can't" for "can": told once too often rather.
    """
    if any(letter.isdigit() for letter in one + other):
        return False
    first, second = _plain(one), _plain(other)
    return sorted(first) == sorted(second) or _undoubled(first) == _undoubled(second)


def _plain(word: str) -> str:
    found = unicodedata.normalize("NFD", word)
    return "".join(letter for letter in found if letter.isalpha() and not unicodedata.combining(letter))


def _undoubled(word: str) -> list[str]:
    return [letter for letter, _ in groupby(word)]
