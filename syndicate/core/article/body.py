"""An article's body: Markdown, plain text or HTML in, HTML out; and plain text from HTML that was sanitised."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator

from syndicate.core.article.markdown import render_markdown
from syndicate.core.article.text import clean_line, cut_text

SUMMARY_LENGTH = 280

# These work on sanitised HTML only, where tags are well formed and "<" and ">" stand nowhere else.
_TOKEN = re.compile(r"<(/?)([a-z][a-z0-9]*)[^>]*>|([^<]+)")
_FIRST_HEADING = re.compile(r"\s*<h([1-6])[^>]*>(.*?)</h\1>\s*", re.DOTALL)
_ANY_HEADING = re.compile(r"<h([1-6])[^>]*>(.*?)</h\1>", re.DOTALL)
# fmt: off
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "del", "dfn", "em", "i", "img", "ins", "kbd", "mark", "q", "s",
    "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr", "ruby", "rb", "rt", "rp",
})
# fmt: on
# What a summary leaves out: it is no running text, or repeats it.
# fmt: off
_NO_PROSE = frozenset({
    "h1", "h2", "h3", "h4", "h5", "h6", "figcaption", "table", "pre", "rt", "rp",
})
# fmt: on


def render_body(body: str, form: str) -> str:
    """Turn a body in ``markdown``, ``text`` or ``html`` into HTML that is not yet sanitised.

    Blank lines separate the paragraphs of a text.
    """
    if form == "markdown":
        return render_markdown(body)
    if form == "text":
        paragraphs = (
            part.strip("\n") for part in re.split(r"\n[ \t]*\n", body.replace("\r\n", "\n").replace("\r", "\n"))
        )
        return "\n".join(
            "<p>" + entities.escape(part, quote=False).replace("\n", "<br>\n") + "</p>"
            for part in paragraphs
            if part.strip()
        )
    return body


def plain_text(html: str) -> str:
    """Give the text of sanitised HTML as one line."""
    return clean_line("".join(_texts(html, frozenset())))


def first_heading(html: str) -> str:
    """Give the text of the first heading of sanitised HTML, or nothing."""
    match = _ANY_HEADING.search(html)
    return plain_text(match[2]) if match else ""


def without_title(html: str, title: str) -> str:
    """Drop a first heading that only repeats the title; readers show the title themselves."""
    match = _FIRST_HEADING.match(html)
    if match and plain_text(match[2]).casefold() == title.casefold():
        return html[match.end() :]
    return html


def summarise(html: str, limit: int = SUMMARY_LENGTH) -> str:
    """Make a summary of at most ``limit`` characters from the running text of sanitised HTML."""
    return cut_text(_beginning(html, _NO_PROSE, limit) or _beginning(html, frozenset(), limit), limit)


def _beginning(html: str, without: frozenset[str], limit: int) -> str:
    # Four times the limit leaves room for white space that folds; the rest of a long article is not looked at.
    parts: list[str] = []
    length = 0
    for part in _texts(html, without):
        parts.append(part)
        length += len(part)
        if length > 4 * limit:
            break
    return clean_line("".join(parts))


def _texts(html: str, without: frozenset[str]) -> Iterator[str]:
    skipping = ""
    depth = 0
    for match in _TOKEN.finditer(html):
        closing, tag, text = match.groups()
        if text is not None:
            if not depth:
                yield entities.unescape(text)
            continue
        if tag == skipping:
            depth += -1 if closing else 1
        elif not depth and tag in without and not closing:
            skipping, depth = tag, 1
        if not depth:
            skipping = ""
        if tag not in _INLINE:
            yield " "
