"""Parses foreign XML without harm: no DOCTYPE, no entities, no network, no endless nesting."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lxml import etree

from syndicate.core.feeds.rules.finding import Findings

MAX_BYTES = 50_000_000
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# What may stand before the root element (XML 1.0, production 22), up to a DOCTYPE.
_PROLOG_PART = re.compile(rb"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)


def read_xml(data: bytes, found: Findings) -> etree._Element | None:
    """Give the root element, or None after saying what is wrong."""
    start = _ascii_start(data)
    if start is None:
        found.error("XML 1.0", "", "the document is neither UTF-8 nor UTF-16: its first bytes are no XML")
        return None
    if _has_doctype(start):
        found.error("XML 1.0", "", "it has a DOCTYPE: readers refuse it, since it can hold a bomb; leave it out")
        return None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        found.error("XML 1.0", f"line {error.lineno}" if error.lineno else "", f"it is not well-formed: {_said(error)}")
        return None
    encoding = (root.getroottree().docinfo.encoding or "UTF-8").upper()
    if encoding not in {"UTF-8", "US-ASCII", "ASCII"}:
        found.warning("XML 1.0", "", f"its encoding is {encoding}; every reader knows UTF-8")
    return root


def text_of(element: etree._Element | None) -> str:
    """The text directly in an element, nothing for none."""
    return "" if element is None else element.text or ""


def plain(tag: object) -> str:
    """A tag as people write it: without its namespace."""
    return str(tag).rpartition("}")[2]


def check_children(
    parent: etree._Element,
    names: Sequence[str],
    known: Mapping[str, bool],
    required: Sequence[str],
    place: tuple[str, str],
    found: Findings,
) -> None:
    """Judge the elements of a format within one of them: known ones, required ones, and single ones once.

    ``names`` are the parent's children that are the format's own, ``known`` says of each whether it may stand there
    only once, ``place`` is the rule and where the parent stands.
    """
    rule, where = place
    seen: set[str] = set()
    for name in names:
        if name not in known:
            found.error(rule, where, f"<{name[:40]}> is no element of <{plain(parent.tag)}>")
        elif known[name] and name in seen:
            found.error(rule, where, f"<{name}> stands there more than once")
        seen.add(name)
    for name in required:
        if name not in seen:
            found.error(rule, where, f"<{plain(parent.tag)}> has no <{name}>")


def _ascii_start(data: bytes) -> bytes | None:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            rest = data[len(mark) :]
            return rest if encoding == "utf-8" else rest.decode(encoding, "replace").encode("ascii", "replace")
    if b"\0" in data[:4]:
        return None
    return data


def _has_doctype(start: bytes) -> bool:
    position = 0
    while match := _PROLOG_PART.match(start, position):
        position = match.end()
    return start[position : position + 9].upper() == b"<!DOCTYPE"


def _said(error: etree.XMLSyntaxError) -> str:
    return " ".join(str(error.msg or error).split())[:300]
