"""The words of a mail: a text part without mark-up, nothing unfinished, the sender's address."""

from __future__ import annotations

import re
from collections.abc import Iterator

from syndicate.core.preflight.finding import Finding, error, warning

_MARKUP = re.compile(
    r"</?(?:p|div|br|span|table|tr|td|ul|ol|li|strong|em|h[1-6])(?:\s[^<>]*)?/?>|&nbsp;",
    re.IGNORECASE,
)
# What editors and templates write for what is still to come. TK stands alone in capitals ("to come").
_CERTAIN = re.compile(
    r"\blorem ipsum\b|\{\{.*?\}\}|\{%.*?%\}|\*\|[A-Z_:]+\|\*|%%[A-Za-z_]+%%|\[(?:TODO|TBD|TK|INSERT)[^\]]*\]",
    re.IGNORECASE,
)
_LIKELY = re.compile(r"\b(?:TK(?:TK)*|TODO|FIXME|TBD)\b(?! [A-Z][a-z])")
_AROUND = 20
_LETTERS = 3


def check_text(text: str, where: str) -> Iterator[Finding]:
    """The text part as people read it."""
    if sum(letter.isalnum() for letter in text) < _LETTERS:
        yield error("text-empty", "the text part is empty", where)
    found = _MARKUP.search(text)
    if found:
        yield warning("text-markup", f"there is mark-up in the text: {found[0][:_AROUND]}", where)


def check_placeholders(text: str, where: str, *, said: str | None = None) -> Iterator[Finding]:
    """What is left unfinished. ``said``: the text is a subject, and this is what articles say themselves.

    In a subject, what is certainly a placeholder and no article's own words keeps the issue back.
    """
    certain = _CERTAIN.search(text)
    if certain:
        ours = said is not None and certain[0] not in said
        yield (error if ours else warning)("placeholder", f"unfinished: {_around(text, certain)}", where)
    elif likely := _LIKELY.search(text):
        yield warning("placeholder", f"perhaps unfinished: {_around(text, likely)}", where)


def check_postal_address(address: str, html: str, text: str, where: str) -> Iterator[Finding]:
    """The sender's postal address must stand in both parts."""
    if not address.strip():
        yield warning("postal-address", "no postal address is set", "site.postal_address")
        return
    words = re.findall(r"\w+", address)
    for content, name in ((html, f"{where}.html"), (text, f"{where}.txt")):
        if not all(word in content for word in words):
            yield warning("postal-address", "the postal address does not stand in the mail", name)


def _around(text: str, found: re.Match[str]) -> str:
    line = text.rfind("\n", 0, found.start()) + 1
    start, end = max(found.start() - _AROUND, line), found.end() + _AROUND
    return f"“{text[start:end].partition(chr(10))[0].strip()}”"
