"""JSON Feed 1.1 by its specification, and what F1 to F25 ask of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from syndicate.core.feeds.json_feed import VERSION
from syndicate.core.feeds.media_types import is_media_type
from syndicate.core.feeds.rules import values
from syndicate.core.feeds.rules.entries import SeenEntry, SeenFeed, forbidden_character
from syndicate.core.feeds.rules.finding import Findings

_FORMAT = "JSON Feed 1.1"
_FEED: Mapping[str, type | tuple[type, ...]] = {
    "version": str,
    "title": str,
    "home_page_url": str,
    "feed_url": str,
    "description": str,
    "user_comment": str,
    "next_url": str,
    "icon": str,
    "favicon": str,
    "author": dict,
    "authors": list,
    "language": str,
    "expired": bool,
    "hubs": list,
    "items": list,
}
_ITEM: Mapping[str, type | tuple[type, ...]] = {
    "id": (str, int, float),
    "url": str,
    "external_url": str,
    "title": str,
    "content_html": str,
    "content_text": str,
    "summary": str,
    "image": str,
    "banner_image": str,
    "date_published": str,
    "date_modified": str,
    "author": dict,
    "authors": list,
    "tags": list,
    "language": str,
    "attachments": list,
}
_ADDRESSES = {
    "home_page_url": "F8",
    "feed_url": "F8",
    "next_url": "F17",
    "icon": "F25",
    "favicon": "F25",
    "external_url": "F8",
    "image": "F22",
    "banner_image": "F22",
}


def read_json_feed(data: bytes, found: Findings) -> SeenFeed | None:
    """Check the feed and its items; None when it is no JSON, or no object."""
    try:
        feed = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique(found), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        found.error(_FORMAT, "", f"it is no JSON: {said[:200]}")
        return None
    if not isinstance(feed, dict):
        found.error(_FORMAT, "", "it is JSON, but no object")
        return None
    _check_types(feed, _FEED, "", found)
    version = feed.get("version")
    if version != VERSION:
        found.error(_FORMAT, "", f"its version must be {VERSION!r}, not {str(version)[:60]!r}")
    for name in ("home_page_url", "feed_url"):
        if not feed.get(name):
            found.warning("F8", "", f"it has no {name}")
    if not feed.get("language"):
        found.warning("F21", "", "the feed has no language")
    _check_common(feed, "", found)
    _check_hubs(feed, found)
    if feed.get("next_url") and feed.get("next_url") == feed.get("feed_url"):
        found.error("F17", "", "next_url is the feed itself: readers would go round for ever")
    items = feed.get("items")
    if not isinstance(items, list):
        found.error(_FORMAT, "", "it has no items")
        items = []
    return SeenFeed(
        format=_FORMAT,
        title=_text(feed, "title"),
        self_address=_text(feed, "feed_url") or None,
        updated=None,
        archive=False,
        entries=tuple(_items(items, found)),
    )


def _items(items: list[Any], found: Findings) -> Iterator[SeenEntry]:
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            found.error(_FORMAT, f"item {number}", "an item must be an object")
            continue
        yield _read_item(item, number, found)


def _read_item(item: dict[str, Any], number: int, found: Findings) -> SeenEntry:
    given = item.get("id")
    id_ = given if isinstance(given, str) else "" if given is None else str(given)
    where = id_ or f"item {number}"
    _check_types(item, _ITEM, where, found)
    if not id_:
        found.error("F2", where, "it has no id: readers throw it away")
    elif not isinstance(given, str):
        found.warning("F2", where, "its id is a number; write it as a string")
    elif values.is_web_address(id_):
        found.warning("F2", where, "its id is an address: when that changes, readers show the article once more")
    if not item.get("content_html") and not item.get("content_text"):
        found.error(_FORMAT, where, "it has neither content_html nor content_text")
    _check_common(item, where, found)
    times = {name: _date(item, name, where, found) for name in ("date_published", "date_modified")}
    if "date_published" not in item:
        found.warning("F3", where, "it has no date_published")
    for tag in _list(item, "tags"):
        if not isinstance(tag, str) or not tag.strip():
            found.error(_FORMAT, where, "its tags must be texts")
    _check_attachments(item, where, found)
    for name in ("title", "summary", "content_html", "content_text"):
        character = forbidden_character(_text(item, name))
        if character:
            found.error("F6", where, f"{name} holds the character {character}, which no feed may hold")
    return SeenEntry(
        where=where,
        id=id_,
        title=_text(item, "title"),
        url=_text(item, "url") or None,
        published=times["date_published"],
        updated=times["date_modified"] or times["date_published"],
        bodies=[_text(item, "content_html")],
    )


def _check_common(said: dict[str, Any], where: str, found: Findings) -> None:
    """What feeds and items share: addresses, authors, language."""
    for name, rule in _ADDRESSES.items():
        value = said.get(name)
        if isinstance(value, str) and not values.is_web_address(value):
            found.error(rule, where, f"{name} is no absolute web address: {value[:100]!r}")
    language = said.get("language")
    if isinstance(language, str) and not values.is_language(language):
        found.error("F21", where, f"its language is no language tag: {language[:40]!r}")
    if "author" in said:
        found.warning("F7", where, "author is of JSON Feed 1.0; write authors")
    for author in _list(said, "authors"):
        if not isinstance(author, dict) or not any(_text(author, name) for name in ("name", "url", "avatar")):
            found.error("F7", where, "an author must have a name, url or avatar")
        elif "url" in author and not values.is_uri(_text(author, "url")):
            found.error("F7", where, "the address of its author is not absolute")


def _check_hubs(feed: dict[str, Any], found: Findings) -> None:
    for hub in _list(feed, "hubs"):
        if not isinstance(hub, dict) or not _text(hub, "type") or not values.is_web_address(_text(hub, "url")):
            found.error("F16", "", "a hub must have a type and an absolute url")


def _check_attachments(item: dict[str, Any], where: str, found: Findings) -> None:
    for attachment in _list(item, "attachments"):
        if not isinstance(attachment, dict) or not values.is_web_address(_text(attachment, "url")):
            found.error("F22", where, "an attachment must have an absolute url")
            continue
        if not is_media_type(_text(attachment, "mime_type")):
            found.error("F22", where, "an attachment's mime_type is no media type")
        size = attachment.get("size_in_bytes", 0)
        if isinstance(size, bool) or not isinstance(size, int | float) or size < 0:
            found.error("F22", where, "an attachment's size_in_bytes is no number of bytes")


def _check_types(
    said: dict[str, Any], known: Mapping[str, type | tuple[type, ...]], where: str, found: Findings
) -> None:
    for name, value in said.items():
        if name.startswith("_"):
            continue
        if name not in known:
            found.warning(_FORMAT, where, f"{name[:40]!r} is no member of it; extensions begin with _")
        elif not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is not bool):
            found.error(_FORMAT, where, f"{name} has a value of the wrong type")


def _date(item: dict[str, Any], name: str, where: str, found: Findings) -> datetime | None:
    text = _text(item, name)
    time = values.rfc3339(text) if text else None
    if text and time is None:
        found.error("F3", where, f"{name} is no date of RFC 3339: {text[:40]!r}")
    return time


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _list(said: dict[str, Any], name: str) -> list[Any]:
    value = said.get(name)
    return value if isinstance(value, list) else []


def _unique(found: Findings) -> Any:
    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            found.error(_FORMAT, "", "an object names the same member twice; readers take different ones")
        return made

    return hook


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
