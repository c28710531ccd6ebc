"""Serves the generated documents of ``feeds/``, with validators: readers ask often and load rarely (RFC 9110, 9111)."""

from __future__ import annotations

import hashlib
import stat
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from threading import Lock

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.config import Settings
from syndicate.core.feeds.document import feed_folder

_TYPES = {
    "rss.xml": "application/rss+xml; charset=utf-8",
    "atom.xml": "application/atom+xml; charset=utf-8",
    "feed.json": "application/feed+json",
}
_SUFFIXES = {
    ".xml": "application/xml; charset=utf-8",
    ".json": "application/json",
    ".opml": "text/x-opml; charset=utf-8",
}
_OPEN = {"access-control-allow-origin": "*", "access-control-expose-headers": "ETag, Last-Modified"}
_PREFLIGHT = {
    **_OPEN,
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "If-None-Match, If-Modified-Since, Cache-Control",
    "access-control-max-age": "86400",
    "allow": "GET, HEAD, OPTIONS",
}
_DEFAULT_AGE = 1800  # seconds
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class _Document:
    content: bytes
    etag: str
    modified: datetime


class FeedFiles:
    """The documents under one folder."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.feeds_path
        self._ages = {feed_folder(name): int(feed.ttl.total_seconds()) for name, feed in settings.feed.items()}
        self._tags: OrderedDict[tuple[str, int, int], str] = OrderedDict()
        self._lock = Lock()

    def routes(self) -> list[BaseRoute]:
        """Everything below ``/feeds/``."""
        return [Route("/feeds/{path:path}", self.serve, methods=["GET", "HEAD", "OPTIONS"])]

    def serve(self, request: Request) -> Response:
        """A document, or 304 when the reader has it already."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        path: str = request.path_params["path"]
        document = self._read(path)
        if document is None and not _is_document(path):
            raise HTTPException(404)  # a person who shortened an address: the page with a way back
        if document is None:
            return PlainTextResponse("There is no such feed.\n", status_code=404, headers=_OPEN)
        headers = {
            **_OPEN,
            "etag": document.etag,
            "last-modified": format_datetime(document.modified, usegmt=True),
            "cache-control": f"public, max-age={self._ages.get(path.partition('/')[0], _DEFAULT_AGE)}",
        }
        if _unchanged(request, document):
            return Response(status_code=304, headers=headers)
        name = path.rpartition("/")[2]
        media_type = _TYPES.get(name) or _SUFFIXES[Path(name).suffix]
        headers |= {"content-type": media_type, "content-length": str(len(document.content))}
        return Response(b"" if request.method == "HEAD" else document.content, headers=headers)

    def _read(self, path: str) -> _Document | None:
        parts = path.split("/")
        # Names that begin with a dot are ours while they are being written; ".." and empty ones lead elsewhere.
        if any(not part or part.startswith(".") or "\\" in part or not part.isprintable() for part in parts):
            return None
        if not _is_document(path):
            return None
        place = self._folder.joinpath(*parts)
        try:
            if not place.resolve().is_relative_to(self._folder.resolve()):
                return None
            with place.open("rb") as file:
                facts = place.stat()
                if not stat.S_ISREG(facts.st_mode):
                    return None
                content = file.read()
        except (OSError, ValueError):
            return None
        modified = datetime.fromtimestamp(int(facts.st_mtime), UTC)
        return _Document(content, self._tag(path, facts.st_mtime_ns, content), modified)

    def _tag(self, path: str, changed: int, content: bytes) -> str:
        key = (path, changed, len(content))
        with self._lock:
            if key in self._tags:
                self._tags.move_to_end(key)
                return self._tags[key]
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        with self._lock:
            self._tags[key] = tag
            if len(self._tags) > _KEPT:
                self._tags.popitem(last=False)
        return tag


def _is_document(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name in _TYPES or Path(name).suffix in _SUFFIXES


def _unchanged(request: Request, document: _Document) -> bool:
    asked = request.headers.get("if-none-match")
    if asked is not None:  # then If-Modified-Since must be ignored (RFC 9110 13.1.3)
        tags = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
        return "*" in tags or document.etag in tags
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False
    return document.modified <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
