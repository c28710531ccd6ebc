"""Replies of mail servers as bytes and text: framing, codes, enhanced codes, and what of the text is kept.

What a reply means for a delivery lives in ``outcomes.py``; reading from a socket in ``io/smtp_connection.py``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: As much of a reply as the ledger keeps, in characters.
TEXT_LIMIT = 500

# RFC 5321 4.5.3.1.5 allows 512 octets a line and real servers send more; beyond this it is no mail server.
_LINE_LIMIT = 8192
_LINES_LIMIT = 256

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ONE_LINE = re.compile(rb"([2-5][0-9]{2}) ([ -~]{0,510})\r\n")
_CONSENT = re.compile(rb"(?:2[0-9]{2} [ -~]{0,510}\r\n){2}3[0-9]{2} [ -~]{0,510}\r\n")
_ENHANCED = re.compile(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])[ \t:-]*")
_TIDY = re.compile(r"[!-~]+(?: [!-~]+)*")
# C0, DEL, C1, and what reorders or breaks lines: a reply is shown on terminals and pages.
_UNSHOWABLE = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]+")


class MalformedReplyError(ValueError):
    """What came from the server is no reply by RFC 5321 4.2; nothing more can be read from that connection."""


class Reply(NamedTuple):
    """One complete reply: its code (200 to 599) and its text, lines separated by line feeds."""

    code: int
    text: str


def take_reply(buffer: bytearray) -> Reply | None:
    """Cut the first complete reply from the front of what has been read, or return None while it is incomplete.

    Lines end with CRLF (a bare LF is taken too), all with the same code (RFC 5321 4.2.1). With pipelining (RFC 2920)
    several replies may wait in the buffer. Raises MalformedReplyError.
    """
    simple = _ONE_LINE.match(buffer)
    if simple is not None:  # nearly every reply there is: 1 us instead of 3, four times for each message
        reply = Reply(int(simple[1]), simple[2].decode("ascii"))
        del buffer[: simple.end()]
        return reply
    lines: list[bytes] = []
    code: bytes | None = None
    start = 0
    while True:
        end = buffer.find(b"\n", start)
        if (len(buffer) if end < 0 else end) - start > _LINE_LIMIT:
            raise MalformedReplyError("a line of the reply is too long")
        if end < 0:
            return None
        match = _LINE.fullmatch(bytes(buffer[start:end]).rstrip(b"\r"))
        if match is None or (code is not None and match[1] != code):
            shown = tidy(bytes(buffer[start:end]).decode("utf-8", "replace"))[:80]
            raise MalformedReplyError(f"not a reply of a mail server: {shown!r}")
        code = match[1]
        lines.append(match[3] or b"")
        if len(lines) > _LINES_LIMIT:
            raise MalformedReplyError("the reply has too many lines")
        start = end + 1
        if match[2] != b"-":
            del buffer[:start]
            return Reply(int(code), b"\n".join(lines).decode("utf-8", "replace"))


def take_consent(buffer: bytearray) -> bool:
    """Cut the replies that let a grouped MAIL, RCPT and DATA go on, if all three are there: one look for three."""
    consent = _CONSENT.match(buffer)
    if consent is None:
        return False
    del buffer[: consent.end()]
    return True


def enhanced_code(text: str) -> str | None:
    """The enhanced status code (RFC 3463) that heads a reply's text (RFC 2034 4): of the first line that has one."""
    match = _ENHANCED.match(text)
    if match is None and "\n" in text:
        match = next(filter(None, map(_ENHANCED.match, text.split("\n"))), None)
    return match[1] if match else None


def tidy(text: str) -> str:
    """A reply's text as the ledger keeps it: one line, no control characters, at most 500 characters.

    The enhanced code stands once, where it came first: servers repeat it on every line.
    """
    if len(text) <= TEXT_LIMIT and _TIDY.fullmatch(text):
        return text
    lines: list[str] = []
    seen: str | None = None
    for line in text.split("\n"):
        match = _ENHANCED.match(line)
        if match and match[1] == seen:
            lines.append(line[match.end() :])
        else:
            seen = match[1] if match else seen
            lines.append(line)
    return _UNSHOWABLE.sub(" ", " ".join(lines)).strip()[:TEXT_LIMIT].rstrip()
