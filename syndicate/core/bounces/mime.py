"""A message from a mailbox, taken apart without trust: bounded, iterative, and never an exception, whatever it holds.

Python's own parser goes one call deeper for each level, so that a mail of a thousand levels ends the program that
reads it. This one stops at bounds that no honest report comes near. Writing of messages: ``core/message``.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Final

#: So much of a message is looked at, in octets: reports stand before the message they return.
READ_LIMIT: Final = 1 << 20
DEPTH_LIMIT: Final = 16
PARTS_LIMIT: Final = 64
_HEADER_LIMIT: Final = 1 << 16
_FIELDS_LIMIT: Final = 500
_TEXT_LIMIT: Final = 1 << 15

_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_FOLD = re.compile(rb"\n(?=[ \t])")
_PARAMETER = re.compile(r';\s*([\w*-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,400})"|([^\s;"]{1,400}))')
_WORD = re.compile(r"=\?([\w.:-]{1,40})(?:\*[\w-]*)?\?([bq])\?([^?]{0,2000})\?=", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?)")
# Relays rewrite a header and leave the body: the first line that looks like a boundary before a part's header.
_BOUNDARY = re.compile(rb"^--([^\s-][^\n]{4,69})\n(?=Content-)", re.MULTILINE | re.IGNORECASE)
_HIDDEN = re.compile(r"<(style|script|head)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BREAKS = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d|/pre|/table)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"<(?!\S+@)[^>]{0,2000}>")
# What Python can decode and mail never is: some take quadratic time, some are no texts.
_FOREIGN_CODECS: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs"})


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of a header, in order; values unfolded, names in lower case."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The first value, or nothing."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, *names: str) -> list[str]:
        """All values of these fields."""
        return [value for key, value in self.fields if key in names]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of a message: its type in lower case, its header, and its body as it came."""

    type: str
    headers: Headers
    raw: bytes = field(repr=False)

    def content(self) -> bytes:
        """The body without its transfer encoding (RFC 2045 6); what is damaged is read as far as it goes."""
        match self.headers.get("content-transfer-encoding").strip().lower():
            case "base64":
                return _from_base64(self.raw)
            case "quoted-printable":
                return binascii.a2b_qp(self.raw)
            case _:
                return self.raw

    def text(self) -> str:
        """The body as text, by its charset or a guess."""
        return decoded(self.content()[:_TEXT_LIMIT], parameter(self.headers.get("content-type"), "charset"))


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its type, its header and its leaves. What a leaf returns (message/rfc822) is not taken apart."""

    type: str
    headers: Headers
    parts: tuple[Part, ...]

    def first(self, *types: str) -> Part | None:
        """The first leaf of one of these types."""
        return next((part for part in self.parts if part.type in types), None)


def take_apart(data: bytes) -> Message:
    """Read a message, also one that is cut off or damaged. Line ends may be CRLF, LF or CR."""
    headers, body = split_header(normalised(data))
    kind = media_type(headers)
    parts: list[Part] = []
    waiting = [(headers, body, 0)]
    while waiting and len(parts) < PARTS_LIMIT:
        part_headers, part_body, depth = waiting.pop()
        part_type = media_type(part_headers)
        boundary = parameter(part_headers.get("content-type"), "boundary")
        if part_type.startswith("multipart/") and depth < DEPTH_LIMIT:
            pieces = _pieces(part_body, boundary.encode("utf-8", "replace")) if boundary else []
            if not pieces and (guess := _BOUNDARY.search(part_body)):
                pieces = _pieces(part_body, guess[1])
            if pieces:
                digest = part_type == "multipart/digest"
                waiting += [(*_part(piece, digest=digest), depth + 1) for piece in reversed(pieces)]
                continue
            part_type = "text/plain"  # it says that it has parts, and has none
        parts.append(Part(part_type, part_headers, part_body))
    return Message(kind, headers, tuple(parts))


def normalised(data: bytes) -> bytes:
    """The beginning of a message with one kind of line end, without what mailboxes put before it."""
    data = data[:READ_LIMIT]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = data.lstrip(b"\n \t\xef\xbb\xbf")
    if data.startswith((b"From ", b">From ")):
        data = data.partition(b"\n")[2]
    return data


def split_header(data: bytes) -> tuple[Headers, bytes]:
    """A header and what follows it (RFC 5322 2.1). A text without any field has no header."""
    head, blank, body = data.partition(b"\n\n")
    if data.startswith(b"\n"):
        return Headers(), data[1:]
    fields = read_fields(head[:_HEADER_LIMIT])
    if not fields:
        return Headers(), data
    return Headers(fields), body if blank else b""


def read_fields(head: bytes) -> tuple[tuple[str, str], ...]:
    """The fields of a header block, unfolded; lines that are none are left out."""
    found = []
    for line in _FOLD.sub(b"", head).split(b"\n")[:_FIELDS_LIMIT]:
        match = _FIELD.match(decoded(line, ""))
        if match:
            found.append((match[1].lower(), match[2].strip()))
    return tuple(found)


def media_type(headers: Headers) -> str:
    """The type of Content-Type in lower case; text/plain where there is none that makes sense (RFC 2045 5.2)."""
    kind = headers.get("content-type").partition(";")[0].strip().lower()
    return kind if "/" in kind else "text/plain"


def parameter(value: str, name: str) -> str:
    """A parameter of Content-Type, or nothing."""
    if name not in value.lower():
        return ""
    for match in _PARAMETER.finditer(value):
        if match[1].lower() == name:
            return match[3] or re.sub(r"\\(.)", r"\1", match[2] or "")
    return ""


def decoded(octets: bytes, charset: str) -> str:
    """Octets as text: by the charset if it is one of mail, else UTF-8, else Latin-1. Never raises."""
    if octets.isascii() and b"\x1b" not in octets:
        return octets.decode("ascii")
    for name in (charset, "utf-8"):
        if name and (codec := _codec(name)):
            try:
                return codec.decode(octets, "strict")[0]
            except (UnicodeError, ValueError):
                continue
    codec = _codec(charset) if charset else None
    if codec is not None and codec.name not in {"utf-8", "ascii"}:
        return codec.decode(octets, "replace")[0]  # mostly right, as a text that was cut in a character
    return octets.decode("utf-8", "replace") if _mostly_utf8(octets) else octets.decode("latin-1")


def words_decoded(value: str) -> str:
    """A header's text without its encoded words (RFC 2047 6.2)."""
    if "=?" not in value:
        return value
    return _WORD.sub(_word, _BETWEEN_WORDS.sub("", value))


