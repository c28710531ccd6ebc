"""The head of an answer, made once and sent often: as an ASGI message, and as the bytes of HTTP/1.1."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

Fields = list[tuple[bytes, bytes]]
Message = dict[str, Any]

OPEN: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Link, Retry-After"),
)
# A browser that shows a document shows nothing else, whatever an article holds. A 304 renews them in no cache.
SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


@dataclass(frozen=True, slots=True)
class Head:
    """``message`` is shared: what sends it must not change it. ``data`` lacks the empty line at its end."""

    status: int
    fields: Fields
    message: Message
    data: bytes


def head(status: int, fields: Fields) -> Head:
    """Make the head of an answer; names in lower case, as ASGI wants them."""
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return Head(
        status=status,
        fields=fields,
        message={"type": "http.response.start", "status": status, "headers": fields},
        data=line + b"".join(b"%s: %s\r\n" % field for field in fields),
    )
