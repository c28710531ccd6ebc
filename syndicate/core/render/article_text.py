"""An article's cleaned HTML made fit for a mail. It was sanitised when it was ingested."""

from __future__ import annotations

import re

import lxml.html
from lxml import etree
from markupsafe import Markup

from syndicate.core.render.web_addresses import mail_image, safe_url

_DEEPEST = 6
COLUMN = 518  # pixels: what a picture may take of the column of 600


def mail_html(html: str, *, heading_level: int) -> Markup:
    """The HTML with its headings below ``heading_level``, and only such links and images as mails may have."""
    if not html.strip():
        return Markup()
    root = _parsed(html)
    headings = sorted({int(e.tag[1]) for e in root.iter("h1", "h2", "h3", "h4", "h5", "h6")})
    ranks = {level: min(heading_level + 1 + rank, _DEEPEST) for rank, level in enumerate(headings)}
    for element in list(root.iter(etree.Element)):
        tag = str(element.tag)
        if re.fullmatch(r"h[1-6]", tag):
            element.tag = f"h{ranks[int(tag[1])]}"
        elif tag == "a" and element.get("href"):
            href = safe_url(element.attrib.pop("href"))
            if href:
                element.set("href", href)
        elif tag == "img":
            _mail_image(element)
    inner = str(Markup.escape(root.text or "")) + "".join(
        lxml.html.tostring(child, encoding="unicode") for child in root
    )
    return Markup(inner)  # noqa: S704 - sanitised at ingest, serialised by lxml


def _parsed(html: str) -> lxml.html.HtmlElement:
    return lxml.html.fragment_fromstring(html, create_parent="div")


def _mail_image(image: lxml.html.HtmlElement) -> None:
    source = mail_image(image.get("src"))
    if not source:
        image.drop_tree()
        return
    image.set("src", source)
    image.set("alt", image.get("alt") or "")
    image.set("style", "display:block;max-width:100%;height:auto;border:0")
    width, height = (_pixels(image.attrib.pop(name, None)) for name in ("width", "height"))
    if width:
        image.set("width", str(min(width, COLUMN)))
        if height:
            image.set("height", str(max(round(height * min(width, COLUMN) / width), 1)))
    for name in ("srcset", "sizes", "loading"):
        image.attrib.pop(name, None)


def _pixels(value: str | None) -> int:
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0  # noqa: PLR2004 - digits
