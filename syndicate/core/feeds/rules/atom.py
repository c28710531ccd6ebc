"""Atom (RFC 4287) with its extensions (RFC 4685, 5005, 6721), and what F1 to F25 ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from lxml import etree

from syndicate.core.feeds.media_types import is_media_type
from syndicate.core.feeds.rules import values
from syndicate.core.feeds.rules.entries import SeenEntry, SeenFeed
from syndicate.core.feeds.rules.extensions import check_extensions
from syndicate.core.feeds.rules.finding import Findings
from syndicate.core.feeds.rules.links import Link, check_link, check_links
from syndicate.core.feeds.rules.xml_reading import check_children, plain, text_of
from syndicate.core.feeds.xml_elements import ATOM, HISTORY, THREAD, TOMBSTONES

_FORMAT = "RFC 4287"
_XHTML = "{http://www.w3.org/1999/xhtml}div"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# Element: at most one? (RFC 4287, sections 4.1.1 and 4.1.2)
_FEED = {
    **dict.fromkeys(("id", "title", "updated", "subtitle", "rights", "generator", "icon", "logo"), True),
    **dict.fromkeys(("author", "category", "contributor", "link", "entry"), False),
}
_ENTRY = {
    **dict.fromkeys(("id", "title", "updated", "published", "summary", "content", "rights", "source"), True),
    **dict.fromkeys(("author", "category", "contributor", "link"), False),
}


def read_atom(root: etree._Element, found: Findings) -> SeenFeed:
    """Check the feed and its entries."""
    _check_children(root, _FEED, ("id", "title", "updated"), "", found)
    _check_id(root, "", found)
    _check_language(root, found)
    archive = _child(root, HISTORY, "archive") is not None
    links = [Link.of(element) for element in root.iterfind(f"{{{ATOM}}}link")]
    own = check_links(
        links, found, archive=archive, complete=_child(root, HISTORY, "complete") is not None, itself="link"
    )
    if not any(link.rel == "alternate" for link in links):
        found.warning("F8", "", "it has no link rel=alternate: the page that the feed is of")
    _check_alternates(links, "", found)
    for name in ("icon", "logo"):
        picture = _child(root, ATOM, name)
        if picture is not None and not values.is_web_address(text_of(picture).strip()):
            found.error("F25", "", f"the address of its {name} is not absolute")
    authored = _check_authors(root, "", found)
    entries = tuple(
        _read_entry(entry, number, authored, found) for number, entry in enumerate(root.iterfind(f"{{{ATOM}}}entry"), 1)
    )
    if not authored and not entries:
        found.warning("F7", "", "the feed names no author")
    deleted = _check_tombstones(root, {entry.id for entry in entries}, found)
    return SeenFeed(
        format="Atom",
        title=_text(root, "title"),
        self_address=own,
        updated=_date(root, "updated", "", found),
        deleted=deleted,
        archive=archive,
        entries=entries,
    )


def _read_entry(entry: etree._Element, number: int, authored: bool, found: Findings) -> SeenEntry:
    id_ = _text(entry, "id").strip()
    where = id_ or f"entry {number}"
    _check_children(entry, _ENTRY, ("id", "title", "updated"), where, found)
    _check_id(entry, where, found)
    if not _check_authors(entry, where, found) and not authored and entry.find(f"{{{ATOM}}}source") is None:
        found.error("F7", where, "neither it nor the feed names an author (RFC 4287, 4.1.2)")
    links = [Link.of(element) for element in entry.iterfind(f"{{{ATOM}}}link")]
    for link in links:
        rule = {"enclosure": "F22", "replies": "F23"}.get(link.rel, "F8")
        check_link(link, where, found, rule=rule)
    for element in entry.iterfind(f"{{{ATOM}}}link"):
        count = element.get(f"{{{THREAD}}}count")
        if count is not None and not values.is_count(count):
            found.error("F23", where, f"thr:count is no number: {count[:40]!r}")
    _check_alternates(links, where, found)
    content = entry.find(f"{{{ATOM}}}content")
    alternates = [link.href for link in links if link.rel == "alternate"]
    if content is None and not alternates:
        found.error(_FORMAT, where, "an entry without content must have a link rel=alternate (4.1.2)")
    published = _date(entry, "published", where, found)
    if published is None and entry.find(f"{{{ATOM}}}published") is None:
        found.warning("F3", where, "it has no published: readers show the time of the last edit")
    check_extensions(entry, where, found)
    for category in entry.iterfind(f"{{{ATOM}}}category"):
        if not category.get("term", "").strip():
            found.error(_FORMAT, where, "it has a category without a term")
    title = entry.find(f"{{{ATOM}}}title")
    if title is not None and title.get("type", "text") != "text":
        found.warning("F5", where, 'its title is not type="text": most readers show the mark-up')
    texts = [_check_text(each, where, found) for each in (title, entry.find(f"{{{ATOM}}}summary"))]
    body = _check_content(content, where, found)
    return SeenEntry(
        where=where,
        id=id_,
        title=texts[0][0] if title is not None else "",
        url=alternates[0] if alternates else None,
        published=published,
        updated=_date(entry, "updated", where, found),
        bodies=[text for text, is_html in [*texts, body] if is_html],
    )


def _check_content(content: etree._Element | None, where: str, found: Findings) -> tuple[str, bool]:
    """The body and whether it is HTML (RFC 4287, 4.1.3)."""
    if content is None:
        return "", False
    type_ = content.get("type", "text")
    if type_ in {"text", "html", "xhtml"}:
        return _check_text(content, where, found)
    if not is_media_type(type_.partition(";")[0].strip()):
        found.error("F6", where, f'its content has the type {type_[:40]!r}; HTML is type="html", escaped')
    return "", False


def _check_text(element: etree._Element | None, where: str, found: Findings) -> tuple[str, bool]:
    """A text construct (RFC 4287, 3.1): its text and whether that is HTML."""
    if element is None:
        return "", False
    name, type_ = plain(element.tag), element.get("type", "text")
    if type_ == "xhtml":
        children = list(element)
        if len(children) != 1 or children[0].tag != _XHTML:
            found.error(_FORMAT, where, f"its {name} is xhtml and must hold one xhtml:div (3.1.1.3)")
            return "", False
        return etree.tostring(children[0], encoding="unicode", method="html"), True
    if type_ not in {"text", "html"}:
        found.error(_FORMAT, where, f"its {name} has the type {type_[:40]!r}; there are text, html and xhtml (3.1.1)")
    if len(element):
        found.error(_FORMAT, where, f"its {name} holds elements; escape the text")
    return text_of(element), type_ == "html"


def _check_tombstones(root: etree._Element, present: set[str], found: Findings) -> datetime | None:
    """RFC 6721, section 2. Returns the newest."""
    newest: datetime | None = None
    for tombstone in root.iterfind(f"{{{TOMBSTONES}}}deleted-entry"):
        ref, when = tombstone.get("ref", ""), values.rfc3339(tombstone.get("when", ""))
        if not values.is_uri(ref):
            found.error("F20", ref, "at:deleted-entry must name a permanent id (ref)")
        if when is None:
            found.error("F20", ref, "at:deleted-entry must say when, as a date of RFC 3339")
        elif newest is None or when > newest:
            newest = when
        if ref in present:
            found.error("F20", ref, "it is an entry and deleted at once")
    return newest


def _check_authors(parent: etree._Element, where: str, found: Findings) -> bool:
    authors = parent.findall(f"{{{ATOM}}}author")
    for author in authors:
        if not _text(author, "name").strip():
            found.error("F7", where, "it has an author without a name")
        uri = _child(author, ATOM, "uri")
        if uri is not None and not values.is_uri(text_of(uri).strip()):
            found.error("F7", where, "the address of its author is not absolute")
        if _child(author, ATOM, "email") is not None:
            found.warning("F7", where, "its author has a mail address, for everybody to read")
    return bool(authors)


def _check_alternates(links: list[Link], where: str, found: Findings) -> None:
    kinds = [(link.type, link.hreflang) for link in links if link.rel == "alternate"]
    if len(kinds) != len(set(kinds)):
        found.error(_FORMAT, where, "two links rel=alternate have the same type and language (4.1.1, 4.1.2)")


def _check_id(parent: etree._Element, where: str, found: Findings) -> None:
    id_ = _text(parent, "id").strip()
    if id_ and not values.is_uri(id_):
        found.error("F2", where, f"its id is no absolute URI: {id_[:100]!r}")
    elif where and values.is_web_address(id_):
        found.warning("F2", where, "its id is an address: when that changes, readers show the article once more")


def _check_language(root: etree._Element, found: Findings) -> None:
    language = root.get(_XML_LANG)
    if language is None:
        found.warning("F21", "", "the feed has no language (xml:lang)")
    elif not values.is_language(language):
        found.error("F21", "", f"the feed's language is no language tag: {language[:40]!r}")


def _check_children(
    parent: etree._Element, known: Mapping[str, bool], required: Sequence[str], where: str, found: Findings
) -> None:
    names = []
    for tag in (str(child.tag) for child in parent):
        if tag.startswith(f"{{{ATOM}}}"):
            names.append(plain(tag))
        elif not tag.startswith("{"):
            found.error(_FORMAT, where, f"<{tag[:40]}> has no namespace")
    check_children(parent, names, known, required, (_FORMAT, where), found)


def _date(parent: etree._Element, name: str, where: str, found: Findings) -> datetime | None:
    element = _child(parent, ATOM, name)
    if element is None:
        return None
    text = text_of(element).strip()
    time = values.rfc3339(text)
    if time is None:
        found.error("F3", where, f"{name} is no date of RFC 3339: {text[:40]!r}")
    return time


def _child(parent: etree._Element, space: str, name: str) -> etree._Element | None:
    return parent.find(f"{{{space}}}{name}")


def _text(parent: etree._Element, name: str) -> str:
    return text_of(_child(parent, ATOM, name))
