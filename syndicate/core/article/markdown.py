"""Markdown to HTML: CommonMark 0.31 with tables and strike-through, by markdown-it-py; HTML in it passes.

Paragraphs take a short way with the same result: the parser is half the cost of a first ingest of a folder.
"""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt

# What can reach over a blank line (lists, indented and fenced code, HTML) or work from afar (link definitions, "]:"). A
# document that has one anywhere goes to the parser as a whole. It begins with a line end, since that is found fast.
_REACHING = re.compile(r"\n(?:[ \t]+\S|[-*+](?:\s|$)|\d{1,9}[.)](?:\s|$)|```|~~~|<)")
_BLANK = re.compile(r"\n(?:[ \t]*\n)+")
# Lines that begin with a letter or an opening quote can only be a paragraph.
_PARAGRAPH_LINE = r"""(?:[^\W\d_]|["'(“‘«„¿¡…])[^\n]*"""  # noqa: RUF001 - quotation marks are meant
_PARAGRAPH = re.compile(rf"{_PARAGRAPH_LINE}(?:\n{_PARAGRAPH_LINE})*(?<!\s)")
# What means something within a paragraph: emphasis, links, code, entities, HTML; space that makes a line break.
_MARK = re.compile(r"[\\`*_\[\]<&~]")
_SPACE_AT_END = re.compile(r"\s\n")

# What a renderer that does not sanitise may make more of than we do: tags, and links to what is no absolute address.
_TAG = re.compile(r"<(?!https?://|mailto:)[A-Za-z/!?]")
_OTHER_LINK = re.compile(r"\](?:\(|:)(?!\s*<?(?:https?://|mailto:|#))", re.IGNORECASE)


def is_portable(text: str) -> bool:
    """Whether any renderer of Markdown makes of this what we publish: no HTML in it, no relative or active link.

    What only looks like one of these (in code, say) counts as one.
    """
    return not _TAG.search(text) and not _OTHER_LINK.search(text)


def render_markdown(text: str) -> str:
    """Render a document. The result is not sanitised.

    2.4 KB of prose with one link: 0.37 ms by the parser alone, 0.2 ms by paragraphs.
    """
    if "]:" in text or _REACHING.search("\n" + text):
        return _render(text)
    # Each part ends in a line end, as it does within the document; its last line may have none.
    parts = _BLANK.split(text.strip("\n"))
    ends = ["\n"] * (len(parts) - 1) + ["\n" if text.endswith("\n") else ""]
    return "".join(
        f"<p>{_inline(part)}</p>\n" if _PARAGRAPH.fullmatch(part) else _render(part + end)
        for part, end in zip(parts, ends, strict=True)
    )


def _inline(paragraph: str) -> str:
    if not _MARK.search(paragraph) and not _SPACE_AT_END.search(paragraph):
        return paragraph.replace(">", "&gt;").replace('"', "&quot;")
    rendered: str = _parser().renderInline(paragraph)
    return rendered


def _render(text: str) -> str:
    rendered: str = _parser().render(text)
    return rendered


@cache
def _parser() -> MarkdownIt:
    # No linkify: it turns "e.g.and" into a link. HTML passes, since nh3 decides about it afterwards.
    return MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
