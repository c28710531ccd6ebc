"""Content transfer encodings of RFC 2045: quoted-printable (6.7), base64 (6.8), and the choice between them.

Lines have at most 76 characters; none begins with a dot or ``From ``, and no two blanks stand side by side, so that
nothing is left to do for DKIM's relaxed form (RFC 6376 3.4.4). Slots stand on lines of their own.
"""

from __future__ import annotations

import base64
import re

SOFT_BREAK = "=\r\n"
_LIMIT = 75  # and the "=" of a soft break
_UNSAFE = re.compile(rb"[^ -<>-~]")
_RUN = re.compile("(?<= ) ")
_PLAIN = re.compile(r"(?!\.|From |.*  )[ -<>-~]*(?<! )")
_WORD = re.compile(r"[!-<>-~]+")
_TABLE = {bytes([byte]): b"=%02X" % byte for byte in range(256)}


def encode_text(text: str, marker_pattern: re.Pattern[str] | None = None) -> str:
    """A text (line ends LF) as quoted-printable with CRLF; markers are left as they are, alone between soft breaks."""
    return "\r\n".join(_encode_line(line, marker_pattern) for line in text.split("\n"))


def encode_value(value: str) -> str:
    """A slot's value: soft-broken quoted-printable without a hard line break, safe at either end of a line."""
    if not value or (len(value) <= _LIMIT and _PLAIN.fullmatch(value)):
        return value
    if _WORD.fullmatch(
        value
    ):  # a long address without an equals sign: the usual value, and this is the path of every reader
        cut = [value[start : start + _LIMIT] for start in range(0, len(value), _LIMIT)]
        if not any(line[0] == "." for line in cut):
            return SOFT_BREAK.join(cut)
    return _soft_wrap(value, ends_line=True)


def encode_base64(text: str) -> str:
    """A text (line ends LF) as base64 in lines of 76, CRLF."""
    body = base64.b64encode(text.replace("\n", "\r\n").encode("utf-8", "replace")).decode()
    return "\r\n".join(body[start : start + 76] for start in range(0, len(body), 76))


def encode_body(text: str, marker_pattern: re.Pattern[str] | None = None) -> tuple[str, str]:
    """The name of the encoding and the encoded text, whichever is smaller.

    A text with slots is always quoted-printable: in base64 a value of another length would shift every byte after it.
    """
    quoted = encode_text(text, marker_pattern)
    if marker_pattern is None or not marker_pattern.search(text):
        encoded = encode_base64(text)
        if len(encoded) < len(quoted):
            return "base64", encoded
    return "quoted-printable", quoted


def _encode_line(line: str, marker_pattern: re.Pattern[str] | None) -> str:
    pieces = marker_pattern.split(line) if marker_pattern else [line]
    last = len(pieces) - 1
    encoded = [
        piece if index % 2 else _soft_wrap(piece, ends_line=index == last)
        for index, piece in enumerate(pieces)
        if piece or last == 0
    ]
    return SOFT_BREAK.join(encoded)


def _soft_wrap(text: str, *, ends_line: bool) -> str:
    """Encode what stands on one line of text, cut at blanks where there are any so that people can read the source."""
    raw = text.encode("utf-8", "replace")
    encoded = _UNSAFE.sub(lambda match: _TABLE[match[0]], raw).decode("ascii")
    if "  " in encoded:
        encoded = _RUN.sub("=20", encoded)
    if ends_line and encoded.endswith(" "):
        encoded = encoded[:-1] + "=20"
    lines = []
    start, end = 0, len(encoded)
    while True:
        guard = ""
        if encoded.startswith(".", start):
            guard, start = "=2E", start + 1
        elif encoded.startswith("From ", start):
            guard, start = "=46", start + 1
        room = _LIMIT - len(guard)
        if end - start <= room:
            lines.append(guard + encoded[start:])
            return SOFT_BREAK.join(lines)
        stop = encoded.rfind(" ", start + room // 2, start + room) + 1 or start + room
        escape = encoded.rfind("=", stop - 2, stop)
        if escape >= 0:
            stop = escape
        lines.append(guard + encoded[start:stop])
        start = stop