def _word(match: re.Match[str]) -> str:
    text = match[3].encode("utf-8", "replace")
    octets = _from_base64(text) if match[2] in "bB" else binascii.a2b_qp(text, header=True)
    return decoded(octets, match[1])


def _codec(name: str) -> codecs.CodecInfo | None:
    try:
        codec = codecs.lookup(name.strip("'\" "))
    except (LookupError, ValueError, UnicodeError):
        return None
    return codec if codec._is_text_encoding and codec.name not in _FOREIGN_CODECS else None  # noqa: SLF001 - the flag that bytes.decode() asks


def _mostly_utf8(octets: bytes) -> bool:
    return octets.decode("utf-8", "replace").count("\N{REPLACEMENT CHARACTER}") * 8 < sum(o > 127 for o in octets)  # noqa: PLR2004 - ASCII ends at 127


def _from_base64(text: bytes) -> bytes:
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
    try:
        return binascii.a2b_base64(kept[: len(kept) - (len(kept) % 4 == 1)] + b"===")
    except binascii.Error:
        return b""


def _part(piece: bytes, *, digest: bool) -> tuple[Headers, bytes]:
    headers, body = split_header(piece)
    if digest and "content-type" not in headers:
        return Headers((*headers.fields, ("content-type", "message/rfc822"))), body
    return headers, body


def _pieces(body: bytes, boundary: bytes) -> Sequence[bytes]:
    """The parts between the lines of a boundary (RFC 2046 5.1.1); the last one may be cut off."""
    mark = b"\n--" + boundary
    text = b"\n" + body
    found: list[bytes] = []
    at = text.find(mark)
    while at >= 0 and len(found) < PARTS_LIMIT:
        start = at + len(mark)
        if text.startswith(b"--", start):
            break
        line_end = text.find(b"\n", start)
        if line_end < 0:
            break
        if text[start:line_end].strip(b" \t"):  # a longer boundary that begins alike
            at = text.find(mark, line_end)
            continue
        at = text.find(mark, line_end)
        found.append(text[line_end + 1 : at] if at >= 0 else text[line_end + 1 :])
    return found


def without_tags(html: str) -> str:
    """The words of an HTML letter, roughly, line by line: only to find addresses and codes in, never to be shown."""
    text = _HIDDEN.sub(" ", html[:_TEXT_LIMIT])
    text = _BREAKS.sub("\n", text)
    return unescape(_TAG.sub("", text)).replace("\N{NO-BREAK SPACE}", " ")
