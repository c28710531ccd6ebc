"""OPML 2.0 (opml.org/spec2.opml): the list of all feeds as one file that readers import, "follow everything"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

MEDIA_TYPE = "text/x-opml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """One feed to follow (``xml_url``), or without it a group of them. Addresses are absolute."""

    title: str
    xml_url: str | None = None
    html_url: str | None = None
    description: str = ""
    language: str | None = None
    outlines: tuple[Outline, ...] = ()


def opml(title: str, outlines: Iterable[Outline]) -> bytes:
    """An OPML 2.0 document of subscriptions: UTF-8, in the order given, the same bytes for the same outlines.

    Without dates: they would be the clock's. Readers take the type ``rss`` for every XML format.
    """
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = title
    _add(etree.SubElement(root, "body"), outlines)
    data: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return data


def _add(parent: etree._Element, outlines: Iterable[Outline]) -> None:
    for outline in outlines:
        # title repeats text: newsboat and others read only one of the two.
        element = etree.SubElement(parent, "outline", text=outline.title, title=outline.title)
        said = {
            "type": "rss" if outline.xml_url else None,
            "xmlUrl": outline.xml_url,
            "htmlUrl": outline.html_url,
            "description": outline.description,
            "language": outline.language,
        }
        for name, value in said.items():
            if value:
                element.set(name, value)
        _add(element, outline.outlines)
