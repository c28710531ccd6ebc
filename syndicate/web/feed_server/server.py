"""The ASGI callable that answers ``/feeds/**`` and ``/feeds.opml`` and hands everything else to the router."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syndicate.model import FeedFormat
from syndicate.web.feed_server import delta
from syndicate.web.feed_server.addresses import OPML, PREFIX, departed, document_parts, plain_form
from syndicate.web.feed_server.answers import (
    ALLOW,
    PREFLIGHT,
    Answer,
    MovedTo,
    gone,
    missing,
    moved,
    not_allowed,
    part,
    precondition_failed,
    too_often,
)
from syndicate.web.feed_server.conditions import Headers, Verdict, judge
from syndicate.web.feed_server.counting import ReaderCounter
from syndicate.web.feed_server.hammering import Hammering
from syndicate.web.feed_server.held import Held, Variant
from syndicate.web.feed_server.messages import Head
from syndicate.web.feed_server.negotiation import acceptable
from syndicate.web.feed_server.reading import open_variant
from syndicate.web.feed_server.shelf import Shelf
from syndicate.web.proxies import TrustedProxies

_PIECE: Final = 262_144  # bytes of a file in one write
# Lists may come in several fields (RFC 9110 5.3); of all other fields the last one counts.
_LISTS: Final = {b"accept-encoding", b"if-none-match", b"if-match", b"a-im", b"x-forwarded-for"}


class FeedServer:
    """``pages`` is the router behind; ``moved_to`` makes the address for Location out of a path."""

    def __init__(
        self,
        pages: ASGIApp,
        shelf: Shelf,
        folder: Path,
        moved_to: MovedTo,
        proxies: TrustedProxies,
        hammering: Hammering | None = None,
        counter: ReaderCounter | None = None,
        statuses: Counter[int] | None = None,
    ) -> None:
        self._pages = pages
        self._shelf = shelf
        self._folder = folder
        self._moved_to = moved_to
        self._proxies = proxies
        self._hammering = hammering or Hammering()
        #: How many answers had each status, for ``/metrics``.
        self.statuses: Counter[int] = Counter() if statuses is None else statuses
        self._note = None if counter is None else counter.note
        self._counter = counter

    @property
    def uvicorn_protocol(self) -> type[asyncio.Protocol]:
        """What uvicorn takes as ``http``, to write ready answers without a detour; it serves the same without it."""
        from syndicate.web.feed_server.protocol import ready_protocol

        return ready_protocol(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and self._counter is not None:
            send = _before_the_end(self._counter.write_last, send)
        if scope["type"] != "http" or not (path := scope["path"]).startswith("/feeds"):
            await self._pages(scope, receive, send)
            return
        send = self._counting(send)
        answer = self.ready(scope)
        if answer is not None:
            await _answer(send, *answer)
        elif not _may_be_ours(path):
            await self._pages(scope, receive, send)
        else:
            await self._prepared(scope, receive, send, path)

    def _counting(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
            await send(message)

        return counted

    def ready(self, scope: Scope) -> Answer | None:
        """The answer to a request for a document at hand, None for what takes longer or is another's."""
        held = self._shelf.at_hand(scope["path"])
        method = scope["method"]
        if held is None or method not in {"GET", "HEAD"}:
            return None
        headers = _fields(scope["headers"])
        if _is_for_a_person(scope["path"], headers):
            return None
        return self._at_once(scope, headers, held)

    async def _prepared(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Answer what is not ready: loaded, streamed or cut first; refused; or handed on."""
        headers = _fields(scope["headers"])
        method = scope["method"]
        if method == "OPTIONS":
            await _answer(send, *PREFLIGHT)
        elif method not in ALLOW:
            await _answer(send, *not_allowed())
        elif (held := await self._find(path)) is None:
            await self._other(scope, receive, send, path, headers)
        elif _is_for_a_person(path, headers):
            await self._pages(scope, receive, send)
        elif (answer := self._at_once(scope, headers, held) or await self._part(headers, held)) is not None:
            await _answer(send, *answer)
        else:
            await self._whole(scope, send, path, headers, held)

    async def _find(self, path: str) -> Held | None:
        if document_parts(path) is None:
            await self._shelf.look()
            return None
        return await self._shelf.find(path)

    def _at_once(self, scope: Scope, headers: Headers, held: Held) -> Answer | None:
        if self._note is not None and scope["method"] == "GET":
            peer, forwarded = scope.get("client"), headers.get(b"x-forwarded-for")
            client = peer[0] if peer else None
            if forwarded is not None:
                client = self._proxies.client(client, forwarded)
            self._note(scope["path"], client, headers.get(b"user-agent", b""))
        known = headers.get(b"if-none-match")
        variant = held.by_value.get(known) if known is not None else None
        if variant is not None and b"if-match" not in headers and b"if-unmodified-since" not in headers:
            return variant.unchanged, b""
        verdict = judge(headers, held.by_tag, held.digest.encode(), held.modified)
        if verdict is Verdict.FAILED:
            return precondition_failed()
        if verdict is Verdict.UNCHANGED:
            return held.unchanged(headers), b""
        variant = held.variant(headers.get(b"accept-encoding"))
        if scope["method"] == "HEAD":
            return variant.whole, b""
        if variant.body is None or self._may_be_cut(headers, held):
            return None
        return self._refusal(scope, headers, held) or (variant.whole, variant.body)

    async def _whole(self, scope: Scope, send: Send, path: str, headers: Headers, held: Held) -> None:
        """Send a whole document after all, most often a large one from its file."""
        variant = held.variant(headers.get(b"accept-encoding"))
        refusal = self._refusal(scope, headers, held)
        if refusal is not None:
            await _answer(send, *refusal)
        elif variant.body is not None:
            await _answer(send, variant.whole, variant.body)
        else:
            await self._from_file(send, path, held, variant)

    def _refusal(self, scope: Scope, headers: Headers, held: Held) -> Answer | None:
        if b"if-none-match" in headers or b"if-modified-since" in headers:
            return None
        peer = scope.get("client")
        client = self._proxies.client(peer[0] if peer else None, headers.get(b"x-forwarded-for"))
        wait = self._hammering.wait(client, scope["path"], held.about.max_age, time.monotonic())
        return too_often(wait) if wait else None

    async def _from_file(self, send: Send, path: str, held: Held, variant: Variant) -> None:
        file = await asyncio.to_thread(open_variant, self._place(path), held, variant.encoding)
        if file is None:  # replaced a moment ago; what is announced would not be what follows
            await _answer(send, *missing(503))
            return
        try:
            await _stream(send, variant, file)
        finally:
            file.close()

    @staticmethod
    def _may_be_cut(headers: Headers, held: Held) -> bool:
        return b"a-im" in headers and b"if-none-match" in headers and bool(held.history) and delta.wants_delta(headers)

    async def _part(self, headers: Headers, held: Held) -> Answer | None:
        content = held.content
        if content is None or len(content) < delta.DELTA_FROM or not self._may_be_cut(headers, held):
            return None
        version = delta.known_version(held, headers)
        if version is None:
            return None
        encoding = "gzip" if "gzip" in acceptable(headers.get(b"accept-encoding")) else "identity"
        body = await asyncio.to_thread(_cut, content, held.about.media_type, version.entries, encoding)
        return None if body is None else part(held, encoding, body)

    async def _other(self, scope: Scope, receive: Receive, send: Send, path: str, headers: Headers) -> None:
        """An address of no document: another's careless or former form, a page, or nothing."""
        was = departed(path, self._shelf.standing.gone)
        target = await self._present_form(path)
        if target is not None:
            await _answer(send, *moved(self._moved_to(target)))
        elif was is not None and was.target is not None and (not was.ended or await self._stands(was.target)):
            await _answer(send, *moved(self._moved_to(was.target)))
        elif was is not None:
            await _answer(send, *gone())
        elif document_parts(path) is None and _may_be_page(path):
            await self._pages(scope, receive, send)
        elif _is_for_a_person(path, headers):
            await self._pages(scope, receive, send)  # the page that says so
        else:
            await _answer(send, *missing())

    async def _stands(self, path: str) -> bool:
        """Whether there is such a document, or the page of a feed that has one."""
        if document_parts(path) is not None:
            return await self._shelf.find(path) is not None
        for form in FeedFormat:
            if await self._shelf.find(f"{path.rstrip('/')}/{form.file_name}") is not None:
                return True
        return False

    async def _present_form(self, path: str) -> str | None:
        plain = plain_form(path)
        if plain == "/feeds/feeds.opml":
            plain = OPML
        if plain == path or document_parts(plain) is None:
            return None
        return plain if await self._shelf.find(plain) is not None else None

    def _place(self, path: str) -> Path:
        return self._folder.joinpath(*(document_parts(path) or ()))


def _may_be_ours(path: str) -> bool:
    return path == OPML or (path.startswith(PREFIX) and path != PREFIX)


def _is_for_a_person(path: str, headers: Headers) -> bool:
    """Whether a browser wants to show it. Accept does not tell: readers list text/html there (Miniflux, SimplePie)."""
    return headers.get(b"sec-fetch-dest") == b"document" and path != OPML


def _may_be_page(path: str) -> bool:
    return path.endswith("/") or "." not in path.rpartition("/")[2]


def _before_the_end(work: Callable[[], None], send: Send) -> Send:
    """Do some work when the server has answered its last request, before it is told that all is done."""

    async def told(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            await asyncio.to_thread(work)
        await send(message)

    return told


def _fields(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    found = dict(fields)
    if len(found) != len(fields):  # type: ignore[arg-type]
        found = {}
        for name, value in fields:
            found[name] = found[name] + b", " + value if name in _LISTS and name in found else value
    return found


async def _answer(send: Send, head: Head, body: bytes) -> None:
    await send(head.message)
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, variant: Variant, file: BinaryIO) -> None:
    await send(variant.whole.message)
    left = variant.size
    while left > 0:
        piece = await asyncio.to_thread(file.read, min(_PIECE, left))
        if not piece:
            raise OSError(f"a file under feeds/ was cut short while it was sent: {left} bytes are missing")
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})


@lru_cache(maxsize=8)  # each keeps a document alive
def _cut(content: bytes, media_type: str, known: frozenset[int], encoding: str) -> bytes | None:
    body = delta.cut(content, media_type, known)
    return gzip.compress(body, 6, mtime=0) if body is not None and encoding == "gzip" else body
