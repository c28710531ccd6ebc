"""What of a mail everybody may see: its HTML without the parts that are one reader's own."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from lxml import html as parser

from syndicate.core.render.slots import CODES, marker_pattern, read_marker

_BOUNDARY = re.compile(rb'boundary="=_([a-z0-9]+)"')
_BLOCKS = frozenset({"p", "li", "td", "th", "div", "tr", "table", "footer", "section"})
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)


def public_page(message: bytes) -> str:
    """The HTML page of an edition's message (MIME with slots) as everybody may read it, "" if it has none.

    A name becomes its fallback text. Whatever else is a reader's own (addresses, links to unsubscribe) goes with the
    block that it stands in, and so does what mail programs hide (the preheader).
    """
    found = _BOUNDARY.search(message)
    parsed = message_from_bytes(message, policy=policy.default)
    part = parsed.get_body(("html",)) if isinstance(parsed, EmailMessage) else None
    if part is None:
        return ""
    page = str(part.get_content())
    root = parser.document_fromstring(page)
    if found:
        _remove_personal(root, found[1].decode())
    for element in list(root.iter("*")):
        hidden = element.get("hidden") is not None or _HIDDEN.search(element.get("style") or "")
        if hidden and element.getparent() is not None:
            _drop(element)
    written: str = parser.tostring(root, encoding="unicode", doctype="<!DOCTYPE html>")
    return written


def public_body(message: bytes) -> str:
    """The inside of that page's body, for a feed; it must be sanitised before it is published."""
    page = public_page(message)
    if not page:
        return ""
    body = parser.document_fromstring(page).find("body")
    if body is None:
        return ""
    return (body.text or "") + "".join(parser.tostring(child, encoding="unicode") for child in body)


def _remove_personal(root: parser.HtmlElement, nonce: str) -> None:
    pattern = marker_pattern(nonce)
    own = re.compile(f"{nonce}[{''.join(code for slot, code in CODES.items() if slot != 'recipient.name')}]")

    def said(marker: re.Match[str]) -> str:
        return read_marker(marker[0], nonce)[1]

    for element in list(root.iter("*")):
        texts = [element.text or "", *element.attrib.values()]
        if any(own.search(text) for text in texts):
            _drop_block(element)
        elif element.tail and own.search(element.tail) and element.getparent() is not None:
            _drop_block(element.getparent())
    for element in root.iter("*"):
        for name, value in element.attrib.items():
            element.set(name, pattern.sub(said, value))
        element.text = element.text and pattern.sub(said, element.text)
        element.tail = element.tail and pattern.sub(said, element.tail)


def _drop(element: Any) -> None:
    """Remove an element with all in it; the text behind it stays."""
    element.drop_tree()


def _drop_block(element: parser.HtmlElement) -> None:
    block = element
    while block.tag not in _BLOCKS and block.getparent() is not None and block.getparent().tag != "body":
        block = block.getparent()
    if block.getparent() is not None:
        _drop(block)
