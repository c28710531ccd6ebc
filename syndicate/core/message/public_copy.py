"""A mailed issue as everybody may see it: its HTML without what was one reader's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final, Protocol

from lxml import html

from syndicate.core.feeds import AlternateLink
from syndicate.core.message.template import MessageTemplate
from syndicate.core.render.slots import CODES, URL_SLOTS, fill_markers, marker_pattern, read_marker
from syndicate.errors import StoreError

_ADDRESSES: Final = ("href", "src", "action")
_BLOCKS: Final = {"article", "headline", "corrected-line"}  # classes of what the macros make of one article
_WITHOUT_TEXT: Final = {"img", "hr", "table", "video", "picture"}


class Withdrawn(Protocol):
    """An article that must not be shown any more."""

    @property
    def title(self) -> str: ...
    @property
    def url(self) -> str | None: ...
    @property
    def summary(self) -> str | None: ...


def public_copy(blob: bytes, feeds: Iterable[AlternateLink] = (), without: Sequence[Withdrawn] = ()) -> str | None:
    """The HTML part of an edition's message, for a page of its own that tells readers of ``feeds``.

    Links that are signed for one reader are taken out, and what stood only around them; names become their fallback.
    Articles in ``without`` are taken out as well; None when a trace of one would stay (a template of one's own may hold
    it in a way that is not known here). Raises StoreError for a message that this program has not written.
    """
    nonce = MessageTemplate(blob).nonce
    message = message_from_bytes(blob, policy=policy.default)
    part = message.get_body(("html",)) if isinstance(message, EmailMessage) else None
    if part is None:
        raise StoreError("the stored message of this edition has no HTML part")
    text = str(part.get_content())
    document = html.document_fromstring(text)
    for element in _personal(document, nonce):
        _take_out(element)
    for article in without:
        _take_back(document, article)
    if any(_stands_in(document, article) for article in without):
        return None
    head = document.find("head")
    if head is not None:
        attributes = (link._asdict() for link in feeds)
        head.extend([html.Element("link", {"rel": "alternate", **each}) for each in attributes])
    page = html.tostring(document, encoding="unicode", doctype="<!DOCTYPE html>")
    return fill_markers(page, nonce, dict.fromkeys(CODES, ""))


def _take_back(document: html.HtmlElement, article: Withdrawn) -> None:
    for element in [each for each in document.iter() if isinstance(each.tag, str)]:
        classes = (element.get("class") or "").split()
        if "preheader" in classes:
            element.drop_tree()  # titles of the best
        elif _BLOCKS & set(classes) and _names(element, article):
            table = element if element.tag != "td" else next(element.iterancestors("table"), element)
            if table.getparent() is not None:
                table.drop_tree()


def _names(element: html.HtmlElement, article: Withdrawn) -> bool:
    if article.url and any(link.get("href") == article.url for link in element.iter("a")):
        return True
    # Whole headings and items only: a title may be a word that every text has.
    titles = (each.text_content().split() for each in element.iter("h1", "h2", "h3", "h4", "li", "a", "strong"))
    return article.title.split() in titles


def _stands_in(document: html.HtmlElement, article: Withdrawn) -> bool:
    text = " ".join(document.text_content().split())
    return _names(document, article) or bool(article.summary and article.summary in text)


def _personal(document: html.HtmlElement, nonce: str) -> list[html.HtmlElement]:
    pattern = marker_pattern(nonce)
    return [
        element
        for element in document.iter()
        if isinstance(element.tag, str)
        and any(
            read_marker(found, nonce)[0] in (*URL_SLOTS, "unsubscribe_mailto")
            for name in _ADDRESSES
            for found in pattern.findall(element.get(name) or "")
        )
    ]


def _take_out(element: html.HtmlElement) -> None:
    """Remove an element, and then what is around it as long as only punctuation is left there."""
    parent = element.getparent()
    while parent is not None and parent.tag not in {"body", "html"}:
        element.drop_tree()
        left = parent.text_content()
        if any(letter.isalnum() for letter in left) or any(child.tag in _WITHOUT_TEXT for child in parent.iter()):
            return
        element, parent = parent, parent.getparent()
