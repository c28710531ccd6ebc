"""The answers beside a document itself: its part, redirects, refusals, and what other sites' scripts ask first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from syndicate.web.feed_server.held import Held
from syndicate.web.feed_server.messages import OPEN, SAFE, Head, head

MovedTo = Callable[[str], bytes]
Answer = tuple[Head, bytes]

ALLOW: Final = ("GET", "HEAD", "OPTIONS")
_ALLOW_VALUE: Final = ", ".join(ALLOW).encode()
_DAY: Final = b"public, max-age=86400"
_MINUTE: Final = b"public, max-age=60"

PREFLIGHT: Final[Answer] = (
    head(
        204,
        [
            *OPEN,
            (b"allow", _ALLOW_VALUE),
            (b"access-control-allow-methods", _ALLOW_VALUE),
            (b"access-control-allow-headers", b"If-None-Match, If-Modified-Since, Cache-Control, A-IM"),
            (b"access-control-max-age", b"86400"),
        ],
    ),
    b"",
)


def _plain(status: int, text: str, *fields: tuple[bytes, bytes]) -> Answer:
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *SAFE,
        *OPEN,
        *fields,
    ]
    return head(status, headers), body


def moved(location: bytes) -> Answer:
    """For ever: readers write the new address into their lists."""
    return _plain(301, "This feed has moved for good.", (b"location", location), (b"cache-control", _DAY))


def gone() -> Answer:
    """Readers stop asking (FreshRSS mutes a feed on 410)."""
    return _plain(410, "This feed has ended. There is nothing to ask for here any more.", (b"cache-control", _DAY))


def missing(status: int = 404) -> Answer:
    """A small answer that caches keep for a minute; 503 when a file could not be had at this moment."""
    if status == 503:  # noqa: PLR2004 - Service Unavailable
        return _plain(503, "Please try again.", (b"retry-after", b"5"), (b"cache-control", b"no-store"))
    return _plain(
        404,
        "There is no such feed.",
        (b"cache-control", _MINUTE),
        (b"vary", b"Sec-Fetch-Dest"),
    )


def not_allowed() -> Answer:
    """For any other method."""
    return _plain(405, "Feeds can only be read.", (b"allow", _ALLOW_VALUE))


def precondition_failed() -> Answer:
    """RFC 9110 13.1.1 and 13.1.4."""
    return _plain(412, "It is not what you expect any more.", (b"cache-control", b"no-store"))


def too_often(seconds: int) -> Answer:
    """Names the way out: a conditional request is never refused."""
    text = "Too often. Send If-None-Match with the ETag that you were given, then you may ask as often as you like."
    return _plain(429, text, (b"retry-after", str(seconds).encode()), (b"cache-control", b"no-store"))


def part(held: Held, encoding: str, body: bytes) -> Answer:
    """Only the new entries, with the tag of the whole that they make the client's copy to (RFC 3229, section 10.4.1).

    A cache that does not know of this must not keep it, one that does may (section 10.8.3).
    """
    variant = held.variants.get(encoding) or held.variants["identity"]
    shared = dict(variant.unchanged.fields)
    shared[b"vary"] += b", A-IM, If-None-Match"
    shared[b"cache-control"] = b"no-store, im, max-age=%d" % held.about.max_age
    headers = [
        (b"content-type", held.about.media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"im", b"feed"),
        *SAFE,
        *shared.items(),
    ]
    if encoding == "gzip":
        headers.append((b"content-encoding", b"gzip"))
    return head(226, headers), body
