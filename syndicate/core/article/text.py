"""Plain text: what may stand in it, how names are compared, and where a text may be cut.

Nothing here knows HTML. Characters follow the Char production of XML 1.0 (section 2.2).
"""

from __future__ import annotations

import re
import unicodedata

from syndicate.core.render.graphemes import graphemes

ELLIPSIS = "…"
_ABBREVIATION = 3  # letters: "Mr.", "No.", "z.B."; a sentence that ends with so short a word only becomes two

# Outside XML's Char production; DEL and C1, which no text means; noncharacters; a byte order mark inside a text. All
# below U+10000: one character beyond would make the expressions ten times slower.
_FORBIDDEN_CHARACTERS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff"
_FORBIDDEN = re.compile(f"[{_FORBIDDEN_CHARACTERS}]")
_CLEAN = re.compile(
    f"[^\r\x85{_FORBIDDEN_CHARACTERS}]*"
)  # 7 ns a character; looking for a forbidden one takes three times that
_LINE_END = re.compile("\r\n?|\x85")
_SPACE = re.compile("[ \t\n\u2028\u2029]+")  # not the no-break space: French puts it before a question mark
# Embeddings, overrides and isolates: in a title or a name they reorder the text that stands around it.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")

_SENTENCE_END = re.compile(r"[.!?…।؟۔]+[\"'”’»)\]]*(?=\s)|[。！？｡]+[」』”’）]*")  # noqa: RUF001 - CJK punctuation is meant


def clean_text(text: str) -> str:
    """Remove what may not stand in XML and unify line ends; everything else stays as it is."""
    if (text.isascii() and text.isprintable()) or _CLEAN.fullmatch(text):
        return text
    return _FORBIDDEN.sub("", _LINE_END.sub("\n", text))


def clean_line(text: str) -> str:
    """Make one line of plain text for a title or a name: NFC, white space folded, no direction overrides.

    What looks like mark-up stays literally: ``AT&T <em>`` is a title like any other.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", _DIRECTION.sub("", text))
    elif text.isprintable() and "  " not in text:
        return text.strip()  # most names
    return _SPACE.sub(" ", clean_text(text)).strip()


def fold(term: str) -> str:
    """Give the form in which categories, tags and authors are compared: one line, case-folded."""
    return clean_line(term).casefold()


def cut_text(text: str, limit: int) -> str:
    """Shorten one line of text to at most ``limit`` characters: at a sentence end, else a word end with an ellipsis.

    Never cuts inside a grapheme cluster; texts without spaces (Chinese, Japanese, Thai) are cut between clusters.
    """
    if len(text) <= limit:
        return text
    boundaries = _boundaries(text, limit)
    # A sentence end counts when it keeps at least half of the space; otherwise too little would be said.
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, limit + 1)]
    for end in reversed(ends):
        if limit // 2 <= end <= limit and end in boundaries:
            return text[:end]
    room = limit - len(ELLIPSIS)
    space = text.rfind(" ", room // 2, room + 1)
    cut = space if space > 0 else max(boundary for boundary in boundaries if boundary <= room)
    return text[:cut].rstrip(" ,;:–—-、，") + ELLIPSIS  # noqa: RUF001 - dashes and CJK commas are meant


def first_sentence(text: str, limit: int) -> str:
    """Give the first sentence of one line of text, shortened to ``limit`` characters if it is longer.

    What looks like an abbreviation (a single letter, "No.", a number) ends no sentence.
    """
    for match in _SENTENCE_END.finditer(text, 0, limit + 1):
        before = text[: match.start()].rsplit(" ", 1)[-1]
        if match[0][0] != "." or len(before) > _ABBREVIATION or match.end() >= len(text):
            return text[: match.end()] if match.end() <= limit else cut_text(text, limit)
    return cut_text(text, limit)


def _boundaries(text: str, limit: int) -> set[int]:
    """Where a text may be cut, up to ``limit``: before each user-perceived character."""
    found = {0}
    position = 0
    # A cluster may be any length (combining marks without end): never look further than needed to know the last
    # boundary.
    for cluster in graphemes(text[: limit + 1]):
        position += len(cluster)
        if position <= limit:
            found.add(position)
    return found
