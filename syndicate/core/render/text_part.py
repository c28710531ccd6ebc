"""Finishes the plain text of a mail: wraps every line by display width, hangs lists, keeps the signature mark.

Templates write long lines and never think about the width. Addresses are never broken.
"""

from __future__ import annotations

import re

from syndicate.core.render.graphemes import display_width, graphemes, is_wide
from syndicate.core.render.slots import marker_pattern, read_marker

WIDTH = 72
_HANGING = re.compile(r"( *(?:[-*\u2022] |\d{1,3}[.)] |> )?)(.*)", re.DOTALL)
# Japanese and Chinese line breaking (JIS X 4051, in short): what may not begin a line and what may not end one.
_NO_START = frozenset(
    "、。，．・：；？！」』）】〉》〕］｝’”々ー～…‥%％)]},.:;?!ぁぃぅぇぉっゃゅょァィゥェォッャュョ"  # noqa: RUF001 - CJK punctuation is meant
)
_NO_END = frozenset("「『（【〈《〔［｛‘“([{£$¥￥")  # noqa: RUF001 - the same


def finish_text(text: str, nonce: str, width: int = WIDTH) -> str:
    """The text part as it goes out: lines of at most ``width`` columns, single blank lines, one line end at the end."""
    lines: list[str] = []
    for raw in text.replace("\r\n", "\n").replace("\t", " ").split("\n"):
        line = raw.rstrip()
        if line == "--":
            lines.append("-- ")  # the mark before a signature keeps its blank (RFC 3676 4.3)
        elif not line:
            if lines and lines[-1]:
                lines.append("")
        else:
            lines += wrap_line(line, nonce, width)
    return "\n".join(lines).strip("\n") + "\n"


def wrap_line(line: str, nonce: str, width: int = WIDTH) -> list[str]:
    """One line as several; the following lines are indented like the text of the first (lists, quotations)."""
    if display_width(line) <= width and nonce not in line:
        return [line]
    match = _HANGING.match(line)
    lead, content = (match[1], match[2]) if match else ("", line)
    hang = "> " if lead.endswith("> ") else " " * display_width(lead)
    lines: list[str] = []
    current, used = lead, display_width(lead)
    empty = True
    for blank, unit in _units(content, nonce):
        size = _size(unit, nonce)
        if not empty and used + len(blank) + size > width:
            lines.append(current)
            current, used, blank = hang, display_width(hang), ""  # noqa: PLW2901 - a blank at the break goes
        current += blank + unit
        used += len(blank) + size
        empty = False
    return [*lines, current]


def _units(content: str, nonce: str) -> list[tuple[str, str]]:
    """What may not be broken, each with the blank before it: narrow words, single wide characters, markers."""
    units: list[tuple[str, str]] = []
    for word in content.split(" "):
        if not word:
            continue
        blank = " " if units else ""
        if word.isascii() or nonce in word:
            units.append((blank, word))
            continue
        piece = ""
        for cluster in graphemes(word):
            if piece and _breakable(piece[-1], cluster[0]):
                units.append((blank, piece))
                piece, blank = "", ""
            piece += cluster
        units.append((blank, piece))
    return units


def _breakable(before: str, after: str) -> bool:
    return (is_wide(before) or is_wide(after)) and after not in _NO_START and before not in _NO_END


def _size(unit: str, nonce: str) -> int:
    if nonce not in unit:
        return display_width(unit)
    # A name is guessed by its fallback text; what takes its place is known only per reader.
    pieces = marker_pattern(nonce).split(unit)
    return sum(
        max(display_width(read_marker(p, nonce)[1]), 8) if i % 2 else display_width(p) for i, p in enumerate(pieces)
    )
