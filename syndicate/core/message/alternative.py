"""The body both kinds of mail share: multipart/alternative (RFC 2046 5.1.4), text first, seven bits only."""

from __future__ import annotations

import re

from syndicate.core.message.headers import field
from syndicate.core.message.quoted_printable import encode_body

CRLF = "\r\n"


def mime_fields(nonce: str) -> list[str]:
    """The header fields that announce the body."""
    return [
        field("MIME-Version", ["1.0"]),
        field("Content-Type", ["multipart/alternative;", f'boundary="{boundary(nonce)}"']),
    ]


def boundary(nonce: str) -> str:
    # "=_" stands in no quoted-printable and no base64 body (RFC 2045 6.7).
    return f"=_{nonce}"


def alternative_body(text: str, html: str, nonce: str, marker_pattern: re.Pattern[str] | None = None) -> str:
    """Both parts with their headers and the closing boundary."""
    parts = []
    for kind, content in (("plain", text), ("html", html)):
        encoding, encoded = encode_body(content, marker_pattern)
        head = field("Content-Type", [f"text/{kind};", "charset=utf-8"])
        head += field("Content-Transfer-Encoding", [encoding])
        parts.append(f"--{boundary(nonce)}{CRLF}{head}{CRLF}{encoded}{CRLF}")
    return "".join(parts) + f"--{boundary(nonce)}--{CRLF}"
