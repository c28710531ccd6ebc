"""A message with slots, parsed once per edition and filled in microseconds per reader.

Every slot knows where it stands (HTML, text, or a header of one kind) and is encoded for that place.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from syndicate.core.dkim.canonical import relaxed_body
from syndicate.core.message.headers import field, mailbox_tokens, message_id_token, unstructured, uri_token
from syndicate.core.message.quoted_printable import encode_value
from syndicate.core.render.slots import check_nonce, fill_markers, marker_pattern, read_marker, slot_value
from syndicate.errors import StoreError

Values: TypeAlias = Mapping[str, str]
#: The slots that are the reader's own words, or the delivery's time; all others are made of tokens.
OF_READER = frozenset({"recipient.name", "recipient.email", "date"})
_BOUNDARY = re.compile(rb'boundary="=_([a-z0-9]+)"')
_SPECIAL = re.compile("[&<>\"']")
_HTML_PART = "\r\nContent-Type: text/html;"


class ReaderPiece(NamedTuple):
    """A piece of a message that differs from reader to reader; ``slots`` are those that it may look at."""

    make: Callable[[Values], str]
    slots: frozenset[str]

    def fill(self, values: Values) -> bytes:
        """Its octets. UTF-8 differs from ASCII only for a local part beyond ASCII in To (RFC 6532)."""
        return self.make(values).encode()


class MessageTemplate:
    """An edition's message. ``nonce`` may be left out: the message's own boundary carries it."""

    def __init__(self, blob: bytes, nonce: str | None = None) -> None:
        found = _BOUNDARY.search(blob)
        if not found:
            raise StoreError("the stored message of this edition is not one that this program has written")
        self.nonce = check_nonce(nonce or found[1].decode())
        self._pattern = marker_pattern(self.nonce)
        head, _, body = blob.decode().partition("\r\n\r\n")
        pieces: list[str | ReaderPiece] = [
            self._header(line) if self._pattern.search(line) else f"{line}\r\n" for line in head.split("\r\n")
        ]
        pieces.append("\r\n")
        text, mark, page = body.partition(_HTML_PART)
        pieces += self._body(text, _text_value)
        pieces += self._body(mark + page, _html_value)
        #: Octets that are the same for all, and what makes those of a reader.
        self.pieces = _joined(pieces)
        #: Whether what ``fill`` makes may go out as it is: see ``Envelope.ready``. What is filled in keeps to it.
        self.ready = _no_line_begins_with_a_dot(blob)
        #: Whether the body is in DKIM's relaxed form already; what is filled in keeps to it, too.
        self.relaxed = relaxed_body(body.encode()) == body.encode()

    def fill(self, values: Values) -> bytes:
        """The finished message for one reader, CRLF line ends, not dot-stuffed.

        ``values`` names every slot of ``core.render.slots.CODES``; an empty ``unsubscribe_mailto`` is left out.
        Raises HeaderError or AddressError when a value cannot stand in its header: that reader is at fault, no other.
        """
        return b"".join([piece if isinstance(piece, bytes) else piece.fill(values) for piece in self.pieces])

    def _header(self, line: str) -> ReaderPiece:
        name, _, content = line.partition(": ")
        if name == "To":
            return ReaderPiece(to_field, OF_READER)
        if name == "Message-ID":
            return ReaderPiece(
                lambda values: field(name, [message_id_token(values["message_id"])]), frozenset({"message_id"})
            )
        if name == "Date":
            return ReaderPiece(lambda values: field(name, [values["date"]]), frozenset({"date"}))
        if name == "List-Unsubscribe":
            return ReaderPiece(_list_unsubscribe, frozenset({"unsubscribe_url", "unsubscribe_mailto"}))
        return ReaderPiece(
            lambda values: unstructured(name, fill_markers(content, self.nonce, values)),
            frozenset(read_marker(found, self.nonce)[0] for found in self._pattern.findall(content)),
        )

    def _body(self, body: str, encode: Callable[[str], str]) -> list[str | ReaderPiece]:
        pieces: list[str | ReaderPiece] = []
        for index, piece in enumerate(self._pattern.split(body)):
            pieces.append(self._slot(piece, encode) if index % 2 else piece)
        return pieces

    def _slot(self, found: str, encode: Callable[[str], str]) -> ReaderPiece:
        slot, fallback = read_marker(found, self.nonce)
        return ReaderPiece(lambda values: encode(slot_value(values, slot, fallback)), frozenset({slot}))


def to_field(values: Values) -> str:
    """The field To, from the reader's name and address. Raises HeaderError and AddressError."""
    return field("To", mailbox_tokens(values["recipient.name"], values["recipient.email"]))


def _no_line_begins_with_a_dot(blob: bytes) -> bool:
    whole_ends = blob.count(b"\n") == blob.count(b"\r") == blob.count(b"\r\n") and blob.endswith(b"\r\n")
    return whole_ends and b"\n." not in blob and not blob.startswith(b".")


def _list_unsubscribe(values: Values) -> str:
    # RFC 2369 2: several addresses are separated by commas; a fold may stand after one and never inside an address.
    name = "List-Unsubscribe"
    uris = [uri_token(name, uri) for uri in (values["unsubscribe_url"], values["unsubscribe_mailto"]) if uri]
    return field(name, [*(f"{uri}," for uri in uris[:-1]), uris[-1]])


def _text_value(value: str) -> str:
    return encode_value(value)


def _html_value(value: str) -> str:
    # Addresses seldom need it, and looking is five times as quick as escaping.
    return encode_value(html.escape(value) if _SPECIAL.search(value) else value)


def _joined(pieces: list[str | ReaderPiece]) -> list[bytes | ReaderPiece]:
    """Neighbouring constant pieces as one, as bytes: what is left per reader is a join."""
    joined: list[bytes | ReaderPiece] = []
    for piece in pieces:
        if isinstance(piece, ReaderPiece):
            joined.append(piece)
        elif joined and isinstance(joined[-1], bytes):
            joined[-1] += piece.encode()
        else:
            joined.append(piece.encode())
    return joined
