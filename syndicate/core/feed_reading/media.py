"""Pictures and attachments of entries in XML feeds: enclosures, Media RSS 1.5.1, iTunes."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from syndicate.core.feed_reading.tree import Element, Parts, name_of, text_of
from syndicate.core.feed_reading.values import address, line
from syndicate.model import Attachment

MAX_ATTACHMENTS = 50
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+_-]+")
_UNKNOWN = "application/octet-stream"


def attachment(url: str | None, media_type: str | None, length: object) -> Attachment | None:
    """An attachment; its type is read off the address where the feed gives none that can be one."""
    if url is None:
        return None
    kind = (media_type or "").split(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(kind):
        kind = mimetypes.guess_type(urlsplit(url).path)[0] or _UNKNOWN
    written = str(length).strip() if length is not None else ""
    size = int(written) if re.fullmatch(r"[0-9]{1,15}", written) else 0
    return Attachment(url=url, type=kind, length=size or None)


def enclosures(parts: Parts, base: str | None) -> list[Attachment]:
    """What an RSS item or an Atom entry encloses, pictures among it."""
    found = [
        attachment(address(link.get("href"), base), link.get("type"), link.get("length"))
        for link in parts.all("atom:link")
        if (link.get("rel") or "").strip().lower() == "enclosure"
    ]
    found += [
        attachment(address(element.get("url"), base), element.get("type"), element.get("length"))
        for element in parts.all("enclosure")
    ]
    for element in _media(parts):
        kind = (element.get("medium") or "").lower()
        media_type = (element.get("type") or "").lower()
        if kind in {"audio", "video", "document", "executable"} or media_type.startswith(("audio/", "video/")):
            found.append(attachment(address(element.get("url"), base), media_type, element.get("filesize")))
    return list({entry.url: entry for entry in found if entry is not None}.values())[:MAX_ATTACHMENTS]


def picture(parts: Parts, enclosed: list[Attachment], base: str | None) -> tuple[str | None, str]:
    """The address of an entry's picture, with its description: Media RSS, an enclosed one, a podcast's."""
    for element in _media(parts):
        if _is_picture(element):
            url = address(element.get("url"), base)
            if url:
                return url, _description(element)
    for entry in enclosed:
        if entry.type.startswith("image/"):
            return entry.url, ""
    for element in (*parts.all("media:thumbnail"), *_thumbnails(parts)):
        url = address(element.get("url"), base)
        if url:
            return url, ""
    for element in parts.all("itunes:image", "image"):
        url = address(element.get("href") or element.get("url") or text_of(element), base)
        if url:
            return url, ""
    return None, ""


def _media(parts: Parts) -> Iterator[Element]:
    yield from parts.all("media:content")
    for group in parts.all("media:group"):
        yield from (child for child in group if name_of(child) == "media:content")


def _thumbnails(parts: Parts) -> Iterator[Element]:
    for holder in parts.all("media:content", "media:group"):
        yield from (child for child in holder if name_of(child) == "media:thumbnail")


def _is_picture(element: Element) -> bool:
    medium, media_type = (element.get("medium") or "").lower(), (element.get("type") or "").lower()
    if medium or media_type:
        return medium == "image" or media_type.startswith("image/")
    guessed = mimetypes.guess_type(urlsplit(line(element.get("url"))).path)[0] or ""
    return guessed.startswith("image/")


def _description(element: Element) -> str:
    inner = Parts(element)
    return line(inner.text("media:description") or inner.text("media:title"))
