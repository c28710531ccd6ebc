"""User-perceived characters of a text and the columns they take on a terminal.

A working subset of UAX #29 (combining marks, joined emoji, flags, Hangul jamo) and of UAX #11 (East Asian width).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_JOINER = "\u200d"
_JOINERS = (_JOINER, "\u200c")
_EMOJI_STYLE = "\ufe0f"
_MARKS = frozenset({"Mn", "Me", "Mc"})
_EXTENDERS = frozenset(map(chr, [*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)]))  # skin tones, tags of flags
_FLAG_LETTERS = frozenset(map(chr, range(0x1F1E6, 0x1F200)))  # regional indicators
_HANGUL_TAILS = frozenset(map(chr, range(0x1160, 0x1200)))
_HANGUL_SYLLABLES = frozenset(map(chr, [*range(0x1100, 0x1200), *range(0xAC00, 0xD7A4)]))


def graphemes(text: str) -> Iterator[str]:
    """Split a text into user-perceived characters; joined together they are the text again."""
    if text.isascii():
        yield from text
        return
    cluster = ""
    for character in text:
        if cluster and _continues(cluster, character):
            cluster += character
        else:
            if cluster:
                yield cluster
            cluster = character
    if cluster:
        yield cluster


def display_width(text: str) -> int:
    """Columns of a text in a fixed-width font: wide characters (CJK, emoji) count two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_cluster_width(cluster) for cluster in graphemes(text))


def is_wide(character: str) -> bool:
    """Whether one character takes two columns (UAX #11: W or F)."""
    return unicodedata.east_asian_width(character) in "WF"


def _continues(cluster: str, character: str) -> bool:
    if character in _JOINERS or unicodedata.category(character) in _MARKS or character in _EXTENDERS:
        return True
    if cluster[-1] == _JOINER:
        return unicodedata.category(character) == "So"
    if character in _FLAG_LETTERS:  # a flag is a pair of them
        return len(cluster) == 1 and cluster in _FLAG_LETTERS
    if character in _HANGUL_TAILS:  # vowels and finals join the syllable before them
        return cluster[-1] in _HANGUL_SYLLABLES
    return cluster == "\r" and character == "\n"


def _cluster_width(cluster: str) -> int:
    base = cluster[0]
    if _EMOJI_STYLE in cluster or is_wide(base) or base in _FLAG_LETTERS:
        return 2
    return 0 if unicodedata.category(base) in {"Mn", "Me", "Cf", "Cc"} else 1
