"""The relaxed forms of header fields and body that DKIM hashes (RFC 6376 3.4.2 and 3.4.4), on the bytes as they go."""

from __future__ import annotations

import re
from typing import NamedTuple

_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANKS = re.compile(rb"[ \t]+")


class Field(NamedTuple):
    """A header field: its name in lower case, and its relaxed form without the CRLF."""

    name: bytes
    relaxed: bytes


def split_message(message: bytes) -> tuple[bytes, bytes]:
    """The header without its last CRLF, and the body; the empty line between them belongs to neither."""
    if message.startswith(b"\r\n"):
        return b"", message[2:]
    head, _, body = message.partition(b"\r\n\r\n")
    return head, body


def relaxed_fields(head: bytes) -> list[Field]:
    """Every field of a header as ``split_message`` gives it, in its order."""
    if b"\r\n " in head or b"\r\n\t" in head:
        head = _FOLD.sub(b"", head)
    found = []
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            continue  # no field at all: the end of a header that has no body
        name = name.rstrip(b" \t").lower()
        if b"\t" in value or b"  " in value:
            value = _BLANKS.sub(b" ", value)
        found.append(Field(name, b"%b:%b" % (name, value.strip(b" "))))
    return found


def relaxed_body(body: bytes) -> bytes:
    """Runs of blanks as one space, none at the end of a line, no empty lines at the end."""
    if b"\t" in body or b"  " in body or b" \r\n" in body or body.endswith(b" "):
        body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n").removesuffix(b" ")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    if not end:
        return b""
    # Usually it stands there already, once.
    return body if end == len(body) - 2 else body[:end] + b"\r\n"
