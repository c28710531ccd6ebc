"""Slugs: how a term (a category, an author) stands in an address and as a folder. A slug that was given out stays.

Which were given is the store's to remember.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from hashlib import sha256
from itertools import count
from urllib.parse import quote

# File systems allow 255 bytes a name; a letter takes up to four in UTF-8.
_LONGEST = 60
_GAPS = re.compile(" +")


def slug(term: str) -> str:
    """The slug of a term: letters and digits of any script, lower case, joined by hyphens; never empty.

    Latin letters lose their accents ("Häfen" is ``hafen``), other scripts stay: readers' browsers show them. What holds
    no letter and no digit ("+++") gets a name made of its hash.
    """
    # Folded in between: a letter that is a variant of a capital is a capital only when it was taken apart.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", term).casefold())
    kept: list[str] = []
    for character in folded:
        if unicodedata.category(character)[0] not in "LMN":
            kept.append(" ")
        # A mark on a Latin letter is an accent; elsewhere it is part of the writing (Devanagari, Thai).
        elif not (unicodedata.combining(character) and kept and kept[-1].isascii()):
            kept.append(character)
    composed = unicodedata.normalize("NFC", "".join(kept))
    short = _GAPS.sub("-", composed.strip())[:_LONGEST].strip("-")
    return short or f"term-{sha256(term.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def free_slug(term: str, taken: Container[str]) -> str:
    """The slug of a term, numbered when another term has it already ("C" and "C++": ``c``, ``c-2``)."""
    wanted = slug(term)
    if wanted not in taken:
        return wanted
    return next(numbered for number in count(2) if (numbered := f"{wanted}-{number}") not in taken)


def quoted_path(path: str) -> str:
    """A path below ``feeds/`` as it stands in an address (RFC 3986, section 3.3)."""
    return quote(path, safe="/-._~")
