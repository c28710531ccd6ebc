"""What the page as a whole must be: its language is said, nothing in it acts, its headings are in order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from lxml.html import HtmlElement

from syndicate.core.article.text import clean_text
from syndicate.core.preflight.finding import Finding, repaired, warning

_ACTIVE = ("script", "iframe", "object", "embed", "applet", "base", "link", "audio", "video", "svg")
_CONTROLS = ("form", "input", "button", "select", "textarea")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def repair_language(root: HtmlElement, language: str, where: str) -> Iterator[Finding]:
    """Say the language on the root element where the template does not."""
    if not (root.get("lang") or "").strip():
        root.set("lang", language)
        yield repaired("language", f"the page did not say its language; it says {language} now", where)


def remove_controls(root: HtmlElement, html: str, where: str) -> Iterator[Finding]:
    """Take out control characters, also those written as references: Gmail cuts a mail at some of them."""
    if "&#" not in html and clean_text(html) == html:
        return
    count = 0
    for element in root.iter():
        for part in ("text", "tail"):
            value = getattr(element, part)
            if value and (cleaned := clean_text(value)) != value:
                setattr(element, part, cleaned)
                count += 1
        for name, value in element.attrib.items():
            if (cleaned := clean_text(value)) != value:
                element.set(name, cleaned)
                count += 1
    if count:
        yield repaired("control-characters", f"control characters stood in {count} places", where)


def remove_active(root: HtmlElement, where: str) -> Iterator[Finding]:
    """Take out what runs, loads or asks for input."""
    for element in list(root.iter(*_ACTIVE)):
        element.drop_tree()
        yield repaired("active-content", f"<{element.tag}> was taken out", where)
    for element in list(root.iter(*_CONTROLS)):
        element.drop_tag()
        yield repaired("active-content", f"<{element.tag}> was taken out, its text left", where)
    for element in root.iter("meta"):
        if (element.get("http-equiv") or "").lower() == "refresh":
            element.attrib.pop("http-equiv")
            yield repaired("active-content", "a page that refreshes itself does so no more", where)
    for element in root.iter("*"):
        for name in [name for name in element.attrib if str(name).lower().startswith("on")]:
            element.attrib.pop(name)
            yield repaired("active-content", f"{name} was taken off <{element.tag}>", where)


def check_headings(root: HtmlElement, where: str) -> Iterator[Finding]:
    """One h1, first; no level left out."""
    levels = [int(str(heading.tag)[1]) for heading in root.iter(*_HEADINGS)]
    if levels.count(1) != 1:
        yield warning("headings", f"{levels.count(1)} headings of the first level instead of one", where)
    for before, after in pairwise(levels):
        if after > before + 1:
            yield warning("headings", f"h{after} follows h{before}: a level is left out", where)
            return
