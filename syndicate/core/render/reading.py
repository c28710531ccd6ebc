"""Cleaned HTML as text that people read: paragraphs, lists, quotations, tables; links numbered and listed at the end.

Lines are as long as their paragraphs: ``text_part`` wraps them. Nothing here knows of mails beyond what they may link.
"""

from __future__ import annotations

import lxml.html
from lxml import etree

from syndicate.core.render.web_addresses import mail_image, safe_url

_BLOCKS = frozenset({"blockquote", "caption", "dd", "div", "dl", "dt", "figcaption", "figure", "hr", "li", "ol", "p"})
_BLOCKS |= {"pre", "table", "tbody", "thead", "tfoot", "td", "th", "tr", "ul", "h1", "h2", "h3", "h4", "h5", "h6"}
_RULE = "* * *"


def reading_text(html: str, *, first: int = 1) -> str:
    """Paragraphs divided by blank lines; ``[1]`` behind each linked text and the addresses below, from ``first`` on."""
    if not html.strip():
        return ""
    reader = _Reader(first)
    blocks = reader.blocks(lxml.html.fragment_fromstring(html, create_parent="div"))
    addresses = "\n".join(f"[{number}] {address}" for address, number in reader.links.items())
    return "\n\n".join([*blocks, addresses] if addresses else blocks)


class _Reader:
    def __init__(self, first: int) -> None:
        self.links: dict[str, int] = {}
        self._first = first

    def blocks(self, element: etree._Element) -> list[str]:
        """The paragraphs inside an element, each with line ends only where the text has them."""
        found: list[str] = []
        running: list[str] = []

        def end_paragraph() -> None:
            paragraph = _lines("".join(running))
            running.clear()
            if paragraph:
                found.append(paragraph)

        running.append(_flat(element.text))
        for child in element:
            if isinstance(child.tag, str):
                if child.tag in _BLOCKS or _holds_blocks(child):
                    end_paragraph()
                    found += self._block(child)
                else:
                    self._inline(child, running)
            running.append(_flat(child.tail))
        end_paragraph()
        return found

    def _block(self, element: etree._Element) -> list[str]:
        tag = str(element.tag)
        if tag == "hr":
            return [_RULE]
        if tag == "pre":
            text = "".join(map(str, element.itertext())).strip("\n")
            return [text] if text.strip() else []
        if tag in {"ul", "ol"}:
            return self._list(element, ordered=tag == "ol")
        if tag == "tr":
            cells = [" ".join(self.blocks(cell)).replace("\n", " ") for cell in element]
            row = " | ".join(cells).strip(" |")
            return [row] if row else []
        inside = self.blocks(element)
        if tag == "table":
            return ["\n".join(inside)] if inside else []
        if tag == "blockquote" and inside:
            return ["\n".join(f"> {line}".rstrip() for line in "\n\n".join(inside).split("\n"))]
        if tag == "a" and inside:
            inside[-1] += self._number(element, "".join(inside))
        return inside

    def _list(self, element: etree._Element, *, ordered: bool) -> list[str]:
        start = element.get("start", "1")
        number = int(start) if ordered and start.isdecimal() and len(start) < 4 else 1  # noqa: PLR2004 - digits
        items: list[str] = []
        for child in element.iterchildren(etree.Element):
            mark = f"{number}. " if ordered else "- "
            lines = "\n".join(self.blocks(child)).split("\n")
            if any(lines):
                indent = " " * len(mark)
                items.append(mark + "\n".join([lines[0], *(f"{indent}{line}".rstrip() for line in lines[1:])]))
                number += 1
        return ["\n".join(items)] if items else []

    def _inline(self, element: etree._Element, running: list[str]) -> None:
        tag = str(element.tag)
        if tag == "br":
            running.append("\n")
        elif tag == "img":
            alternative = element.get("alt")
            if alternative and mail_image(element.get("src")):
                running.append(f" [{_flat(alternative)}] ")
        else:
            start = len(running)
            running.append(_flat(element.text))
            for child in element:
                if isinstance(child.tag, str):
                    self._inline(child, running)
                running.append(_flat(child.tail))
            if tag == "a":
                running.append(self._number(element, "".join(running[start:])))

    def _number(self, link: etree._Element, said: str) -> str:
        address = safe_url(link.get("href"))
        if not address or said.strip() == address:
            return ""
        return f" [{self.links.setdefault(address, self._first + len(self.links))}]"


def _holds_blocks(element: etree._Element) -> bool:
    return any(isinstance(inner.tag, str) and inner.tag in _BLOCKS for inner in element.iterdescendants())


def _flat(text: str | None) -> str:
    return (text or "").replace("\n", " ")


def _lines(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
