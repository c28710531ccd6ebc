"""Elements of other namespaces in items and entries: comments, pictures, languages, texts in Markdown (F21 to F24)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxml import etree

from syndicate.core.feeds.media_types import is_media_type
from syndicate.core.feeds.rules import values
from syndicate.core.feeds.rules.finding import Findings
from syndicate.core.feeds.rules.xml_reading import text_of
from syndicate.core.feeds.xml_elements import DC, MEDIA, SLASH, SOURCE, THREAD, WFW

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SIZES = ("width", "height", "fileSize")


def check_extensions(entry: etree._Element, where: str, found: Findings) -> None:
    """Look at the extension elements of one item or entry."""
    language = entry.get(_XML_LANG)
    if language is not None and not values.is_language(language):
        found.error("F21", where, f"its language is no language tag: {language[:40]!r}")
    for child in entry:
        check = _CHECKS.get(str(child.tag))
        if check is not None:
            check(child, where, found)


def _check_language(element: etree._Element, where: str, found: Findings) -> None:
    if not values.is_language(text_of(element)):
        found.error("F21", where, f"its language is no language tag: {text_of(element)[:40]!r}")


def _check_count(element: etree._Element, where: str, found: Findings) -> None:
    if not values.is_count(text_of(element).strip()):
        found.error("F23", where, f"its number of comments is no number: {text_of(element)[:40]!r}")


def _check_comments_feed(element: etree._Element, where: str, found: Findings) -> None:
    if not values.is_web_address(text_of(element).strip()):
        found.error("F23", where, "the address of its comments' feed is not absolute")


def _check_markdown(element: etree._Element, where: str, found: Findings) -> None:
    if not text_of(element).strip():
        found.warning("F24", where, "its source:markdown is empty")


def _check_media(content: etree._Element, where: str, found: Findings) -> None:
    url = content.get("url")
    if url is not None and not values.is_web_address(url):
        found.error("F22", where, f"the address of its media:content is not absolute: {url[:100]!r}")
    type_ = content.get("type")
    if type_ is not None and not is_media_type(type_):
        found.error("F22", where, f"the type of its media:content is no media type: {type_[:60]!r}")
    for name in _SIZES:
        size = content.get(name)
        if size is not None and not values.is_count(size):
            found.error("F22", where, f"the {name} of its media:content is no number: {size[:40]!r}")


_CHECKS: Mapping[str, Callable[[etree._Element, str, Findings], None]] = {
    f"{{{MEDIA}}}content": _check_media,
    f"{{{DC}}}language": _check_language,
    f"{{{SLASH}}}comments": _check_count,
    f"{{{THREAD}}}total": _check_count,
    f"{{{WFW}}}commentRss": _check_comments_feed,
    f"{{{SOURCE}}}markdown": _check_markdown,
}
