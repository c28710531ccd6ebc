"""Bounds how deep HTML is nested, in linear time: parsers of HTML5 take the square of the depth, renderers the stack.

50,000 open ``<div>`` take nh3 nine seconds; libxml2 gives up at depth 256, and closes what it has read.
"""

from __future__ import annotations

import html as entities
import re

from lxml import etree

MAX_DEPTH = 200  # elements; a text of a hundred levels of quotes is unheard of, and libxml2 stops at 256
_HARMLESS = 4_000  # tags: nested without any end, they take nh3 0.15 s
# Neither text of the article nor mark-up: what stands in them could look like the end of something else.
_OPAQUE = ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext")
_OPAQUE_ELEMENT = re.compile(
    rf"<({'|'.join(_OPAQUE)})\b.*?(?:</\1\b[^<>]*>?|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE
)
_BLOCK_END = re.compile(
    r"</?(?:p|div|li|h[1-6]|blockquote|pre|tr|table|section|article|dt|dd|figure)\b[^<>]*>", re.IGNORECASE
)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>?")
_START_OR_END = re.compile(r"<(/?)([a-z][a-z0-9]*)")
_VOID = frozenset({"br", "hr", "img", "wbr", "col"})


class NestingError(ValueError):
    """HTML is nested too deeply to be shown anywhere."""

    def __init__(self) -> None:
        super().__init__(f"its HTML is nested more than {MAX_DEPTH} levels deep")


def bounded(source: str) -> str:
    """Give the same HTML, well-formed if it has very many tags, for a parser of HTML5. Raises NestingError.

    What comes out has all its ends where they belong, so that no parser can nest it deeper than it was found to be.
    """
    if source.count("<") <= _HARMLESS:
        return source
    parser = etree.HTMLParser(remove_comments=True, remove_pis=True)
    root = etree.fromstring(f"<html><body>{source}", parser)
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise NestingError
    etree.strip_elements(root, *_OPAQUE, "svg", "math", "template", "select", with_tail=False)
    written: str = etree.tostring(root, encoding="unicode", method="html")
    return written


def check_depth(sanitised: str) -> None:
    """Raise NestingError when sanitised HTML, where every element has its end, is nested too deeply."""
    if sanitised.count("</") <= MAX_DEPTH:
        return
    depth = 0
    for end, tag in _START_OR_END.findall(sanitised):
        if tag not in _VOID:
            depth += -1 if end else 1
            if depth > MAX_DEPTH:
                raise NestingError


def bare_text(source: str) -> str:
    """Give the text of HTML without any tag, a blank line between its blocks. In linear time, however broken it is."""
    text = _BLOCK_END.sub("\n\n", _OPAQUE_ELEMENT.sub(" ", source))
    return entities.unescape(_TAG.sub("", text))
