"""A folder of published feeds and the feed server over it, asked as an ASGI server would ask it."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import brotli

from syndicate.store.published import Standing
from syndicate.web.feed_server.addresses import document_parts, location, media_type
from syndicate.web.feed_server.hammering import Hammering
from syndicate.web.feed_server.held import About, Held
from syndicate.web.feed_server.reading import read
from syndicate.web.feed_server.server import FeedServer
from syndicate.web.feed_server.shelf import LIMIT, Shelf
from syndicate.web.proxies import TrustedProxies

CHANGED = 1_795_330_800  # 2026-11-22 07:00:00 GMT
DATE = "Sun, 22 Nov 2026 07:00:00 GMT"
SELF = "https://news.courier.example"
PROXIES = ("127.0.0.1", "10.1.0.0/16")
READER = "198.51.100.7"


@dataclass(frozen=True)
class Answer:
    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    pieces: int = 1

    @property
    def headers(self) -> Mapping[str, str]:
        return dict(self.fields)

    @property
    def text(self) -> str:
        coding = self.headers.get("content-encoding")
        if coding == "gzip":
            return gzip.decompress(self.body).decode()
        return (brotli.decompress(self.body) if coding == "br" else self.body).decode()


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """What stands for the router: it says that it was asked."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@dataclass
class FeedSite:
    """``now`` is the clock of Last-Modified; raise ``standing``'s generation after writing."""

    root: Path
    now: int = CHANGED + 3600
    standing: Standing = field(default_factory=Standing)
    about: Callable[[tuple[str, ...]], dict[str, Any]] = lambda parts: {}
    limit: int = LIMIT
    allowed: int = 60
    stand: Callable[[], Standing] | None = None
    reads: int = 0

    def __post_init__(self) -> None:
        self.folder = self.root / "feeds"
        self.folder.mkdir(exist_ok=True)
        self.shelf = Shelf(self._read, lambda: self.stand() if self.stand else self.standing, limit=self.limit)
        server = FeedServer(
            pages,
            self.shelf,
            self.folder,
            lambda path: location("/news", path),
            TrustedProxies(PROXIES),
            Hammering(self.allowed),
        )
        self.server = server

    def _read(self, path: str, previous: Held | None) -> Held | None:
        self.reads += 1
        parts = document_parts(path)
        if parts is None:
            return None
        links = f'<{SELF}{path}>; rel="self"'
        values = {"media_type": media_type(parts[-1]) or "", "max_age": 900, "links": links}
        return read(self.folder, parts, About(**{**values, **self.about(parts)}), previous, self.now)

    def write(
        self, path: str, content: bytes | str, *, modified: int = CHANGED, twins: bool = True, publish: bool = True
    ) -> None:
        data = content.encode() if isinstance(content, str) else content
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        files = {"": data}
        if twins:
            files |= {".gz": gzip.compress(data, 9, mtime=0), ".br": brotli.compress(data, quality=5)}
        for suffix, each in files.items():
            target = place.with_name(place.name + suffix)
            fresh = target.with_name(f".{target.name}.new")
            fresh.write_bytes(each)
            os.utime(fresh, (modified, modified))
            fresh.replace(target)
        if publish:
            self.published()

    def published(self, gone: Mapping[str, str | None] | None = None) -> None:
        known = self.standing.gone if gone is None else gone
        self.standing = Standing(self.standing.generation + 1, known)
        self.shelf._look_at = 0.0  # as if a second had passed

    def ask(self, path: str, method: str = "GET", client: str = READER, **headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask_fields(path, list(fields.items()), method, client)

    def ask_fields(self, path: str, fields: list[tuple[str, str]], method: str = "GET", client: str = READER) -> Answer:
        return asyncio.run(self._ask(path, fields, method, client))

    async def _ask(self, path: str, fields: list[tuple[str, str]], method: str, client: str) -> Answer:
        messages: list[Any] = []

        async def send(message: Any) -> None:
            messages.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "client": (client, 40000),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields],
        }
        await self.server(scope, receive, send)
        start, *bodies = messages
        assert start["type"] == "http.response.start"
        assert all(body["type"] == "http.response.body" for body in bodies)
        assert [body.get("more_body", False) for body in bodies] == [True] * (len(bodies) - 1) + [False]
        headers = tuple((name.decode(), value.decode("latin-1")) for name, value in start["headers"])
        assert all(name == name.lower() for name, _ in headers)
        return Answer(start["status"], headers, b"".join(body["body"] for body in bodies), len(bodies))
