"""From the text of an XML feed to its tree: no document type, no entities of its own, small faults repaired.

The document type is taken out before any parser sees the text: without one there is nothing to expand or to fetch.
"""

from __future__ import annotations

import re
from html import unescape
from html.entities import html5
from typing import Literal, overload

from lxml import etree

from syndicate.errors import SourceError

# Nothing here resolves or fetches. "Huge" lifts the limit of 10 MB for one text: the size is limited by who fetches.
_OPTIONS = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "remove_comments": True,
    "remove_pis": True,
}
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2
_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7});|#[xX]([0-9A-Fa-f]{1,6});|([A-Za-z][A-Za-z0-9]{1,31});)?")
_XML_NAMES = frozenset({"lt", "gt", "amp", "quot", "apos"})
_ENTITY = re.compile(
    r"<!ENTITY\s+([A-Za-z][A-Za-z0-9]*)\s+(\"[^\"&%<]{0,8}\"|\"&#x?[0-9A-Fa-f]+;\"|'&#x?[0-9A-Fa-f]+;')\s*>"
)
_LITERAL = (("<![CDATA[", "]]>"), ("<!--", "-->"))
_ROOTS = re.compile(r"</(?:[A-Za-z_][\w.-]*:)?(?:rss|RSS|feed|RDF|channel|entry)\s*>\s*(?:<!--[^<>]*-->\s*)*\Z")
_SHOWN = 200


def parse_xml(text: str, address: str) -> tuple[etree._Element, str | None]:
    """Parse a document; also returns what had to be repaired, None for a well-formed one.

    Raises SourceError: entities of its own, cut off, no XML at all.
    """
    body = _FORBIDDEN.sub("", _DECLARATION.sub("", text.lstrip("\ufeff \t\r\n"), count=1))
    body = _without_document_type(body, address)
    try:
        return _parse(body, recover=False), None
    except etree.XMLSyntaxError as error:
        fault = _fault(error)
    # A document whose last tag is missing did not come whole: what is there must not stand for all of it.
    if not _ROOTS.search(body[-2000:]):
        raise SourceError(f"{address}: the document is cut off or no feed ({fault}); it is asked for again")
    repaired = _with_references(body)
    try:
        return _parse(repaired, recover=False), f"not well-formed XML ({fault}); read nevertheless"
    except etree.XMLSyntaxError:
        pass
    try:
        found = _parse(repaired, recover=True)
    except etree.XMLSyntaxError:
        found = None
    if found is None:
        raise SourceError(f"{address}: no XML that can be read ({fault})")
    return found, f"not well-formed XML ({fault}); read as far as possible"


@overload
def _parse(body: str, *, recover: Literal[True]) -> etree._Element | None: ...
@overload
def _parse(body: str, *, recover: Literal[False]) -> etree._Element: ...
def _parse(body: str, *, recover: bool) -> etree._Element | None:
    """Parse; recovering may find no element at all."""
    parser = etree.XMLParser(recover=recover, huge_tree=True, encoding="utf-8", **_OPTIONS)  # type: ignore[arg-type]
    return etree.fromstring(body.encode("utf-8", "surrogatepass"), parser)


def _without_document_type(body: str, address: str) -> str:
    """Take out the document type, which stands before the first element (XML 1.0, production 22)."""
    at = 0
    while True:
        at += len(body[at:]) - len(body[at:].lstrip()) if body[at : at + 1].isspace() else 0
        ends = {"<?": "?>", "<!--": "-->"}
        opened = next((start for start in ends if body.startswith(start, at)), None)
        if opened is None:
            break
        end = body.find(ends[opened], at + len(opened))
        if end < 0:
            return body
        at = end + len(ends[opened])
    if body[at : at + 9].upper() != "<!DOCTYPE":
        return body
    end, subset = body.find(">", at), body.find("[", at)
    if 0 <= subset < end:
        close = re.compile(r"\]\s*>").search(body, subset)
        if close is None or _declares_entities(body[subset : close.start()]):
            raise SourceError(
                f"{address}: the document declares entities of its own, which can be made to fill the memory or to "
                "read files; such documents are not taken"
            )
        end = close.end() - 1
    return body[:at] + body[end + 1 :] if end >= 0 else body


def _declares_entities(subset: str) -> bool:
    """Whether more is declared than the names of HTML for single characters, which some old programs do."""
    rest = _ENTITY.sub(lambda found: "" if f"{found[1]};" in html5 else found[0], subset)
    return "<!ENTITY" in rest.upper() or "%" in rest


def _with_references(body: str) -> str:
    """Mend what most often is wrong: a bare "&", a name of HTML, a reference to a forbidden character."""
    parts: list[str] = []
    at = 0
    while True:
        found = [(body.find(start, at), start, end) for start, end in _LITERAL]
        there = [entry for entry in found if entry[0] >= 0]
        if not there:
            break
        begin, start, end = min(there)
        close = body.find(end, begin + len(start))
        if close < 0:
            break
        parts += [_REFERENCE.sub(_reference, body[at:begin]), body[begin : close + len(end)]]
        at = close + len(end)
    parts.append(_REFERENCE.sub(_reference, body[at:]))
    return "".join(parts)


def _reference(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name is not None:
        if name in _XML_NAMES:
            return found[0]
        characters = html5.get(f"{name};")
        return f"&amp;{name};" if characters is None else "".join(f"&#{ord(one)};" for one in characters)
    if decimal is None and hexadecimal is None:
        return "&amp;"
    character = unescape(found[0])
    return "" if not character or _FORBIDDEN.search(character) else found[0]


def _fault(error: etree.XMLSyntaxError) -> str:
    return " ".join(str(error.msg).split())[:_SHOWN]
