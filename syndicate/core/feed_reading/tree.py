"""Elements of XML feeds by short names, whatever prefix or namespace version a document uses for them."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from syndicate.core.feed_reading.values import joined

_XML = "{http://www.w3.org/XML/1998/namespace}"
_PREFIXES = {
    "http://www.w3.org/2005/Atom": "atom",
    "http://purl.org/atom/ns#": "atom",
    "http://purl.org/rss/1.0/": "",
    "http://my.netscape.com/rdf/simple/0.9/": "",
    "http://channel.netscape.com/rdf/simple/0.9/": "",
    "http://backend.userland.com/rss2": "",
    "http://backend.userland.com/rss": "",
    "http://blogs.law.harvard.edu/tech/rss": "",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://purl.org/rss/1.0/modules/content/": "content",
    "http://purl.org/rss/1.0/modules/slash/": "slash",
    "http://purl.org/rss/1.0/modules/syndication/": "sy",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/elements/1.0/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://search.yahoo.com/mrss/": "media",
    "http://search.yahoo.com/mrss": "media",
    "http://www.rssboard.org/media-rss": "media",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://wellformedweb.org/CommentAPI/": "wfw",
    "http://purl.org/syndication/thread/1.0": "thr",
    "http://purl.org/atompub/tombstones/1.0": "at",
    "http://purl.org/syndication/history/1.0": "fh",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "http://www.w3.org/1999/xhtml": "xhtml",
}
_UNDECLARED = frozenset(_PREFIXES.values())
_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "wbr"})

Element = etree._Element  # noqa: SLF001 - lxml's only name for the type


def name_of(element: Element) -> str:
    """The name of an element, lower case, with our prefix: ``item``, ``dc:creator``, ``atom:link``."""
    tag = element.tag
    if tag.startswith("{"):
        namespace, _, local = tag[1:].partition("}")
        prefix = _PREFIXES.get(namespace, _PREFIXES.get(namespace.replace("https:", "http:", 1), "?"))
    else:  # a prefix that was never declared stays in the name when a broken document is read
        prefix, _, local = tag.rpartition(":")
        prefix = prefix.lower() if prefix.lower() in _UNDECLARED else "?"
        prefix = "" if ":" not in tag else prefix
    return f"{prefix}:{local}".lower() if prefix else local.lower()


class Parts:
    """The children of one element by name, in the order of the document."""

    def __init__(self, element: Element) -> None:
        self.element = element
        self._found: dict[str, list[Element]] = {}
        for child in element.iterchildren("*"):
            self._found.setdefault(name_of(child), []).append(child)

    def all(self, *names: str) -> Iterator[Element]:
        for name in names:
            yield from self._found.get(name, ())

    def first(self, *names: str) -> Element | None:
        """The first child of the first name that there is."""
        return next(self.all(*names), None)

    def text(self, *names: str) -> str:
        """The text of the first child of these names that has any."""
        return next((text for child in self.all(*names) if (text := text_of(child).strip())), "")


def text_of(element: Element | None) -> str:
    """All text in an element."""
    return "" if element is None else "".join(element.itertext())  # type: ignore[arg-type]  # no bytes in a tree


def html_of(element: Element | None) -> str:
    """The HTML in an element: escaped, as it should be, or as elements of their own."""
    if element is None:
        return ""
    return inner_html(element) if len(element) else text_of(element)


def inner_html(element: Element) -> str:
    """The content of an element written as HTML, its namespaces dropped."""
    parts: list[str] = [_escape(element.text)]
    # Each stands for a tag still to be written: an element on its way in, or the end of one.
    todo: list[Element | str] = list(element.iterchildren("*", reversed=True))
    while todo:
        step = todo.pop()
        if isinstance(step, str):
            parts.append(step)
            continue
        local = step.tag.rpartition("}")[2]
        attributes = "".join(
            f' {name!s}="{_escape(value).replace(chr(34), "&quot;")}"'
            for name, value in step.attrib.items()
            if not str(name).startswith("{")
        )
        end = "" if local.lower() in _VOID else f"</{local}>"
        parts.append(f"<{local}{attributes}>{_escape(step.text)}")
        todo.append(end + _escape(step.tail))
        todo.extend(step.iterchildren("*", reversed=True))
    return "".join(parts)


def _escape(text: object) -> str:
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if text else ""


def base_of(element: Element, outer: str | None) -> tuple[str | None, bool]:
    """What addresses in an element are relative to, and whether an xml:base says so (XML Base, section 4.2)."""
    given = [str(value) for step in (element, *element.iterancestors()) if (value := step.get(f"{_XML}base"))]
    base = outer
    for value in reversed(given):
        base = joined(base, value)
    return base, bool(given)


def language_of(element: Element, *, within: Element) -> str | None:
    """The xml:lang of an element or of one around it, up to and without ``within`` (XML 1.0, section 2.12)."""
    step: Element | None = element
    while step is not None and step is not within:
        if value := step.get(f"{_XML}lang"):
            return str(value)
        step = step.getparent()
    return None


def own_language(element: Element) -> str | None:
    """The xml:lang of an element itself."""
    value = element.get(f"{_XML}lang")
    return str(value) if value else None
