"""Writes header fields: RFC 5322 (structure, folding), RFC 2047 (encoded words), RFC 2369 and 8058 (list fields).

Python's own serialiser is not used: it turns long URIs into encoded words (docs of R1, odoo#289182, cpython#144156).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from syndicate.core.addresses import parse_address
from syndicate.core.render.graphemes import graphemes
from syndicate.errors import HeaderError

LINE = 78  # RFC 5322 2.1.1: should; 998 must
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_TEXT = re.compile(r"[!-~]{1,900}(?: [!-~]{1,900})*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PRINTABLE = re.compile(r"[ -~]*")
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# The common form, accepted in 1 us where the full reading takes 10: this is on the path of every message.
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@(?=.{1,180}$)(?:[a-z0-9]+\.)+[a-z]{2,30}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-;=?-~]+")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_WORD_TEXT = 75 - len("=?utf-8?q??=")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name (may be empty) and an address."""

    name: str
    address: str


def parse_mailbox(text: str) -> Mailbox:
    """Read ``Name <address>`` or an address, as written in a configuration. Raises AddressError."""
    name, bracket, rest = text.strip().rpartition("<")
    address = rest.removesuffix(">").strip() if bracket else text.strip()
    addr_spec(address)
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return Mailbox(name, address)


def check_value(name: str, value: str) -> str:
    """Refuse what could start another header. Raises HeaderError naming the field and the character."""
    found = _CONTROL.search(value)
    if found:
        raise HeaderError(f"the value for {name} holds the control character U+{ord(found[0]):04X}; take it out")
    return value


def field(name: str, tokens: Sequence[str]) -> str:
    """One header field with CRLF; a fold may stand between tokens and never inside one.

    The first token stays beside the name even if it is long: some programs do not read a field that begins with a fold.
    """
    line = f"{name}: {tokens[0]}"
    lines = []
    for token in tokens[1:]:
        if len(line) + 1 + len(token) > LINE:
            lines.append(line)
            line = f" {token}"
        else:
            line = f"{line} {token}"
    lines.append(line)
    if max(map(len, lines)) > 998:  # noqa: PLR2004 - RFC 5322 2.1.1
        raise HeaderError(f"{name} holds a value of more than 998 characters, which no mail server takes")
    return "\r\n".join(lines) + "\r\n"


def unstructured(name: str, text: str) -> str:
    """A field of free text such as Subject: plain when it is ASCII, else encoded words."""
    check_value(name, text)
    if not text or (_PLAIN_TEXT.fullmatch(text) and "=?" not in text):
        return field(name, text.split(" "))
    return field(name, encoded_words(text, first=LINE - len(name) - 2))


def encoded_words(text: str, first: int = 75) -> list[str]:
    """A text as RFC 2047 words of at most 75 characters (the first: ``first``), cut between graphemes."""
    # "q" where most of it is ASCII, so that people can read the source; base64 is shorter for other scripts.
    readable = sum(byte in _Q_SAFE or byte == 32 for byte in text.encode("utf-8", "replace"))  # noqa: PLR2004 - the space
    encode, kind = (_q_word, "q") if readable * 2 > len(text) else (_b_word, "b")
    words: list[str] = []
    part = ""
    limit = _WORD_TEXT - (75 - min(first, 75))
    for cluster in graphemes(text):
        # A cluster that is longer than a word (letters with dozens of marks) is cut between code points.
        for unit in [cluster] if len(encode(cluster)) <= limit else cluster:
            if part and len(encode(part + unit)) > limit:
                words.append(f"=?utf-8?{kind}?{encode(part)}?=")
                part, limit = "", _WORD_TEXT
            part += unit
    return [*words, f"=?utf-8?{kind}?{encode(part)}?="]


def mailbox_tokens(name: str, address: str) -> list[str]:
    """``name-addr`` of RFC 5322 3.4 as tokens. Raises HeaderError and AddressError."""
    check_value("a display name", name)
    spec = addr_spec(address)
    return [*phrase(name), f"<{spec}>"] if name.strip() else [spec]


def phrase(name: str) -> list[str]:
    """A display name: atoms, a quoted string where that is short enough never to be folded, or encoded words."""
    name = name.strip()
    if _ATOMS.fullmatch(name) and "=?" not in name and max(map(len, name.split(" "))) < LINE:
        return name.split(" ")
    if _PRINTABLE.fullmatch(name) and len(name) <= 60 and "=?" not in name:  # noqa: PLR2004 - leaves room for the name of the field
        return ['"' + re.sub(r'(["\\])', r"\\\1", name) + '"']
    return encoded_words(name, first=64)


def addr_spec(address: str) -> str:
    """An address as it stands in a header (RFC 5322 3.4.1), the domain as A-labels. Raises AddressError.

    A local part beyond ASCII stays as it is (RFC 6532 3.2): such a reader is reached through SMTPUTF8 only, in the
    envelope as in the header.
    """
    return address if _PLAIN_ADDRESS.fullmatch(address) else parse_address(address).wire


def uri_token(name: str, uri: str) -> str:
    """``<uri>`` for a list field (RFC 2369); raises HeaderError when it is no plain ASCII URI."""
    if not _URI.fullmatch(uri):
        raise HeaderError(f"the value for {name} is not a URI of plain ASCII: {uri!r}")
    return f"<{uri}>"


def message_id_token(value: str) -> str:
    """``<left@right>`` (RFC 5322 3.6.4); raises HeaderError."""
    left, _, right = value.partition("@")
    if not _DOT_ATOM.fullmatch(left) or not _DOT_ATOM.fullmatch(right):
        raise HeaderError(f"the message id {value!r} must look like left@domain")
    return f"<{value}>"


def list_id_tokens(title: str, label: str, domain: str) -> list[str]:
    """``Title <label.domain>`` (RFC 2919); a label that is no ASCII name is written as one."""
    name = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") if label.isascii() else ""
    name = name or "d" + label.encode().hex()[:40]
    if not _DOT_ATOM.fullmatch(domain):
        raise HeaderError(f"{domain!r} is no domain for List-Id")
    token = f"<{name}.{domain}>"
    return [*phrase(check_value("List-Id", title)), token] if title.strip() else [token]


def date_value(moment: datetime) -> str:
    """``date-time`` of RFC 5322 3.3 with its real offset; the moment must have a zone."""
    if moment.tzinfo is None:
        raise HeaderError("the date of a message needs a time zone")
    return format_datetime(moment)


def _b_word(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def _q_word(text: str) -> str:
    # The safe set is that of phrases (RFC 2047 5 (3)), the strictest of the three.
    return "".join(
        chr(byte) if byte in _Q_SAFE else "_" if byte == 32 else f"={byte:02X}"  # noqa: PLR2004 - the space
        for byte in text.encode("utf-8", "replace")
    )
