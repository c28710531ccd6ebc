"""An article's cleaned HTML made fit for a mail, and as text for reading. It was sanitised when it was ingested."""

from __future__ import annotations

import re

import lxml.html
from lxml import etree
from markupsafe import Markup

from syndicate.core.render.web_addresses import mail_image, safe_url

_BLOCKS = frozenset({"blockquote", "caption", "dd", "div", "dl", "dt", "figcaption", "figure", "hr", "li", "ol", "p"})
_BLOCKS |= {"pre", "table", "td", "th", "tr", "ul", "h1", "h2", "h3", "h4", "h5", "h6"}
_DEEPEST = 6


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


def reading_text(html: str) -> str:
    """Paragraphs divided by blank lines, list items with a dash, links followed by their address in angle brackets."""
    if not html.strip():
        return ""
    pieces: list[str] = []
    _write(_parsed(html), pieces)
    paragraphs = (" ".join(paragraph.split()) for paragraph in "".join(pieces).split("\n\n"))
    return re.sub(r"(?m)^(- .*)\n\n(?=- )", r"\1\n", "\n\n".join(paragraph for paragraph in paragraphs if paragraph))


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
    for name in ("srcset", "sizes", "loading"):
        image.attrib.pop(name, None)


def _write(element: etree._Element, pieces: list[str]) -> None:
    tag = element.tag if isinstance(element.tag, str) else ""
    if tag in _BLOCKS:
        pieces.append("\n\n- " if tag == "li" else "\n\n")
    elif tag == "br":
        pieces.append(" ")
    elif tag == "img":
        pieces.append(f" [{element.get('alt')}] " if element.get("alt") and mail_image(element.get("src")) else "")
    if tag:
        pieces.append((element.text or "").replace("\n", " "))
        for child in element:
            _write(child, pieces)
    href = safe_url(element.get("href")) if tag == "a" else ""
    if href and str(element.xpath("string()")).strip() != href:
        pieces.append(f" <{href}>")
    if tag in _BLOCKS:
        pieces.append("\n\n")
    pieces.append((element.tail or "").replace("\n", " "))
