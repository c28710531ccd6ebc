"""The addresses under ``/feeds``: which name a file, of which type, which are old or careless forms. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from syndicate.config import Settings
from syndicate.model import FeedFormat

OPML: Final = "/feeds.opml"
PREFIX: Final = "/feeds/"
_TYPES: Final = {form.file_name: form.media_type for form in FeedFormat}
_SUFFIXES: Final = {".xml": "application/xml", ".json": "application/json", ".opml": "text/x-opml"}
_DEEPEST = 8  # parts: NAME/category/SLUG/archive/NUMBER/rss.xml has six


def document_parts(path: str) -> tuple[str, ...] | None:
    """The parts of a file's path under ``feeds/`` that an address names; None for an address of no document.

    Names with a leading dot are ours while they are being written; ``..``, empty ones and backslashes lead elsewhere.
    """
    if path == OPML:
        return ("feeds.opml",)
    if not path.startswith(PREFIX) or path == f"{PREFIX}feeds.opml":
        return None
    parts = tuple(path[len(PREFIX) :].split("/"))
    if len(parts) > _DEEPEST or any(
        not part or part.startswith(".") or "\\" in part or not part.isprintable() for part in parts
    ):
        return None
    return parts if media_type(parts[-1]) else None


def media_type(name: str) -> str | None:
    """The type of a file by its name, with the charset where the type has one; None for what is not served."""
    found = _TYPES.get(name) or _SUFFIXES.get(name[name.rfind(".") :] if "." in name else "")
    # JSON is UTF-8 by definition and its types know no charset (RFC 8259 11).
    return found if found is None or "json" in found else f"{found}; charset=utf-8"


def plain_form(path: str) -> str:
    """An address without doubled and closing slashes, in lower case: what a careless one may have meant."""
    return "/" + "/".join(part for part in path.lower().split("/") if part)


def renamed(settings: Settings) -> Mapping[str, str | None]:
    """The present name of each feed that had another."""
    return {old: name for name, feed in settings.feed.items() for old in feed.renamed_from if old not in settings.feed}


class Departed(NamedTuple):
    """Of an address of a feed that is gone: its address today, None if it has none, and whether it ended by itself.

    A feed of a category, an author and so on that ended has an address today only if one is there again: the feed above
    it was renamed, or had been before.
    """

    target: str | None
    ended: bool


def departed(path: str, gone: Mapping[str, str | None]) -> Departed | None:
    """What became of the feed that an address belonged to; None for an address of no such feed.

    A feed made for a category, an author and so on is known by its own name, and goes with the feed above it.
    """
    parts = path.removeprefix(PREFIX).split("/")
    ended = False
    for count in range(len(parts) - 1, 0, -1):
        name = "/".join(parts[:count])
        present = gone.get(name)
        if present is not None:
            return Departed(f"{PREFIX}{present}/{'/'.join(parts[count:])}", ended)
        ended = ended or name in gone
    return Departed(None, ended) if ended else None


def location(root: str, path: str) -> bytes:
    """A path as Location shows it. ``root`` is where the service lives on its host."""
    return quote(f"{root}{path}", safe="/~!$&'()*+,;=:@").encode()
